"""A person's step among the measures of a contain phase: the check warns if the one waits for the other unintended."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.company.check import check_company
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
        (MOVE, "on_call", "", "The measure `move` waits until people have answered `call`."),
        (MOVE, "on_call", ", meanwhile: true", None),
        (MOVE, "on_call", ", meanwhile: false", None),
        (MOVE, "on_call", ", kinds: [security]", "The measure `move` waits until people have answered `call`."),
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


TELL = "  - {{id: tell, action: {action}, with: {{text: Hello}}{more}}}\n"


@pytest.mark.parametrize(
    ("action", "more", "last", "expected"),
    [
        ("chat.post", "", True, "The message `tell` waits until people have answered `move`."),
        ("chat.post", ", meanwhile: true", True, None),
        ("chat.post", ", meanwhile: false", True, None),
        ("chat.post", ", live: true", True, None),
        ("chat.post", "", False, None),
        ("page.open", "", True, None),
        ("page.open", "", False, None),
        ("page.update", "", False, "The measure `move` waits until people have answered `tell`."),
    ],
)
def test_a_message_whose_place_nobody_decided_is_a_warning(
    tmp_path: Path, action: str, more: str, *, last: bool, expected: str | None
) -> None:
    """It may tell of the measure before it, so it keeps its place; an announcement never waits."""
    step = TELL.format(action=action, more=more)
    before, after = (OFF, step + OFF) if last else (MOVE, step + MOVE)
    assert warned(company_folder(tmp_path, ("runbooks/outage.yaml", before, after))) == (
        [expected + DECIDE] if expected else []
    )


def test_the_small_company_has_no_such_warning(tmp_path: Path) -> None:
    """Its steps are actions."""
    assert warned(company_folder(tmp_path)) == []
