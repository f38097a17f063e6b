"""A person's step among the measures of a contain phase: the check warns if the one waits for the other unintended."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company import check_company
from tests.unit.company.company_support import KINDS, company_folder

STEP = "  - {{id: call, person: {role}, ask: Call them{more}}}\n"
MOVE = "  - id: move\n"
OFF = "  - id: off\n"
DECIDE = " Write `meanwhile: true` if it need not wait, or `meanwhile: false` if it must."


def warned(folder: Path) -> list[str]:
    """Return the warnings about the order of the containment."""
    found = check_company(folder, KINDS)
    return [
        f"{one.sentence} {one.next_step}" for one in found if one.level == "warning" and "meanwhile" in one.next_step
    ]


@pytest.mark.parametrize(
    ("before", "role", "more", "expected"),
    [
        (MOVE, "on_call", "", "The measure `move` waits until a person has answered `call`."),
        (MOVE, "on_call", ", meanwhile: true", None),
        (MOVE, "on_call", ", meanwhile: false", None),
        (MOVE, "on_call", ", kinds: [security]", "The measure `move` waits until a person has answered `call`."),
        (OFF, "on_call", "", None),
        (
            OFF,
            "communications_lead",
            "",
            "`call` waits for the approval of `move`, which `communications_lead` cannot give.",
        ),
        (OFF, "communications_lead", ", meanwhile: true", None),
    ],
)
def test_a_step_whose_place_nobody_decided_is_a_warning(
    tmp_path: Path, before: str, role: str, more: str, expected: str | None
) -> None:
    """People who may approve the measure anyway are not asked later for it."""
    step = STEP.format(role=role, more=more)
    folder = company_folder(tmp_path, ("runbooks/outage.yaml", before, step + before))
    assert warned(folder) == ([expected + DECIDE] if expected else [])


def test_the_small_company_has_no_such_warning(tmp_path: Path) -> None:
    """Its steps are actions."""
    assert warned(company_folder(tmp_path)) == []
