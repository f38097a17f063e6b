"""Invitations as two independent parsers read them: the right people, time and zone, moved and cancelled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
import vobject

from allclear.domain.action import ActStatus
from allclear.domain.errors import ConfigError, Refused
from allclear.domain.notify.delivery import MAY_BE_REPEAT
from allclear.engine.actions.registry import read_params
from allclear.simulator.faults import Fault
from allclear.simulator.mailbox import Mail
from tasks.email.meetings import InviteParams, InviteToMeeting
from tests.contract.actions_support import applied
from tests.contract.simulator_support import Simulated, fault
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
    attendees: Any = event["ATTENDEE"]
    named: Any = attendees if isinstance(attendees, list) else [attendees]
    found: dict[str, Any] = {
        "uid": str(event["UID"]),
        "method": str(calendar["METHOD"]),
        "sequence": int(event["SEQUENCE"]),
        "status": str(event.get("STATUS", "")),
        "start": event.decoded("DTSTART"),
        "end": event.decoded("DTEND"),
        "people": sorted(str(one).removeprefix("mailto:") for one in named),
        "organizer": str(event["ORGANIZER"]).removeprefix("mailto:"),
    }
    assert found == {
        "uid": theirs.uid.value,
        "method": other.method.value,
        "sequence": int(theirs.sequence.value),
        "status": theirs.status.value if "status" in theirs.contents else "",
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


CHI = "chi@example.com"


async def test_who_is_taken_off_the_list_is_told_and_the_others_meet_without_them() -> None:
    """One message takes the meeting out of one calendar, and has no STATUS, because the others still meet."""
    async with mailing() as (sim, context, record):
        action = InviteToMeeting(context)
        await issued(action, record, **MEETING)
        outcome, change = await issued(action, record, **(MEETING | {"people": [BEN, CHI]}))
        assert outcome.status is ActStatus.VERIFIED
        assert change.summary.endswith(f"{BEN} and {CHI}; not any more: {ANA}")
        _, update, off = sim.world.mails
        assert (update.recipients, off.recipients) == ((BEN, CHI), (ANA,))
        common = {"uid": read(update)["uid"], "sequence": 1, "organizer": SENDER}
        common |= {"start": START, "end": START + timedelta(minutes=45)}
        assert read(update) == common | {"people": [BEN, CHI], "method": "REQUEST", "status": "CONFIRMED"}
        assert read(off) == common | {"people": [ANA], "method": "CANCEL", "status": ""}
        assert off.text.startswith("You are not invited to this meeting any more.")
        assert str(off.message["Message-ID"]) != str(update.message["Message-ID"])
        await issued(action, record, **(MEETING | {"people": [BEN, CHI]}))
        assert len(sim.world.mails) == 3
        back, _ = await issued(action, record, **MEETING)
        assert back.status is ActStatus.VERIFIED
        assert [read(mail)["people"] for mail in sim.world.mails[3:]] == [[ANA, BEN], [CHI]]


class RefusesNext(list[Mail]):
    """The mails that the server took; after the next one it refuses a recipient."""

    def __init__(self, sim: Simulated) -> None:
        super().__init__(sim.world.mails)
        self._sim = sim

    def append(self, mail: Mail) -> None:
        """Take a message, and refuse the recipient of the next one."""
        super().append(mail)
        self._sim.world.faults.set(Fault(api="email", method="rcpt", kind="permission_denied"))


async def test_who_could_not_be_told_is_named_and_told_with_the_next_change() -> None:
    """The server refuses the second of the two messages: the first stays sent, and the record says whom it misses."""
    async with mailing() as (sim, context, record):
        action = InviteToMeeting(context)
        await issued(action, record, **MEETING)
        sim.world.mails = RefusesNext(sim)
        outcome, _ = await issued(action, record, **(MEETING | {"people": [BEN]}))
        assert outcome.status is ActStatus.UNVERIFIED
        assert f"{ANA} may still have the meeting in the calendar (" in outcome.sentence
        assert outcome.sentence.endswith("tell them.")
        sim.world.mails = list(sim.world.mails)
        repeated, _ = await issued(action, record, **(MEETING | {"people": [BEN]}))
        assert repeated.status is ActStatus.VERIFIED
        assert [mail.recipients for mail in sim.world.mails] == [(ANA, BEN), (BEN,), (ANA,)]
        assert read(sim.world.mails[2])["method"] == "CANCEL"


async def test_after_a_lost_answer_both_messages_are_sent_again() -> None:
    """It is not known whether the first one was taken, and the second one was not sent."""
    async with mailing() as (sim, context, record):
        action = InviteToMeeting(context)
        await issued(action, record, **MEETING)
        await fault(sim, "email", "data", "answer_lost")
        outcome, _ = await issued(action, record, **(MEETING | {"people": [BEN]}))
        assert outcome.status is ActStatus.INDETERMINATE
        repeated, _ = await issued(action, record, **(MEETING | {"people": [BEN]}))
        assert repeated.status is ActStatus.VERIFIED
        assert [mail.recipients for mail in sim.world.mails] == [(ANA, BEN), (BEN,), (BEN,), (ANA,)]
        assert [read(mail)["sequence"] for mail in sim.world.mails] == [0, 1, 1, 1]


async def test_a_cancelled_meeting_can_take_place_after_all() -> None:
    """It has the same UID and a higher SEQUENCE, so that it comes back into the calendars."""
    async with mailing() as (sim, context, record):
        action = InviteToMeeting(context)
        _, change = await issued(action, record, **MEETING)
        params = InviteParams.model_validate(MEETING)
        done = await applied(action, params, action.undo(params, change, await action.observe(params)))
        record.states[change.resource] = done.after.model_dump(mode="json")
        outcome, _ = await issued(action, record, **MEETING)
        assert outcome.status is ActStatus.VERIFIED
        first, cancelled, again = (read(mail) for mail in sim.world.mails)
        assert [one["sequence"] for one in (first, cancelled, again)] == [0, 1, 2]
        assert again == first | {"sequence": 2}
        assert sim.world.mails[2].text.startswith("This meeting was cancelled. It takes place after all.")
