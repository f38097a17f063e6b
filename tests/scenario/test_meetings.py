"""The review's meeting as people change it: moved, cancelled, for other people; and cancelled after a false alarm."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest

from allclear.commands.base import Command
from allclear.commands.meetings import CancelMeeting, InvitePeople, MoveMeeting
from allclear.domain.errors import AllclearError, MissingText, NotAllowed, NotFound, Refused
from allclear.domain.plan import Person
from allclear.domain.pseudo_phases import MEETING
from allclear.domain.records import By, DecisionMade
from allclear.domain.reminders.due_reminders import reminders
from allclear.domain.review.meeting import Meeting, meeting_of
from allclear.domain.review.meeting_plan import may_be_invited
from allclear.domain.runbook import Phase
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.actions.meetings import cancellation
from allclear.engine.actions.proposals import ActionRequest
from tests.contract.test_actions_meetings import RefusesNext
from tests.scenario.notice_support import fault, later
from tests.scenario.private_support import private
from tests.scenario.response_support import ALERT, broken, person_for, vintstreet
from tests.scenario.scenes import Scene, scene

ANA = By(actor="Ana", role="on_call", via="cli")
TEAM = "engineering@vintstreet.com"


def office() -> Any:  # noqa: ANN401 - a company
    """Return VintStreet in Berlin, so that the times that people type are not those of UTC."""
    company = vintstreet()
    berlin = company.plan.working_time.model_copy(update={"zone": "Europe/Berlin"})
    return replace(company, plan=company.plan.model_copy(update={"working_time": berlin}))


@asynccontextmanager
async def reviewed(folder: Path) -> AsyncGenerator[Scene]:
    """Yield an incident whose review has invited to the meeting: it ended on 2026-11-22 at 03:00 UTC, a Sunday."""
    async with scene(folder, office(), broken(), ALERT) as it:
        await it.past_detection()
        it.engine.people.resolve(it.incident_id, "the test ends it", person_for(it.incident.open_asks[0].ask))
        await it.to(Phase.REVIEW)
        it.simulated.world.mails[:] = [mail for mail in it.simulated.world.mails if mail.invitation]
        yield it


async def give(it: Scene, command: Command, by: By = ANA) -> str:
    """Carry a command out."""
    return await command.carry_out(it.engine, it.incident_id, by)


def read(it: Scene, number: int = -1) -> dict[str, Any]:
    """Return what a calendar reads in one of the invitations."""
    parser: Any = icalendar.Calendar
    calendar = parser.from_ical(it.simulated.world.mails[number].invitation)
    [event] = calendar.walk("VEVENT")
    return {
        "method": str(calendar["METHOD"]),
        "uid": str(event["UID"]),
        "sequence": int(event["SEQUENCE"]),
        "start": event.decoded("DTSTART"),
        "to": it.simulated.world.mails[number].recipients,
    }


def at(text: str) -> datetime:
    """Return a time in UTC."""
    return datetime.fromisoformat(f"{text}+00:00")


async def test_a_meeting_is_moved_within_the_plans_time_without_a_reason(tmp_path: Path) -> None:
    """The time that a person types is that of the company; calendars move the one meeting."""
    async with reviewed(tmp_path) as it:
        assert read(it)["start"] == at("2026-11-23T08:00")
        said = await give(it, MoveMeeting(start="2026-11-23 14:30"))
        assert said.startswith("The meeting is moved. The mail server accepted the message for")
        first, moved = read(it, 0), read(it, 1)
        assert moved == first | {"sequence": 1, "start": at("2026-11-23T13:30")}
        assert "When: 2026-11-23 14:30 CET" in it.simulated.world.mails[1].text
        assert "It was planned for 2026-11-23 09:00 CET." in it.simulated.world.mails[1].text
        meeting = meeting_of(it.incident)
        assert meeting
        assert (meeting.start, meeting.sequence, meeting.cancelled) == (at("2026-11-23T13:30"), 1, False)
        assert it.incident.acts["meeting/move"].by.actor == "Ana"


async def test_a_time_that_the_plan_does_not_want_needs_a_reason(tmp_path: Path) -> None:
    """24 to 48 hours after the recovery. The person knows the others' calendars: it is allowed, and recorded."""
    async with reviewed(tmp_path) as it:
        for late in ("2026-11-22 15:00", "2026-11-24 04:30"):
            with pytest.raises(MissingText, match="The plan wants the meeting from 2026-11-23 04:00 CET until"):
                await give(it, MoveMeeting(start=late))
        assert len(it.simulated.world.mails) == 1
        await give(it, MoveMeeting(start="2026-11-24 10:00", reason="Ben is away on Monday."))
        assert read(it)["start"] == at("2026-11-24T09:00")
        said = [one.record for one in it.engine.journal.entries("VS-1") if isinstance(one.record, DecisionMade)]
        assert said[-1].reason == "Ben is away on Monday."
        due = [one.due for one in reminders(it.engine.company.plan, it.incident) if one.topic == "post-mortem:meeting"]
        assert due[-1] == at("2026-11-24T10:00"), "overdue only when the moved meeting is over"


@pytest.mark.parametrize(
    ("start", "error", "sentence"),
    [
        ("2026-11-21 10:00", NotAllowed, "2026-11-21 10:00 CET is over."),
        ("2027-11-23 10:00", NotAllowed, "2027-11-23 10:00 CET is more than 90 days away."),
        ("next Monday", NotAllowed, "'next Monday' is not a day and a time."),
        ("", NotAllowed, "'' is not a day and a time."),
    ],
)
async def test_a_time_that_cannot_be_is_refused(
    tmp_path: Path, start: str, error: type[AllclearError], sentence: str
) -> None:
    """Nothing is sent."""
    async with reviewed(tmp_path) as it:
        with pytest.raises(error, match=sentence.replace("(", r"\(")):
            await give(it, MoveMeeting(start=start, reason="so"))
        assert len(it.simulated.world.mails) == 1


async def test_a_meeting_is_cancelled_and_takes_place_after_all(tmp_path: Path) -> None:
    """Cancelling needs a reason; a cancelled meeting is not cancelled twice, and another time brings it back."""
    async with reviewed(tmp_path) as it:
        with pytest.raises(MissingText):
            await give(it, CancelMeeting(reason=" "))
        by = ANA.model_copy(update={"request": "ana:1"})
        said = [await give(it, CancelMeeting(reason="We have met already."), by) for _ in range(2)]
        assert said[0].startswith("The meeting is cancelled.")
        assert said[0] == said[1]
        assert len(it.simulated.world.mails) == 2
        first, cancelled = read(it, 0), read(it, 1)
        assert cancelled == first | {"method": "CANCEL", "sequence": 1}
        with pytest.raises(Refused, match="is cancelled"):
            await give(it, CancelMeeting(reason="again"))
        assert not CancelMeeting.offered(it.incident)
        assert MoveMeeting.offered(it.incident)
        await give(it, MoveMeeting(start="2026-11-23 10:00"))
        assert read(it) == first | {"sequence": 2, "start": at("2026-11-23T09:00")}


async def test_who_is_taken_off_the_list_gets_a_cancellation_and_a_new_one_an_invitation(tmp_path: Path) -> None:
    """Each in a command, by name, by the list's title, or by an address that is typed."""
    async with reviewed(tmp_path) as it:
        await give(it, InvitePeople(add="eve@example.com"))
        assert set(read(it)["to"]) == {*read(it, 0)["to"], "eve@example.com"}
        await give(it, InvitePeople(remove="Engineering team"))
        update, off = read(it, -2), read(it, -1)
        assert (off["method"], off["to"]) == ("CANCEL", (TEAM,))
        assert TEAM not in update["to"]
        assert "eve@example.com" in update["to"]
        for said, sentence in (
            (InvitePeople(add="eve@example.com"), "is invited already"),
            (InvitePeople(remove=TEAM), "is not invited"),
            (InvitePeople(add="Nobody"), "has no e-mail address in the plan"),
            (InvitePeople(), "Nothing was said"),
        ):
            with pytest.raises(AllclearError, match=sentence):
                await give(it, said)


async def test_without_a_meeting_the_sentence_says_how_to_invite(tmp_path: Path) -> None:
    """The review has not begun."""
    async with scene(tmp_path, office(), broken(), ALERT) as it:
        assert not MoveMeeting.offered(it.incident)
        with pytest.raises(NotFound, match="No one was invited to a meeting about VS-1 yet"):
            await give(it, MoveMeeting(start="2026-11-23 10:00"))


def cancelled(meeting: Meeting, reason: str) -> ActionRequest:
    """Return what cancels the meeting, in its own words."""
    return cancellation(meeting, meeting.act.proposed.params, reason)


async def test_an_undo_that_is_refused_says_how_a_meeting_is_changed(tmp_path: Path) -> None:
    """The invitation was moved since, so it is no longer what the undo would take back. Nothing is to be superseded."""
    async with reviewed(tmp_path) as it:
        invited = meeting_of(it.incident)
        assert invited
        await give(it, MoveMeeting(start="2026-11-24 14:00", reason="Ben is away"))
        with pytest.raises(Refused, match="The meeting was changed since then") as refused:
            await it.engine.manual.preview_undo(it.incident_id, invited.act.id, ANA)
        assert "supersede" not in refused.value.next_step
        assert f'allclear move-meeting {it.incident_id} "DAY TIME"' in refused.value.next_step
        assert f"allclear cancel-meeting {it.incident_id} --reason WHY" in refused.value.next_step


async def invited_by_hand(it: Scene) -> None:
    """Invite to a meeting before the end."""
    params = {
        "message": "VS-1-early",
        "people": [TEAM],
        "subject": "Review",
        "text": "We meet.",
        "start": (it.watch.now + timedelta(days=1)).isoformat(),
    }
    await it.engine.manual.do(ManualRequest("calendar.invite", params, "We want to meet.", it.incident_id), ANA)


async def test_a_false_alarm_cancels_the_meeting_once(tmp_path: Path) -> None:
    """There is nothing to review. A refused cancellation is tried again, and a restart repeats nothing."""
    async with scene(tmp_path, office(), broken(), ALERT) as it:
        await invited_by_hand(it)
        fault(it, "email", "mail", times=1)
        it.engine.people.false_alarm(it.incident_id, "The probe was wrong.", ANA)
        for _ in range(3):
            await later(it, minutes=2)
        sent = [mail for mail in it.simulated.world.mails if mail.invitation]
        assert [mail.recipients for mail in sent] == [(TEAM,), (TEAM,)]
        it.simulated.world.mails[:] = sent
        assert (read(it)["method"], read(it)["sequence"]) == ("CANCEL", 1)
        meeting = meeting_of(it.incident)
        assert meeting
        assert meeting.cancelled
        tries = [act.outcome.good for act in it.incident.acts.values() if act.proposed.phase == MEETING and act.outcome]
        assert tries == [False, True]


async def test_a_meeting_that_could_not_be_cancelled_is_left_to_people(tmp_path: Path) -> None:
    """The mail server is away all the time: a person tells those who were invited."""
    async with scene(tmp_path, office(), broken(), ALERT) as it:
        await invited_by_hand(it)
        fault(it, "email", "mail", times=200)
        it.engine.people.false_alarm(it.incident_id, "The probe was wrong.", ANA)
        for _ in range(40):
            await later(it, rounds=1, minutes=30)
        reminders = [one.reminder.sentence for states in it.incident.reminders.values() for one in states]
        assert any("could not be cancelled" in one and TEAM in one for one in reminders), reminders


async def test_a_meeting_of_a_resolved_incident_stays(tmp_path: Path) -> None:
    """Only a false alarm has nothing to review; a meeting that is over is not cancelled either."""
    async with reviewed(tmp_path) as it:
        await later(it, minutes=10)
        assert len([mail for mail in it.simulated.world.mails if mail.invitation]) == 1


async def test_an_interrupted_move_is_carried_on(tmp_path: Path) -> None:
    """The process ended between the proposal and the message: what a person has moved is sent by the next one."""
    async with reviewed(tmp_path) as it:
        meeting = meeting_of(it.incident)
        assert meeting
        await it.engine.proposer.propose(it.incident, cancelled(meeting, "We have met already."), ANA)
        await later(it, minutes=5)
        assert read(it)["method"] == "CANCEL"


async def test_a_meeting_in_the_channel_is_moved_and_cancelled_like_an_invitation(tmp_path: Path) -> None:
    """For a plan without e-mail addresses: the one message says when it is now, and no one can be invited by e-mail."""
    async with scene(tmp_path, office(), broken(), ALERT) as it:
        start = (it.watch.now + timedelta(days=1)).isoformat()
        params = {"message": "VS-1-review", "subject": "Review", "text": "We meet.", "start": start}
        await it.engine.manual.do(ManualRequest("slack.meeting", params, "We want to meet.", it.incident_id), ANA)
        assert not InvitePeople.offered(it.incident)
        with pytest.raises(Refused, match="was announced in a channel"):
            await give(it, InvitePeople(add="eve@example.com"))
        assert (await give(it, MoveMeeting(start="2026-11-23 14:30"))).startswith("The meeting is moved.")
        [message] = it.simulated.world.workspace.channels[0].messages
        assert "When: 2026-11-23 14:30 CET" in message["text"]
        await give(it, CancelMeeting(reason="We have met already."))
        assert "CANCELLED: [SIMULATED] Review" in message["text"]
        meeting = meeting_of(it.incident)
        assert meeting
        assert (meeting.cancelled, meeting.sequence) == (True, 2)


def mails(it: Scene) -> list[tuple[str, tuple[str, ...]]]:
    """Return the method of each invitation that the server took, and for whom it took it."""
    sent = [number for number, mail in enumerate(it.simulated.world.mails) if mail.invitation]
    return [(read(it, number)["method"], it.simulated.world.mails[number].recipients) for number in sent]


EVE = "eve@example.com"


async def test_who_missed_the_move_gets_the_cancellation_too(tmp_path: Path) -> None:
    """The server refused one of two recipients of the move, who still has the first time in the calendar."""
    async with reviewed(tmp_path) as it:
        await give(it, InvitePeople(add=EVE))
        fault(it, "email", "rcpt", times=1)  # the first recipient: the mailing list
        with pytest.raises(
            Refused, match=f"Perhaps not everyone has received it: .* did not accept the message for {TEAM}"
        ):
            await give(it, MoveMeeting(start="2026-11-23 14:30"))
        assert mails(it)[-1] == ("REQUEST", (EVE,))
        await give(it, CancelMeeting(reason="We have met already."))
        assert mails(it)[-1] == ("CANCEL", (EVE, TEAM))


async def test_who_missed_the_move_is_told_of_being_taken_off_the_list(tmp_path: Path) -> None:
    """The same person: the first time is still in the calendar."""
    async with reviewed(tmp_path) as it:
        await give(it, InvitePeople(add=EVE))
        fault(it, "email", "rcpt", times=1)
        with pytest.raises(Refused):
            await give(it, MoveMeeting(start="2026-11-23 14:30"))
        await give(it, InvitePeople(remove=TEAM))
        assert mails(it)[-2:] == [("REQUEST", (EVE,)), ("CANCEL", (TEAM,))]


async def test_a_cancellation_that_missed_someone_is_sent_again(tmp_path: Path) -> None:
    """It goes only to who has not got it, and is offered until everyone has it."""
    async with reviewed(tmp_path) as it:
        await give(it, InvitePeople(add=EVE))
        fault(it, "email", "rcpt", times=1)
        with pytest.raises(Refused, match="Perhaps not everyone has received it"):
            await give(it, CancelMeeting(reason="We have met already."))
        assert CancelMeeting.offered(it.incident)
        assert (await give(it, CancelMeeting(reason="again"))).startswith("The meeting is cancelled.")
        assert mails(it)[-2:] == [("CANCEL", (EVE,)), ("CANCEL", (TEAM,))]
        assert not CancelMeeting.offered(it.incident)


async def test_a_cancellation_whose_answer_was_lost_is_sent_again(tmp_path: Path) -> None:
    """It says that it may be a repeat."""
    async with reviewed(tmp_path) as it:
        fault(it, "email", "data", "answer_lost", times=1)
        with pytest.raises(Refused, match="Perhaps not everyone has received it"):
            await give(it, CancelMeeting(reason="We have met already."))
        await give(it, CancelMeeting(reason="again"))
        assert mails(it)[-2:] == [("CANCEL", (TEAM,))] * 2
        assert "may be a repeat" in it.simulated.world.mails[-1].text


async def test_who_was_refused_can_be_invited_again(tmp_path: Path) -> None:
    """To be on the list is not to be invited."""
    async with reviewed(tmp_path) as it:
        fault(it, "email", "rcpt", times=1)
        with pytest.raises(Refused, match="Perhaps not everyone has received it"):
            await give(it, InvitePeople(add=EVE))
        await give(it, InvitePeople(add=TEAM))
        assert mails(it)[-2:] == [("REQUEST", (EVE,)), ("REQUEST", (TEAM,))]


async def test_who_does_not_know_of_being_taken_off_can_be_taken_off_again_and_hears_of_the_end(tmp_path: Path) -> None:
    """The second of the two messages was refused: that person still has the meeting in the calendar."""
    async with reviewed(tmp_path) as it:
        await give(it, InvitePeople(add=EVE))
        it.simulated.world.mails = RefusesNext(it.simulated)
        with pytest.raises(Refused, match=f"{TEAM} may still have the meeting in the calendar"):
            await give(it, InvitePeople(remove=TEAM))
        it.simulated.world.mails = list(it.simulated.world.mails)
        sent = len(it.simulated.world.mails)
        await give(it, InvitePeople(remove=TEAM))
        assert mails(it)[-1] == ("CANCEL", (TEAM,))
        assert len(it.simulated.world.mails) == sent + 1


async def test_a_change_that_came_too_late_does_not_keep_the_meeting_from_being_cancelled(tmp_path: Path) -> None:
    """Ben's cancellation was begun before Ana's move and made after it: it changed nothing, and is no invitation."""
    async with reviewed(tmp_path) as it:
        meeting = meeting_of(it.incident)
        assert meeting
        ben = By(actor="Ben", role="tech_lead", via="cli")
        await it.engine.proposer.propose(it.incident, cancelled(meeting, "We have met already."), ben)
        await give(it, MoveMeeting(start="2026-11-23 14:30"))
        await later(it, minutes=2)
        assert it.incident.acts["meeting/cancel"].outcome
        assert not it.incident.acts["meeting/cancel"].outcome.changed
        assert (await give(it, CancelMeeting(reason="We have met."))).startswith("The meeting is cancelled.")
        assert mails(it)[-1] == ("CANCEL", (TEAM,))


async def test_a_false_alarm_while_a_move_is_in_flight_cancels_the_moved_meeting(tmp_path: Path) -> None:
    """The first try meets a meeting that has changed meanwhile, and the next one cancels it as it is then."""
    async with scene(tmp_path, office(), broken(), ALERT) as it:
        await invited_by_hand(it)
        meeting = meeting_of(it.incident)
        assert meeting
        await it.engine.proposer.propose(it.incident, cancelled(meeting, "A false alarm."), ANA)
        await give(it, MoveMeeting(start="2026-11-24 12:00", reason="Ben is away on Monday."))
        it.engine.people.false_alarm(it.incident_id, "The probe was wrong.", ANA)
        for _ in range(4):
            await later(it, minutes=2)
        assert mails(it)[-2:] == [("REQUEST", (TEAM,)), ("CANCEL", (TEAM,))]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (InvitePeople(add="Eve <eve@example.com>"), "eve@example.com> is not an e-mail address. Write it as"),
        (InvitePeople(add="eve@example.com, ben@example.com"), "is not an e-mail address. Write it as ana@example.com"),
        (MoveMeeting(start="x" * 5000), "^'x{59}…' is not a day and a time"),
        (MoveMeeting(start="2026-11-22 15:00", reason="\u200b"), "The plan wants the meeting from"),
        (CancelMeeting(reason="\u200b"), "Those who are invited want to know why"),
    ],
)
async def test_what_is_no_address_no_time_and_no_reason_is_said_in_a_sentence(
    tmp_path: Path, said: Command, sentence: str
) -> None:
    """Nothing is sent."""
    async with reviewed(tmp_path) as it:
        with pytest.raises(AllclearError, match=sentence):
            await give(it, said)
        assert len(mails(it)) == 1


async def test_only_people_who_may_read_a_private_incident_are_invited_to_its_meeting(tmp_path: Path) -> None:
    """Its invitation says what it is about: no mailing list and no stranger gets it, also if a person types it."""
    async with scene(tmp_path, private(), broken(), ALERT) as it:
        plan = it.engine.company.plan
        addressed = [
            Person.model_validate(
                {"name": one.name, "roles": one.roles, "contacts": {"email": f"{one.name}@example.com"}}
            )
            for one in plan.people
        ]
        plan = plan.model_copy(update={"people": addressed})
        assert may_be_invited(plan, it.incident, "BEN@example.com")
        for stranger in ("Ana@example.com", TEAM, EVE):
            assert not may_be_invited(plan, it.incident, stranger)
