"""Changing the review's meeting: another time, other people, or no meeting.

Those who are invited read of it where they were invited: in an e-mail, or in the message in the channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command, Section
from allclear.commands.choices import invitable, invited, meeting_time
from allclear.commands.inputs import LINES, NOT_ASKED, LocalTime, OneOf
from allclear.domain.errors import Refused
from allclear.domain.incident import Incident
from allclear.domain.records import By
from allclear.domain.review.meeting import meeting_of
from allclear.domain.text import must_answer

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.commands.effects import Effect
    from allclear.engine.actions.manual import ManualResult

Shown = Annotated[
    str | None,
    NOT_ASKED,
    Field(description="The digest of the change that you saw; another is refused."),
]


class MoveMeeting(Command):
    """Another time for the review's meeting.

    An e-mail moves it in the calendars of those who are invited; a meeting that was announced in a channel has its new
    time in the message there.
    """

    name: ClassVar[str] = "move-meeting"
    title: ClassVar[str] = "Move the review's meeting"
    section: ClassVar[Section] = "meeting"
    confirm: ClassVar[str] = "Move it"
    after_end: ClassVar[bool] = True
    asked_before: ClassVar[tuple[str, ...]] = ("start",)

    start: Annotated[str, LocalTime(meeting_time)] = Field(
        title="When it begins", description="In the company's time zone, as 2026-11-30 14:00."
    )
    reason: Annotated[str, LINES] = Field(
        default="", title="Why", description="Needed if it is not in the time that the plan sets for it."
    )
    digest: Shown = None

    @classmethod
    @override
    def offered(cls, incident: Incident) -> bool:
        return meeting_of(incident) is not None

    @classmethod
    @override
    async def effect(cls, engine: Engine, incident: Incident, by: By, known: Mapping[str, str]) -> Effect:
        from allclear.commands.effects import effect_of_move  # noqa: PLC0415 - the command line starts without it

        return await effect_of_move(engine, incident, known["start"])

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        result = await engine.meetings.move(incident, self.start, self.reason, by, self.digest)
        return _said(engine, result, "The meeting is moved.")


class InvitePeople(Command):
    """One more person at the review's meeting, or one fewer. Who is taken off the list gets an e-mail about it."""

    name: ClassVar[str] = "meeting-people"
    title: ClassVar[str] = "Change who is invited to the review's meeting"
    section: ClassVar[Section] = "meeting"
    after_end: ClassVar[bool] = True

    add: Annotated[str, OneOf(invitable, others=True)] = Field(
        default="", title="Invite", description="A person or a mailing list of the plan, or an e-mail address."
    )
    remove: Annotated[str, OneOf(invited)] = Field(
        default="", title="Do not invite any more", description="Who is invited now."
    )

    @classmethod
    @override
    def offered(cls, incident: Incident) -> bool:
        meeting = meeting_of(incident)
        return meeting is not None and not meeting.cancelled and bool(meeting.people)

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        result = await engine.meetings.change_people(incident, self.add, self.remove, by)
        return _said(engine, result, "The list is changed.", self.remove)


class CancelMeeting(Command):
    """The end of the review's meeting: no one meets.

    An e-mail takes it out of the calendars of those who are invited; a message in a channel says that it is cancelled.
    """

    name: ClassVar[str] = "cancel-meeting"
    title: ClassVar[str] = "Cancel the review's meeting"
    section: ClassVar[Section] = "meeting"
    confirm: ClassVar[str] = "Cancel the meeting"
    after_end: ClassVar[bool] = True

    reason: Annotated[str, LINES] = Field(title="Why", description="Why no one meets. It goes into the record.")
    digest: Shown = None

    @classmethod
    @override
    def offered(cls, incident: Incident) -> bool:
        meeting = meeting_of(incident)
        return meeting is not None and not meeting.cancelled_for_all

    @classmethod
    @override
    async def effect(cls, engine: Engine, incident: Incident, by: By, known: Mapping[str, str]) -> Effect:
        from allclear.commands.effects import effect_of  # noqa: PLC0415 - the command line starts without it

        return effect_of(await engine.meetings.preview_cancel(incident.id))

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        result = await engine.meetings.cancel(incident, self.reason, by, self.digest)
        return _said(engine, result, "The meeting is cancelled.")


def _said(engine: Engine, result: ManualResult, done: str, removed: str = "") -> str:
    """Return what came of it. Raises Refused if it was not done, or if the message did not reach everyone.

    `removed`: whom the person took off the list. Others may be taken off with that person, and are named.
    """
    if result.outcome is None:
        asked = engine.people.question(result.waiting[0]).ask
        return f"NOT done yet. {must_answer(asked, engine.company.plan)}"
    if not result.outcome.changed and not result.outcome.good:
        raise Refused(f"The meeting was not changed. {result.outcome.sentence}", result.outcome.next_step)
    others = engine.meetings.taken_off_as_private(result, removed)
    if not result.outcome.good:
        problem = f"Perhaps not everyone has received it: {result.outcome.sentence} {others}".rstrip()
        raise Refused(problem, result.outcome.next_step)
    return f"{done} {result.outcome.sentence} {others}".rstrip() if result.outcome.changed else result.outcome.sentence
