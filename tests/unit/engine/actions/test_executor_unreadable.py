"""A target that can never be read: what the vendor's answer says is what the record holds, and nothing else is."""

from __future__ import annotations

from allclear.domain.action import ActStatus
from allclear.engine.actions.known_good import JournalRecord
from tests.unit.domain.stories import MACHINE
from tests.unit.engine.actions.executor_support import Office
from tests.unit.fakes_actions import LOST, BlindDial, Desk

RESOURCE = "dial.blind:main"


async def test_the_record_holds_what_the_answer_said(desk: Desk) -> None:
    """The state after the act is the one that the vendor accepted, although a read shows nothing."""
    incident = desk.opened()
    act = await desk.approved(incident, BlindDial, 5)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, (outcome.after or {})["points"]) == (ActStatus.VERIFIED, 5)
    record = JournalRecord(desk.journal)
    assert (record.last_state(RESOURCE, "points") or {})["points"] == 5
    assert not record.may_be_sent(RESOURCE)


async def test_without_an_answer_it_may_be_there(desk: Desk) -> None:
    """The next act reads that it may be a repeat, and it is none any more once an answer has come."""
    incident = desk.opened()
    desk.dials.after_write = [LOST]
    act = await desk.approved(incident, BlindDial, 5)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert (outcome.status, outcome.after) == (ActStatus.INDETERMINATE, None)
    record = JournalRecord(desk.journal)
    assert record.may_be_sent(RESOURCE)
    again = await desk.approved(incident, BlindDial, 6, "again")
    assert (await desk.executor.carry_out(incident, again, MACHINE)).good
    assert not record.may_be_sent(RESOURCE)


async def test_an_act_that_was_interrupted_may_be_there_and_is_not_sent_by_itself(office: Office) -> None:
    """A read can never tell, so a person or the next try, which says that it may be a repeat, must."""
    desk, incident, act = await office.interrupted(BlindDial, dead=True)
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert outcome.status is ActStatus.INDETERMINATE
    assert desk.dials.sent == []
    assert JournalRecord(desk.journal).may_be_sent(RESOURCE)
