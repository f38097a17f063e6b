"""Meetings: inviting people, moving the meeting, and cancelling it. Each change is an e-mail that calendars understand.

Inviting again with the same key moves the meeting, or changes whom it is for: those who are taken off the list get a
message that takes it out of their calendars, and the others one without them. What the record holds of the last
invitation says what everyone's calendar has now.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import ClassVar

from pydantic import AwareDatetime, Field
from typing_extensions import override

from allclear.domain.action import Change, Finding, Params, Receipt, State, Verdict
from allclear.domain.base import digest, utc_now
from allclear.domain.durations import Duration
from allclear.domain.errors import AllclearError, AnswerLost, Refused
from allclear.domain.local_times import stamp
from allclear.domain.notify.delivery import MAY_BE_REPEAT, ON_THE_WAY, Delivery
from allclear.domain.review.invitation import Method, invitation
from allclear.domain.review.meeting import MeetingState
from allclear.domain.text import enumerated
from allclear.vendors.smtp import Taken
from tasks.email.actions import shown
from tasks.email.addresses import OneLine, Readable
from tasks.email.compose import composed
from tasks.email.delivery import EmailAction, EmailState, MessageParams

_TAKEN_OFF, _NOT_TOLD = "taken_off", "not_told"
"""The facts of a receipt: how far the message to those who are not invited any more got, and why not."""


class InviteParams(MessageParams):
    """When the meeting is, and what it is about. Its key finds it again when it is moved or cancelled."""

    text: Readable = Field(min_length=1, description="What the meeting is about.")
    start: AwareDatetime = Field(description="When it begins, with its zone, as 2026-11-30T14:00:00Z.")
    length: Duration = Field(default=timedelta(hours=1), gt=timedelta(0), description="How long it takes.")
    location: OneLine = Field(default="", max_length=300, description="Where it is, as the address of a video call.")


class InvitationState(MeetingState, EmailState):
    """A meeting as the last invitation by e-mail has it."""

    incidental: ClassVar[frozenset[str]] = EmailState.incidental | {"stamp"}

    taken_off: dict[str, Delivery] = Field(
        default={}, description="Those who are not invited any more, and how far the message that says so got."
    )
    outdated: list[str] = Field(
        default=[], description="Those who have an earlier version of it: no message about a later one reached them."
    )
    stamp: datetime | None = Field(default=None, description="When this invitation was planned.")

    @override
    def in_words(self) -> str:
        return self.words_in(UTC)

    def words_in(self, zone: tzinfo) -> str:
        """Return the state in words, with its time in `zone`."""
        if self.status == "none" or self.start is None:
            return "no one is invited"
        return f"{self.status}: {stamp(self.start, zone)}, {super().in_words()}"


class InviteToMeeting(EmailAction[InviteParams, InvitationState]):
    """Invites people to a meeting by e-mail, or moves it."""

    name = "calendar.invite"
    title = "Invite people to a meeting"
    params: ClassVar[type[Params]] = InviteParams
    state: ClassVar[type[State]] = InvitationState
    text_params = ("subject", "text")
    usual_risk = "The meeting appears in the calendars of those who are invited."
    usual_undo = "Cancels the meeting: its recipients get a cancellation."
    undone_on_request = True
    invites = True

    @override
    def resource(self, params: InviteParams) -> str:
        return f"meeting:{params.message}"

    @override
    async def observe(self, params: InviteParams) -> InvitationState:
        return await self.last(params) or InvitationState(message=params.message)

    @override
    async def observe_for_plan(self, params: InviteParams) -> InvitationState:
        before = await self.observe(params)
        return before.model_copy(update={"stamp": utc_now().replace(microsecond=0)})

    @override
    def plan(self, params: InviteParams, before: InvitationState) -> Change[InvitationState]:
        start = params.start.astimezone(UTC)
        minutes = int(params.length.total_seconds() // 60)
        about = {"subject": params.subject, "text": params.text, "location": params.location}
        fingerprint = digest([start.isoformat(), minutes, *about.values(), sorted(params.people)])
        off = _taken_off(before, params.people)
        after = before.model_copy(
            update={
                **about,
                "status": "invited",
                "uid": f"{digest(params.message)[:16]}-meeting@{self.smtp.domain}",
                "start": start,
                "minutes": minutes,
                "fingerprint": fingerprint,
                "sequence": _next(before, fingerprint),
                "deliveries": dict.fromkeys(params.people, Delivery.ACCEPTED),
                "taken_off": dict.fromkeys(off, Delivery.ACCEPTED),
                "refusals": {},
            }
        )
        return self._change(params, before, after, self._summary(params, before, start, off))

    @override
    async def apply(self, params: InviteParams, change: Change[InvitationState], key: str) -> Receipt:
        after = change.after
        if after.start is None or after.stamp is None:
            raise Refused("There is no meeting to change.", "Invite people first.")
        people, off = self.recipients(change), _to_take_off(change)
        sent = Receipt()
        if people:
            method: Method = "CANCEL" if after.status == "cancelled" else "REQUEST"
            sent = self.receipt(people, await self._send(params, change, method, people, list(after.deliveries)))
        if not off:
            return sent
        try:
            answers = await self._send(params, change, "CANCEL", off, off)
        except AllclearError as error:
            if not people:  # nothing was sent before it
                raise
            how = Delivery.UNKNOWN if isinstance(error, AnswerLost) else Delivery.FAILED
            told, refused = dict.fromkeys(off, how), dict.fromkeys(off, error.message)
        else:
            refused = answers.refused
            told = {one: Delivery.FAILED if one in refused else Delivery.ACCEPTED for one in off}
        return Receipt(facts=sent.facts | {_TAKEN_OFF: told, _NOT_TOLD: refused})

    async def _send(
        self, params: InviteParams, change: Change[InvitationState], method: Method, people: list[str], named: list[str]
    ) -> Taken:
        """Send one version of the meeting to `people`; the calendar in it names `named`."""
        after, stopped = change.after, change.after.status == "cancelled"
        assert after.start  # noqa: S101 - `apply` has tested it
        assert after.stamp  # noqa: S101 - as above
        lead = self._lead(change, method)
        text = f"{lead}\n\n{after.text}" if lead else after.text
        if change.before.fingerprint == after.fingerprint and change.before.maybe_sent:
            text = f"{MAY_BE_REPEAT}\n\n{text}"
        first, off = f"{params.message}-0", method == "CANCEL" and not stopped
        message = composed(
            self.smtp,
            f"{params.message}-{after.sequence}{'-off' if off else ''}",
            people=people,
            subject=f"Cancelled: {after.subject}" if method == "CANCEL" else after.subject,
            text=f"{text.rstrip()}\n\nWhen: {self._when(after.start)}",
            at=after.stamp,
            thread=first if after.sequence else params.thread,
        )
        calendar = invitation(
            method,
            uid=after.uid,
            sequence=after.sequence,
            stamp=after.stamp,
            start=after.start,
            length=timedelta(minutes=after.minutes),
            summary=after.subject,
            text=after.text,
            location=after.location,
            organizer=self.smtp.sender,
            people=named,
            cancelled=stopped,
        )
        message.add_alternative(calendar, subtype="calendar", params={"method": method})
        message.add_attachment(calendar.encode(), maintype="application", subtype="ics", filename="invite.ics")
        return await self.smtp.send(message, people)

    @override
    def state_after(
        self, change: Change[InvitationState], seen: InvitationState, receipt: Receipt | None
    ) -> InvitationState:
        after = super().state_after(change, seen, receipt)
        off = _to_take_off(change)
        facts = receipt.facts if receipt else {}
        said: dict[str, str] = facts.get(_TAKEN_OFF) or {}
        told = {one: Delivery(said[one]) if one in said else Delivery.UNKNOWN for one in off}
        known = {one: how for one, how in change.before.taken_off.items() if one in change.after.taken_off}
        refused: dict[str, str] = facts.get(_NOT_TOLD) or {}
        got = after.deliveries | known | told
        return after.model_copy(
            update={
                "taken_off": known | told,
                "refusals": after.refusals | refused,
                "outdated": [one for one in _with_it(change.before) if got.get(one) is Delivery.FAILED],
            }
        )

    @override
    def verify(self, change: Change[InvitationState], after: InvitationState, receipt: Receipt | None) -> Finding:
        found = super().verify(change, after, receipt)
        left = [one for one, how in after.taken_off.items() if how not in ON_THE_WAY]
        if not left or found.verdict is Verdict.FAILURE:
            return found
        failed = any(after.taken_off[one] is Delivery.FAILED for one in left)
        why = "; ".join(after.refusals[one] for one in left if one in after.refusals)
        reason = f" ({why})" if why else ""
        sentence = f"{enumerated(left)} may still have the meeting in the calendar{reason}: tell them."
        return Finding(verdict=Verdict.FAILURE if failed else Verdict.INCONCLUSIVE, sentence=sentence, final=True)

    @override
    def target_reached(self, change: Change[InvitationState], now: InvitationState) -> bool:
        off = all(now.taken_off.get(one) in ON_THE_WAY for one in change.after.taken_off)
        return off and super().target_reached(change, now)

    @override
    def undo(
        self, params: InviteParams, done: Change[InvitationState], now: InvitationState
    ) -> Change[InvitationState]:
        if now.status != "cancelled" and now.fingerprint != done.after.fingerprint:
            words = now.words_in(self.context.zone)
            raise Refused(f"The meeting was changed since then: {words}.", "Cancel it as it is now.")
        return self.cancellation(params, now)

    def cancellation(self, params: InviteParams, now: InvitationState) -> Change[InvitationState]:
        """Return the change that cancels the meeting as it is now. Raises Refused if there is none."""
        if now.status == "none" or now.start is None:
            raise Refused(f"No one was invited to a meeting {params.message}.", "Nothing is to be cancelled.")
        invited = _with_it(now)
        fingerprint = digest(["cancelled", now.start.isoformat(), sorted(invited)])
        if now.status == "cancelled":
            return self._change(params, now, now, "The meeting is cancelled already.")
        after = now.model_copy(
            update={
                "status": "cancelled",
                "subject": params.subject,
                "text": params.text,
                "sequence": now.sequence + 1,
                "fingerprint": fingerprint,
                "deliveries": dict.fromkeys(invited, Delivery.ACCEPTED),
                "taken_off": {},
                "refusals": {},
                "stamp": utc_now().replace(microsecond=0),
            }
        )
        summary = f"Cancel the meeting “{params.subject}” on {self._when(now.start)}: {shown(invited)}"
        return self._change(params, now, after, summary)

    # --- the words: times are in the company's zone ------------------------------------------------------

    def _when(self, moment: datetime) -> str:
        return stamp(moment, self.context.zone)

    def _change(
        self, params: InviteParams, before: InvitationState, after: InvitationState, summary: str
    ) -> Change[InvitationState]:
        was, becomes = (state.words_in(self.context.zone) for state in (before, after))
        return self.planned(params, before, after, summary).model_copy(update={"was": was, "becomes": becomes})

    def _summary(self, params: InviteParams, before: InvitationState, start: datetime, off: list[str]) -> str:
        moved = before.status == "invited" and before.start != start
        verb = f"Move the meeting “{params.subject}” to" if moved else f"Invite to “{params.subject}”,"
        without = f"; not any more: {shown(off)}" if off else ""
        return f"{verb} {self._when(start)}: {shown(params.people)}{without}"

    def _lead(self, change: Change[InvitationState], method: Method) -> str:
        """Return what has become of the meeting, as the message begins; empty for a first invitation."""
        before, after = change.before, change.after
        if after.status == "cancelled":
            return "This meeting is cancelled."
        if method == "CANCEL":
            return "You are not invited to this meeting any more. The others meet without you."
        if before.status == "cancelled":
            return "This meeting was cancelled. It takes place after all."
        if before.status == "invited" and before.start and before.start != after.start:
            return f"This meeting is moved. It was planned for {self._when(before.start)}."
        return ""


def _with_it(state: InvitationState) -> list[str]:
    """Return the addresses that have the meeting in their calendars, or may have it, in whatever version."""
    without = {Delivery.FAILED, *(ON_THE_WAY if state.status == "cancelled" else ())}
    has = [one for one, how in state.deliveries.items() if how not in without]
    return list(dict.fromkeys([*has, *state.outdated, *_not_told(state)]))


def _not_told(state: InvitationState) -> list[str]:
    """Return those who are not invited any more, and may not know it."""
    return [one for one, how in state.taken_off.items() if how not in ON_THE_WAY]


def _taken_off(before: InvitationState, people: list[str]) -> list[str]:
    """Return those who were invited and are not any more, also those to whom an earlier message could not say so."""
    stays = {one.lower() for one in people}
    return [one for one in _with_it(before) if one.lower() not in stays]


def _to_take_off(change: Change[InvitationState]) -> list[str]:
    """Return whom the message that they are not invited any more is to be sent to now."""
    told = change.before.taken_off if change.before.fingerprint == change.after.fingerprint else {}
    return [one for one in change.after.taken_off if told.get(one) not in ON_THE_WAY]


def _next(before: InvitationState, fingerprint: str) -> int:
    """Return the number of this version of the meeting: a repeat has the number of what it repeats."""
    if before.status == "none" or before.fingerprint == fingerprint:
        return before.sequence
    return before.sequence + 1
