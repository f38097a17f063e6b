"""To whom a reminder goes: to the lead, or to every role while no one leads."""

from __future__ import annotations

from allclear.domain.plan.people import LEAD
from allclear.domain.reminders.reminder import led_by
from tests.unit.domain.stories import Story, plan


def test_every_role_is_told_when_no_one_leads() -> None:
    """The plan has the lead's role and no person in it, and no one has taken it."""
    without = plan().model_copy(update={"people": []})
    assert LEAD in without.roles
    assert led_by(without, Story().opened().incident) == tuple(without.roles)
