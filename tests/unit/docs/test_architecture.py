"""The page on how allclear is built names what there is, and nothing else."""

from __future__ import annotations

import re

from tests.contract.simulator_support import REPOSITORY

PAGE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
CELLS = dict(re.findall(r"^\| (`.*?`) \| (.*) \|$", PAGE, flags=re.MULTILINE))
PLACES = {place for cell in CELLS for place in re.findall(r"`(.+?)`", cell)}


def test_every_place_of_the_table_is_there() -> None:
    """A folder or a file that was renamed is renamed on the page, too."""
    assert {place for place in PLACES if not (REPOSITORY / place).exists()} == set()
    files = set(re.findall(r"`([a-z_/]+\.py)`", PAGE))
    found = {name for name in files if (REPOSITORY / name).exists() or (REPOSITORY / "allclear" / name).exists()}
    assert files - found == set()


def test_every_part_of_allclear_has_its_row() -> None:
    """What lies in `allclear/` and beside it is found by a newcomer."""
    parts = {
        f"allclear/{path.name}{'/' if path.is_dir() else ''}"
        for path in (REPOSITORY / "allclear").iterdir()
        if not path.name.startswith("_")
    }
    beside = {"tasks/", "flows/", "deployments/", "runbooks/", "tests/"}
    assert parts | beside == PLACES
