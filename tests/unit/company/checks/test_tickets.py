"""`allclear check` on what opens and closes tickets: of incidents, of follow-ups, and in place of an incident."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from allclear.company.check import check_company
from tests.unit.company.test_retailgen import KINDS as RETAILGEN
from tests.unit.company.test_vintstreet import FOLDER, KINDS, PLACEHOLDERS

INCIDENT, FOLLOW_UP = 'ticket: "{incident}"\n      title: "{simulated}{incident}: {problem}"', '-F{number}"}'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (INCIDENT, INCIDENT.replace('"{incident}"', "ours"), "All incidents would have the same ticket."),
        ('ticket: "{incident}"}', 'ticket: "{incident}-x"}', "It would close another ticket."),
        (FOLLOW_UP, '-G{number}"}', "It would close another ticket."),
        ("action: github.close_issue", "action: github.merge", "`github.merge` does not close a ticket."),
        ("severities: [P0, P1, P2]\n  kinds: [outage, degradation]\n  ass", "severities: [P0, P9]\n  ass", "`P9`"),
    ],
)
def test_a_ticket_that_could_not_be_found_or_closed_is_an_error(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    """Each incident and follow-up has a ticket of its own, which is the one that its end closes."""
    folder = tmp_path / "vintstreet"
    shutil.copytree(FOLDER, folder)
    text = (folder / "plan.yaml").read_text(encoding="utf-8")
    assert old in text
    (folder / "plan.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    errors = [one.sentence for one in check_company(folder, KINDS, PLACEHOLDERS) if one.level == "error"]
    assert any(expected in sentence for sentence in errors), errors


EXCHANGED = [
    (
        "github.issue",
        "github.close_issue",
        [
            "`github.close_issue` does not open a ticket. Write one that does: `github.issue`.",
            "`github.issue` does not close a ticket. Write one that does: `github.close_issue`.",
        ],
    ),
    (
        "slack.post",
        "pagerduty.page",
        [
            "`pagerduty.page` under `message` would page people for what is not urgent. Write one of",
            "`slack.post` under `page` would wake no one. Write one of these: `pagerduty.page`",
        ],
    ),
]


@pytest.mark.parametrize(("first", "second", "expected"), EXCHANGED)
def test_two_actions_that_are_exchanged_are_errors_at_their_lines(
    tmp_path: Path, first: str, second: str, expected: list[str]
) -> None:
    """Of tickets and of reminders: each error says what to write."""
    folder = tmp_path / "vintstreet"
    shutil.copytree(FOLDER, folder)
    path = folder / "plan.yaml"
    section = path.read_text().index("\nincident_tickets:" if "issue" in first else "\nreminders:")
    before, after = path.read_text()[:section], path.read_text()[section:]
    opening, closing = f"    action: {first}\n", f"    action: {second}\n"
    after = after.replace(opening, "\0", 1).replace(closing, opening, 1).replace("\0", closing, 1)
    path.write_text(before + after)
    lines = [(before + after)[: section + after.index(one)].count("\n") + 1 for one in (closing, opening)]
    found = {f"{one} {one.next_step}" for one in check_company(folder, KINDS, PLACEHOLDERS) if one.level == "error"}
    for line, sentence in zip(lines, expected, strict=True):
        assert any(f"plan.yaml:{line}: {sentence}" in one for one in found), found


def test_a_ticket_is_closed_only_by_the_status_that_closes_it(tmp_path: Path) -> None:
    """Moving a ticket in Jira to another kind of status leaves it open."""
    folder = tmp_path / "retailgen"
    shutil.copytree(FOLDER.parent / "retailgen", folder)
    path = folder / "plan.yaml"
    text = path.read_text()
    assert text.count("to: done}") == 1
    path.write_text(text.replace("to: done}", "to: in progress}"))
    line = text[: text.index("to: done}")].count("\n") + 1
    (error,) = errors_of(folder)
    assert f"plan.yaml:{line}: `jira.transition` closes a ticket only with `to: done`. Write `to: done`." in error


def test_an_undo_step_that_names_the_undo_itself_is_an_error(tmp_path: Path) -> None:
    """It would undo nothing, because the undo leaves nothing in place; a name that no action has is reported, too."""
    folder = tmp_path / "retailgen"
    shutil.copytree(FOLDER.parent / "retailgen", folder)
    path = folder / "common-steps.yaml"
    text = path.read_text()
    line = text[: text.index("undo: [")].count("\n") + 1
    for wrong, expected in (
        (
            "vercel.disable_maintenance",
            "is itself the undo of `vercel.enable_maintenance`, and leaves nothing to undo.",
        ),
        ("vercel.enable_maintenence", "There is no action `vercel.enable_maintenence`. Did you mean"),
    ):
        path.write_text(text.replace("vercel.enable_maintenance", wrong, 1))
        assert any(f"common-steps.yaml:{line}: " in one and expected in one for one in errors_of(folder))


def errors_of(folder: Path) -> list[str]:
    """Return the errors of RetailGen's folder, each with what to write."""
    found = check_company(folder, RETAILGEN, PLACEHOLDERS)
    return [f"{one} {one.next_step}" for one in found if one.level == "error"]
