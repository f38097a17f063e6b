"""Announcing a meeting in a channel, for a company whose plan has no e-mail addresses. People add it from our page.

The message says when it is. Announcing it again with the same key moves it: the message is updated in place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pydantic import AwareDatetime, Field
from typing_extensions import override

from allclear.domain.action import Change, Finding, Params, Receipt, State, Verdict
from allclear.domain.base import digest
from allclear.domain.durations import Duration
from allclear.domain.errors import Refused
from allclear.domain.local_times import stamp
from allclear.domain.review.meeting import MeetingState
from tasks.email.addresses import Subject
from tasks.slack import DEADLINE, MessageParams, MessageState, PostMessage


class MeetingParams(MessageParams):
    """When the meeting is, and what it is about. Its key finds it again when it is moved or cancelled."""

    subject: Subject = Field(min_length=1, description="What calendars call it. It is cut after 300 characters.")
    start: AwareDatetime = Field(description="When it begins, with its zone, as 2026-11-30T14:00:00Z.")
    length: Duration = Field(default=timedelta(hours=1), gt=timedelta(0), description="How long it takes.")
    location: str = Field(default="", max_length=300, description="Where it is, as the address of a video call.")


class AnnouncedState(MeetingState, MessageState):
    """A meeting as the message in the channel has it."""

    incidental: ClassVar[frozenset[str]] = MessageState.incidental


class AnnounceMeeting(PostMessage):
    """Announces a meeting in a channel, or moves it."""

    name = "slack.meeting"
    title = "Announce a meeting in Slack"
    usual_undo = "The message says then that the meeting is cancelled."
    params: ClassVar[type[Params]] = MeetingParams
    state: ClassVar[type[State]] = AnnouncedState
    text_params = ("subject", "text")
    reaches: ClassVar[str | None] = None
    invites = True
    undone_on_request = True

    @override
    async def observe(self, params: MessageParams) -> AnnouncedState:
        seen = await super().observe(params)
        known = await asyncio.to_thread(self.context.record.last_state, self.resource(params), "start")
        before = AnnouncedState.model_validate(known) if known else AnnouncedState(channel=seen.channel, key=seen.key)
        return before.model_copy(update={name: getattr(seen, name) for name in MessageState.model_fields})

    @override
    def plan(self, params: MessageParams, before: MessageState) -> Change[MessageState]:
        given, known = _meeting(params, before)
        start = given.start.astimezone(UTC)
        about = {"subject": given.subject, "location": given.location, "start": start}
        about |= {"minutes": int(given.length.total_seconds() // 60), "status": "invited"}
        moved = known.status == "invited" and known.start is not None and known.start != start
        verb = f"Move the meeting “{given.subject}” to" if moved else f"Announce “{given.subject}”,"
        where = f"\nWhere: {given.location}" if given.location else ""
        text = f"{given.text.rstrip()}\nWhen: {self._when(start)}{where}"
        return self._changed(given, known, about, text, f"{verb} {self._when(start)}")

    @override
    def undo(self, params: MessageParams, done: Change[MessageState], now: MessageState) -> Change[MessageState]:
        given, known = _meeting(params, now)
        if known.start is None:
            raise Refused(f"No meeting {params.message} was announced.", "Nothing is to be cancelled.")
        text = f"CANCELLED: {given.subject}, {self._when(known.start)}. No one meets."
        about = {"status": "cancelled", "subject": given.subject}
        return self._changed(given, known, about, text, f"Cancel the meeting “{given.subject}”")

    def _when(self, moment: datetime) -> str:
        """Return a time in the company's zone."""
        return stamp(moment, self.context.zone)

    def _changed(
        self, params: MeetingParams, before: AnnouncedState, about: Mapping[str, object], text: str, summary: str
    ) -> Change[MessageState]:
        fingerprint = digest(text)[:16]
        sequence = before.sequence + (before.status != "none" and before.fingerprint != fingerprint)
        uid = f"{digest([before.channel, params.message])[:24]}-meeting@allclear"
        after = before.model_copy(
            update=dict(about) | {"uid": uid, "sequence": sequence, "text": text, "fingerprint": fingerprint}
        )
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=after,
            risk=self.usual_risk,
            undo=self.usual_undo,
            deadline=DEADLINE,
        )

    @override
    def state_after(self, change: Change[MessageState], seen: MessageState, receipt: Receipt | None) -> MessageState:
        """Return the meeting as it was written, with the message as it was read."""
        return change.after.model_copy(update={name: getattr(seen, name) for name in MessageState.model_fields})

    @override
    def verify(self, change: Change[MessageState], after: MessageState, receipt: Receipt | None) -> Finding:
        found = super().verify(change, after, receipt)
        if found.verdict is not Verdict.SUCCESS:
            return found
        return found.model_copy(update={"sentence": "The channel shows it."})

    @override
    def target_reached(self, change: Change[MessageState], now: MessageState) -> bool:
        return now.fingerprint == change.after.fingerprint


def _meeting(params: MessageParams, state: MessageState) -> tuple[MeetingParams, AnnouncedState]:
    """Return both as what they are. Raises TypeError."""
    if isinstance(params, MeetingParams) and isinstance(state, AnnouncedState):
        return params, state
    raise TypeError(type(params).__name__)
