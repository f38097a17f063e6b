"""Meetings: inviting people, moving the meeting, and cancelling it. Each change is an e-mail that calendars understand.

Inviting again with the same key moves the meeting, or changes whom it is for. What the record holds of the last
invitation says what everyone's calendar has now.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field
from typing_extensions import override

from allclear.domain.action import Change, Params, Receipt, State
from allclear.domain.base import digest, utc_now
from allclear.domain.delivery import MAY_BE_REPEAT, Delivery
from allclear.domain.durations import Duration
from allclear.domain.errors import Refused
from tasks.email.actions import shown
from tasks.email.addresses import OneLine, Readable
from tasks.email.compose import composed
from tasks.email.delivery import EmailAction, EmailState, MessageParams
from tasks.email.invitation import attach, invitation


class InviteParams(MessageParams):
    """When the meeting is, and what it is about. Its key finds it again when it is moved or cancelled."""

    text: Readable = Field(min_length=1, description="What the meeting is about.")
    start: AwareDatetime = Field(description="When it begins, with its zone, as 2026-11-30T14:00:00Z.")
    length: Duration = Field(default=timedelta(hours=1), gt=timedelta(0), description="How long it takes.")
    location: OneLine = Field(default="", max_length=300, description="Where it is, as the address of a video call.")


class MeetingState(EmailState):
    """A meeting as the last invitation has it."""

    incidental: ClassVar[frozenset[str]] = EmailState.incidental | {"stamp"}

    status: Literal["none", "invited", "cancelled"] = "none"
    sequence: int = Field(default=0, description="How often the meeting was changed.")
    subject: str = ""
    text: str = ""
    location: str = ""
    start: datetime | None = None
    minutes: int = 0
    stamp: datetime | None = Field(default=None, description="When this invitation was planned.")

    @override
    def in_words(self) -> str:
        if self.status == "none" or self.start is None:
            return "no one is invited"
        return f"{self.status}: {_when(self.start)}, {super().in_words()}"


class InviteToMeeting(EmailAction[InviteParams, MeetingState]):
    """Invites people to a meeting by e-mail, or moves it."""

    name = "calendar.invite"
    title = "Invite people to a meeting"
    params: ClassVar[type[Params]] = InviteParams
    state: ClassVar[type[State]] = MeetingState
    text_params = ("subject", "text")
    usual_risk = "The meeting appears in the calendars of those who are invited."
    usual_undo = "Cancels the meeting: its recipients get a cancellation."
    undone_on_request = True

    @override
    def resource(self, params: InviteParams) -> str:
        return f"meeting:{params.message}"

    @override
    async def observe(self, params: InviteParams) -> MeetingState:
        return await self.last(params) or MeetingState(message=params.message)

    @override
    async def observe_for_plan(self, params: InviteParams) -> MeetingState:
        before = await self.observe(params)
        return before.model_copy(update={"stamp": utc_now().replace(microsecond=0)})

    @override
    def plan(self, params: InviteParams, before: MeetingState) -> Change[MeetingState]:
        start = params.start.astimezone(UTC)
        minutes = int(params.length.total_seconds() // 60)
        about = {"subject": params.subject, "text": params.text, "location": params.location}
        fingerprint = digest([start.isoformat(), minutes, *about.values(), sorted(params.people)])
        after = before.model_copy(
            update={
                **about,
                "status": "invited",
                "start": start,
                "minutes": minutes,
                "fingerprint": fingerprint,
                "sequence": _next(before, fingerprint),
                "deliveries": dict.fromkeys(params.people, Delivery.ACCEPTED),
                "refusals": {},
            }
        )
        moved = before.status == "invited" and before.start != start
        verb = f"Move the meeting “{params.subject}” to" if moved else f"Invite to “{params.subject}”,"
        summary = f"{verb} {_when(start)}: {shown(params.people)}"
        return self.planned(params, before, after, summary)

    @override
    async def apply(self, params: InviteParams, change: Change[MeetingState], key: str) -> Receipt:
        after = change.after
        if after.start is None or after.stamp is None:
            raise Refused("There is no meeting to change.", "Invite people first.")
        people, everyone = self.recipients(change), list(after.deliveries)
        cancelled = after.status == "cancelled"
        text = f"{_lead(change)}\n\n{after.text}" if _lead(change) else after.text
        if change.before.fingerprint == after.fingerprint and change.before.maybe_sent:
            text = f"{MAY_BE_REPEAT}\n\n{text}"
        first = f"{params.message}-0"
        message = composed(
            self.smtp,
            f"{params.message}-{after.sequence}",
            people=people,
            subject=f"Cancelled: {after.subject}" if cancelled else after.subject,
            text=f"{text.rstrip()}\n\nWhen: {_when(after.start)}",
            at=after.stamp,
            thread=first if after.sequence else params.thread,
        )
        calendar = invitation(
            uid=f"{digest(params.message)[:16]}-meeting@{self.smtp.domain}",
            sequence=after.sequence,
            stamp=after.stamp,
            start=after.start,
            length=timedelta(minutes=after.minutes),
            summary=after.subject,
            text=after.text,
            location=after.location,
            organizer=self.smtp.sender,
            people=everyone,
            cancelled=cancelled,
        )
        attach(message, calendar, cancelled=cancelled)
        return self.receipt(people, await self.smtp.send(message, people))

    @override
    def undo(self, params: InviteParams, done: Change[MeetingState], now: MeetingState) -> Change[MeetingState]:
        if now.fingerprint != done.after.fingerprint:
            raise Refused(f"The meeting was changed since then: {now.in_words()}.", "Cancel it as it is now.")
        return self.cancellation(params, now)

    def cancellation(self, params: InviteParams, now: MeetingState) -> Change[MeetingState]:
        """Return the change that cancels the meeting as it is now. Raises Refused if there is none."""
        if now.status == "none" or now.start is None:
            raise Refused(f"No one was invited to a meeting {params.message}.", "Nothing is to be cancelled.")
        invited = [one for one, how in now.deliveries.items() if how is not Delivery.FAILED]
        fingerprint = digest(["cancelled", now.start.isoformat(), sorted(invited)])
        if now.status == "cancelled":
            return self.planned(params, now, now, "The meeting is cancelled already.")
        after = now.model_copy(
            update={
                "status": "cancelled",
                "sequence": now.sequence + 1,
                "fingerprint": fingerprint,
                "deliveries": dict.fromkeys(invited, Delivery.ACCEPTED),
                "refusals": {},
                "stamp": utc_now().replace(microsecond=0),
            }
        )
        summary = f"Cancel the meeting “{now.subject}” on {_when(now.start)}: {shown(invited)}"
        return self.planned(params, now, after, summary)


def _next(before: MeetingState, fingerprint: str) -> int:
    """Return the number of this version of the meeting: a repeat has the number of what it repeats."""
    if before.status == "none" or before.fingerprint == fingerprint:
        return before.sequence
    return before.sequence + 1


def _lead(change: Change[MeetingState]) -> str:
    """Return what has become of the meeting, as the message begins; empty for a first invitation."""
    before, after = change.before, change.after
    if after.status == "cancelled":
        return "This meeting is cancelled."
    if before.status == "invited" and before.start and before.start != after.start:
        return f"This meeting is moved. It was planned for {_when(before.start)}."
    return ""


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
