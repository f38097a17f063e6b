"""A meeting that is announced in Slack is moved and cancelled in the one message, and has one UID."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.errors import Refused
from tasks.slack_meeting import AnnouncedState, AnnounceMeeting, MeetingParams
from tests.contract.actions_support import applied, production
from tests.contract.simulator_support import fault
from tests.contract.test_actions_email import FakeRecord, Links, issued

MEETING: dict[str, Any] = {
    "message": "RG-1-review",
    "subject": "PIR of RG-1",
    "text": "Post-Incident Review of RG-1.",
    "start": "2026-11-30T15:00:00+01:00",
}


async def test_a_meeting_is_announced_moved_and_cancelled_in_one_message() -> None:
    """The channel has one message, which says what is true now; each change has a higher SEQUENCE."""
    async with production() as (sim, context):
        record = FakeRecord()
        context.record, context.links = record, Links()
        action = AnnounceMeeting(context)
        outcome, change = await issued(action, record, **MEETING)
        assert (outcome.status, change.summary) == (
            ActStatus.VERIFIED,
            "Announce “PIR of RG-1”, 2026-11-30 14:00 UTC",
        )
        outcome, change = await issued(action, record, **(MEETING | {"start": "2026-12-01T09:00:00Z"}))
        assert change.summary == "Move the meeting “PIR of RG-1” to 2026-12-01 09:00 UTC"
        moved = AnnouncedState.model_validate(outcome.after)
        (message,) = sim.world.workspace.channels[0].messages
        assert "When: 2026-12-01 09:00 UTC" in message["text"]
        params = MeetingParams.model_validate(MEETING | {"start": "2026-12-01T09:00:00Z"})
        done = await applied(action, params, action.undo(params, change, await action.observe(params)))
        assert "CANCELLED: PIR of RG-1, 2026-12-01 09:00 UTC. No one meets." in message["text"]
        assert len(sim.world.workspace.channels[0].messages) == 1
        assert [moved.sequence, done.after.sequence] == [1, 2]
        assert (moved.status, done.after.status, moved.uid) == ("invited", "cancelled", done.after.uid)


async def test_a_lost_answer_announces_it_once() -> None:
    """Slack took the message; the next read shows it, and the record says when the meeting is."""
    async with production() as (sim, context):
        record = FakeRecord()
        context.record, context.links = record, Links()
        await fault(sim, "slack", "chat.postMessage", "answer_lost")
        outcome, _ = await issued(AnnounceMeeting(context), record, **MEETING)
        assert outcome.status is ActStatus.VERIFIED
        assert len(sim.world.workspace.channels[0].messages) == 1
        assert AnnouncedState.model_validate(outcome.after).start


async def test_what_was_not_announced_is_not_cancelled() -> None:
    """The sentence says so."""
    async with production() as (_, context):
        context.record, context.links = FakeRecord(), Links()
        action, params = AnnounceMeeting(context), MeetingParams.model_validate(MEETING)
        before = await action.observe(params)
        with pytest.raises(Refused, match="No meeting RG-1-review was announced"):
            action.undo(params, action.plan(params, before), before)
