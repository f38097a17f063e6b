"""The next move of an undo step: each act in place is undone or handed over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.approval import AskKind
from allclear.domain.records import (
    LedgerHandedOver,
)
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import (
    AskPeople,
    CarryOut,
    HandOver,
    ProposeUndo,
    Wait,
)
from allclear.engine.response.step_keys import undo_key
from tests.unit.domain.stories import START
from tests.unit.engine.response.next_move_support import PhaseStory, step_of

# --- undo ------------------------------------------------------------------------------------------------

UNDO = {"id": "undo", "undo": "everything"}
FIRST, SECOND = undo_key("resolve/one"), undo_key("resolve/two")


def _in_place() -> PhaseStory:
    """Return an incident with two acts in place, from different phases."""
    story = PhaseStory(Phase.RESOLVE, UNDO, {"id": "tell", "action": "chat.post"})
    for step in ("one", "two"):
        story.propose(step, ask=False, leaves="dial turned").finish(step, ActStatus.VERIFIED)
    return story


def test_what_is_in_place_is_undone_one_by_one() -> None:
    """Each undo is proposed, approved and carried out; then the next one, then the next step."""
    story = _in_place()
    move = story.next
    assert isinstance(move, ProposeUndo)
    assert move.act == "resolve/one"
    assert story.propose(FIRST, undoes="resolve/one").next == Wait((story.ask_id(FIRST),))
    assert isinstance(story.answer(FIRST, yes=True).next, CarryOut)
    second = story.finish(FIRST, ActStatus.VERIFIED).next
    assert isinstance(second, ProposeUndo)
    assert second.act == "resolve/two"
    story.propose(SECOND, ask=False, undoes="resolve/two").finish(SECOND, ActStatus.VERIFIED, changed=False)
    assert step_of(story.next) == "tell"


@pytest.mark.parametrize("status", [ActStatus.REFUSED, ActStatus.REJECTED, ActStatus.FAILED, ActStatus.UNVERIFIED])
def test_after_an_undo_that_fails_people_are_asked(status: ActStatus) -> None:
    """A yes proposes the undo again, as often as needed; a no hands the act over to the person who answered."""
    story = _in_place()
    for number in (1, 2):
        assert isinstance(story.next, ProposeUndo)
        story.propose(FIRST, number, ask=False, undoes="resolve/one").finish(FIRST, status, number, changed=False)
        ask = story.next
        assert isinstance(ask, AskPeople)
        assert (ask.kind, ask.about) == (AskKind.RETRY, "resolve/one")
        assert story.asked(f"{FIRST}-left", AskKind.RETRY, number).next == Wait(
            (story.ask_id(f"{FIRST}-left", number),)
        )
        story.answer(f"{FIRST}-left", yes=number == 1, number=number)
    assert story.next == HandOver(Phase.RESOLVE, "resolve/one", story.ask_id(f"{FIRST}-left", 2))
    story.record(LedgerHandedOver(act="resolve/one", to="Ana", due=START + timedelta(days=1)))
    following = story.next
    assert isinstance(following, ProposeUndo)
    assert following.act == "resolve/two"
    assert [act.id for act in story.incident.in_place] == ["resolve/one", "resolve/two"]


def test_nothing_in_place_leaves_nothing_to_undo() -> None:
    """The undo step is done at once."""
    assert step_of(PhaseStory(Phase.RESOLVE, UNDO, {"id": "tell", "action": "chat.post"}).next) == "tell"
