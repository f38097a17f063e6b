"""Invitations as two independent parsers read them: the right people, time and zone, moved and cancelled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
import vobject

from allclear.domain.action import ActStatus
from allclear.domain.delivery import MAY_BE_REPEAT
from allclear.domain.errors import ConfigError, Refused
from allclear.engine.actions.registry import read_params
from allclear.simulator.mailbox import Mail
from tasks.email.meetings import InviteParams, InviteToMeeting
from tests.contract.actions_support import applied
from tests.contract.simulator_support import fault
from tests.contract.test_actions_email import ANA, BEN, SENDER, issued, mailing

START = datetime(2026, 11, 30, 14, 0, tzinfo=UTC)
MEETING: dict[str, Any] = {
    "message": "VS-1-review",
    "people": [ANA, BEN],
    "subject": "Post-mortem of VS-1",
    "text": "Timeline, cause, what to improve; bring the logs.",
    "start": "2026-11-30T15:00:00+01:00",
    "length": "45m",
}


def read(mail: Mail) -> dict[str, Any]:
    """Return what both parsers say of an invitation; they must agree."""
    one_parser: Any = icalendar.Calendar
    other_parser: Any = vobject
    calendar, other = one_parser.from_ical(mail.invitation), other_parser.readOne(mail.invitation)
    [event], theirs = calendar.walk("VEVENT"), other.vevent
    found: dict[str, Any] = {
        "uid": str(event["UID"]),
        "method": str(calendar["METHOD"]),
        "sequence": int(event["SEQUENCE"]),
        "status": str(event["STATUS"]),
        "start": event.decoded("DTSTART"),
        "end": event.decoded("DTEND"),
        "people": sorted(str(one).removeprefix("mailto:") for one in event["ATTENDEE"]),
        "organizer": str(event["ORGANIZER"]).removeprefix("mailto:"),
    }
    assert found == {
        "uid": theirs.uid.value,
        "method": other.method.value,
        "sequence": int(theirs.sequence.value),
        "status": theirs.status.value,
        "start": theirs.dtstart.value,
        "end": theirs.dtend.value,
        "people": sorted(one.value.removeprefix("mailto:") for one in theirs.attendee_list),
        "organizer": theirs.organizer.value.removeprefix("mailto:"),
    }
    assert found["start"].utcoffset() == timedelta(0)
    return found


async def test_a_meeting_is_invited_moved_and_cancelled() -> None:
    """One UID throughout, a higher SEQUENCE each time, and the sender as the organizer."""
    async with mailing() as (sim, context, record):
        action = InviteToMeeting(context)
        outcome, _ = await issued(action, record, **MEETING)
        assert outcome.status is ActStatus.VERIFIED
        again, change = await issued(action, record, **(MEETING | {"start": "2026-12-01T09:00:00Z"}))
        assert again.status is ActStatus.VERIFIED
        assert change.summary.startswith("Move the meeting “Post-mortem of VS-1” to 2026-12-01 09:00 UTC")
        params = InviteParams.model_validate(MEETING | {"start": "2026-12-01T09:00:00Z"})
        now = await action.observe(params)
        await applied(action, params, action.undo(params, change, now))
        invited, moved, cancelled = (read(mail) for mail in sim.world.mails)
        uid = invited["uid"]
        people = {"uid": uid, "people": [ANA, BEN], "organizer": SENDER}
        request = people | {"method": "REQUEST", "status": "CONFIRMED"}
        assert invited == request | {"sequence": 0, "start": START, "end": START + timedelta(minutes=45)}
        later = datetime(2026, 12, 1, 9, tzinfo=UTC)
        times = {"start": later, "end": later + timedelta(minutes=45)}
        assert moved == request | times | {"sequence": 1}
        assert cancelled == people | times | {"sequence": 2, "method": "CANCEL", "status": "CANCELLED"}
        first, second, third = (mail.message for mail in sim.world.mails)
        assert str(second["In-Reply-To"]) == str(third["In-Reply-To"]) == str(first["Message-ID"])
        assert "It was planned for 2026-11-30 14:00 UTC." in sim.world.mails[1].text
        assert sim.world.mails[2].text.startswith("This meeting is cancelled.")


async def test_the_calendar_stands_in_the_message_and_as_a_file() -> None:
    """Mail programs read the one or the other; both are the same."""
    async with mailing() as (sim, context, record):
        await issued(InviteToMeeting(context), record, **MEETING)
        [mail] = sim.world.mails
        parts = {part.get_content_type(): part for part in mail.message.walk()}
        assert parts["text/calendar"].get_param("method") == "REQUEST"
        assert parts["application/ics"].get_filename() == "invite.ics"
        attached = parts["application/ics"].get_content()
        assert attached.decode().splitlines() == mail.invitation.splitlines()


async def test_a_repeat_is_the_same_meeting() -> None:
    """After a lost answer the same bytes are sent, so that no calendar shows two meetings."""
    async with mailing() as (sim, context, record):
        action = InviteToMeeting(context)
        await fault(sim, "email", "data", "answer_lost")
        outcome, _ = await issued(action, record, **MEETING)
        assert outcome.status is ActStatus.INDETERMINATE
        again, _ = await issued(action, record, **MEETING)
        assert again.status is ActStatus.VERIFIED
        first, second = sim.world.mails
        assert read(first) == read(second)
        assert str(first.message["Message-ID"]) == str(second.message["Message-ID"])
        assert second.text.startswith(MAY_BE_REPEAT)


async def test_a_meeting_that_was_moved_since_is_not_cancelled_by_an_older_undo() -> None:
    """And a time without a zone is refused, because no one knows which hour it means."""
    async with mailing() as (_, context, record):
        action = InviteToMeeting(context)
        _, first = await issued(action, record, **MEETING)
        await issued(action, record, **(MEETING | {"start": "2026-12-01T09:00:00Z"}))
        params = InviteParams.model_validate(MEETING)
        with pytest.raises(Refused, match="was changed since then"):
            action.undo(params, first, await action.observe(params))
        with pytest.raises(ConfigError, match="timezone"):
            read_params(InviteToMeeting, MEETING | {"start": "2026-12-01T09:00:00"})
