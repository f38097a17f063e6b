"""docs/actions.md and docs/systems.md are current, and have a row for every system that the plans name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from allclear.company.check import check_company
from allclear.company.traceability_page import TracedCompany, traced_companies
from allclear.engine.actions.registry import Registry
from allclear.reference.__main__ import pages
from allclear.reference.find_tests import find_tests
from tests.contract.simulator_support import REPOSITORY

RUNBOOKS = REPOSITORY / "runbooks"
NAMED = {
    "retailgen": {"Vercel", "Sentry", "Uptime monitoring", "Status page", "Convex", "OpenAI", "Clerk", "Jira"},
    "vintstreet": {
        "Google Cloud Run",
        "Supabase",
        "GitHub",
        "PagerDuty",
        "Slack",
        "Microsoft Teams",
        "Google Cloud Console",
        "Status page",
        "Sentry",
        "Stripe",
        "E-mail",
        "SMS",
        "Tickets",
    },
}
"""What the two documents name."""


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """Return both pages as they would be written now."""
    return pages(REPOSITORY)


@pytest.mark.parametrize("page", ["docs/actions.md", "docs/systems.md"])
def test_the_page_is_current(made: dict[str, str], page: str) -> None:
    """After a change of a class or of a lines.yaml, `make reference` must be run."""
    assert (REPOSITORY / page).read_text(encoding="utf-8") == made[page], "run: make reference"


@pytest.mark.parametrize("company", NAMED)
def test_every_system_that_a_document_names_has_a_row(made: dict[str, str], company: str) -> None:
    """Its row says what works, or which steps of the plan use it."""
    rows = {line.split("|")[1].strip(): line for line in made["docs/systems.md"].splitlines() if line.startswith("| ")}
    assert NAMED[company] <= {system.name for system in TracedCompany(RUNBOOKS / company).lines.systems}
    assert NAMED[company] <= rows.keys()
    assert all(rows[name].split("|")[3].strip() for name in NAMED[company])


def test_every_system_that_a_company_uses_has_a_row() -> None:
    """A new system under `systems` in systems.yaml needs its line in `systems` of a lines.yaml."""
    shown = {
        name for company in traced_companies(RUNBOOKS) for system in company.lines.systems for name in system.systems
    }
    used = {name for company in traced_companies(RUNBOOKS) for name in getattr(company.draft.systems, "systems", {})}
    known = {client.system for kind in Registry.installed().actions.values() for client in (*kind.needs, *kind.uses)}
    assert used <= shown
    assert shown <= known


def test_every_action_of_ours_has_a_contract_test() -> None:
    """A test file under tests/contract imports its class."""
    kinds = [kind for kind in Registry.installed().actions.values() if kind.__module__.startswith("tasks.")]
    tests = find_tests(REPOSITORY, kinds)
    without = [kind.name for kind in kinds if not any(path.startswith("tests/contract/") for path in tests[kind])]
    assert without == []


def test_a_system_that_the_document_does_not_name_is_reported_with_its_line(tmp_path: Path) -> None:
    """`allclear check` compares the words with the document's lines, and follows the references."""
    folder = tmp_path / "retailgen"
    shutil.copytree(RUNBOOKS / "retailgen", folder)
    lines = folder / "lines.yaml"
    text = lines.read_text(encoding="utf-8")
    changed = text.replace("words: dashboard.convex.dev", "words: convex.example", 1)
    changed = changed.replace("runs: [plan follow_up_tickets]", "runs: [runbook bad-deployment x/y]", 1)
    lines.write_text(changed, encoding="utf-8")
    found = [one for one in check_company(folder, Registry()) if one.file.endswith("lines.yaml")]
    assert [one.sentence for one in found] == [
        "No line of retailgen-incident-response-plan.md holds `convex.example`.",
        found[1].sentence,
    ]
    assert "There is no phase `x`" in found[1].sentence
    written = changed.splitlines()
    assert "convex.example" in written[(found[0].line or 0) - 1]
    assert re.search("Jira", written[(found[1].line or 0) - 1])
