"""`allclear check` on what opens and closes tickets: of incidents, of follow-ups, and in place of an incident."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from allclear.company.check import check_company
from tests.unit.company.test_vintstreet import FOLDER, KINDS, PLACEHOLDERS

INCIDENT, FOLLOW_UP = 'ticket: "{incident}"\n      title: "{simulated}{incident}: {problem}"', '-F{number}"}'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (INCIDENT, INCIDENT.replace('"{incident}"', "ours"), "All incidents would have the same ticket."),
        ('ticket: "{incident}"}', 'ticket: "{incident}-x"}', "It would close another ticket."),
        (FOLLOW_UP, '-G{number}"}', "It would close another ticket."),
        ("action: github.close_issue", "action: github.merge", "`github.merge` is not an action for tickets"),
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
