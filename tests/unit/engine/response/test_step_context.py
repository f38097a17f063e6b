"""Announcements stand beside the other steps of the containment, unless the runbook decides itself."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.approval import AskKind
from allclear.domain.runbook import Phase, Runbook
from allclear.engine.actions.registry import Registry
from allclear.engine.response.moves import Wait
from allclear.engine.response.next_move import next_move
from allclear.engine.response.step_context import with_announcements
from tests.unit.company.company_support import CHAT, Text, action
from tests.unit.engine.response.next_move_support import PLAN, PhaseStory, book

ACTIONS = Registry.of(
    [
        action("page.open", Text, announces=True, text_params=("text",)),
        action("pager.page", Text, pages=True, approval=None, text_params=("text",)),
        action("chat.post", Text, (CHAT,), approval=None, text_params=("text",)),
        action("run.rollback", Text),
    ]
)
ROLL_BACK = {"id": "roll-back", "action": "run.rollback", "measure": True}


def resolved(phase: Phase, *steps: dict[str, Any]) -> Runbook:
    """Return the runbook as the engine uses it."""
    return with_announcements(book(phase, *steps), ACTIONS)


@pytest.mark.parametrize(
    ("step", "beside"),
    [
        ({"action": "page.open"}, True),
        ({"action": "pager.page"}, True),
        ({"action": "page.open", "meanwhile": False}, False),
        ({"action": "chat.post"}, None),
        ({"action": "chat.post", "meanwhile": True}, True),
        ({"person": "on_call", "ask": "Tell them."}, None),
    ],
)
def test_what_announces_the_trouble_waits_for_no_measure(step: dict[str, Any], *, beside: bool | None) -> None:
    """A message may tell of the measure before it, so it keeps its place. What the runbook says always counts."""
    [_, told] = resolved(Phase.CONTAIN, ROLL_BACK, {"id": "tell", **step}).contain
    assert told.meanwhile is beside


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.CONTAIN])
def test_in_other_phases_every_step_keeps_its_place(phase: Phase) -> None:
    """No one is paged before the trouble is verified, and nothing is announced as over before it is."""
    [told] = resolved(phase, {"id": "tell", "action": "page.open"}).steps(phase)
    assert told.meanwhile is None


def test_an_announcement_behind_an_unanswered_measure_is_asked_for() -> None:
    """Both questions wait beside each other, in whatever order the runbook has them."""
    tell = {"id": "tell", "action": "page.open"}
    for steps in ((ROLL_BACK, tell), (tell, ROLL_BACK)):
        story = PhaseStory(Phase.CONTAIN, *steps)
        runbook = with_announcements(story.book, ACTIONS)
        story.propose("roll-back").propose("tell")
        waits = next_move(story.incident, PLAN, runbook, Phase.CONTAIN)
        assert waits == Wait((story.ask_id("roll-back"), story.ask_id("tell")))
        assert story.incident.asks[story.ask_id("tell")].ask.kind is AskKind.APPROVAL
