"""The links and paths on every page of the documentation lead to files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contract.simulator_support import REPOSITORY

PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for path in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("examples/**/*.md")]
)
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)(?:#[\w-]*)?\)")
FOLDERS = ("allclear/", "tasks/", "flows/", "deployments/", "runbooks/", "tests/", "docs/", "scripts/", "examples/")
PATH = re.compile(r"`((?:" + "|".join(FOLDERS) + r")[\w./-]+)`")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_only_to_files_that_exist(page: str) -> None:
    """A link is relative to its page."""
    folder = (REPOSITORY / page).parent
    targets = LINK.findall((REPOSITORY / page).read_text(encoding="utf-8"))
    assert [target for target in targets if not (folder / target).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_a_page_names_only_paths_that_exist(page: str) -> None:
    """If a file or folder moves, every page must follow; names in capitals are placeholders."""
    paths = PATH.findall((REPOSITORY / page).read_text(encoding="utf-8"))
    real = [path for path in paths if not re.search("[A-Z]{3}", path)]
    assert [path for path in real if not any(REPOSITORY.glob(path.rstrip("/")))] == []


def test_the_glossary_names_only_places_that_exist() -> None:
    """The place of each idea is a path, relative to the repository or to `allclear/`."""
    glossary = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in glossary.splitlines() if line.startswith("| **")]
    places = [place for row in rows for place in re.findall(r"`([^`]+)`", row[-1])]
    assert len(rows) > 50
    assert [place for place in places if not _exists(place)] == []


def _exists(place: str) -> bool:
    return any((root / place).exists() for root in (Path(REPOSITORY), Path(REPOSITORY) / "allclear"))
