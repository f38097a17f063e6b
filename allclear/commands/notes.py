"""Writing down what people saw, decided and told."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command, Section
from allclear.commands.choices import audiences, note_places, open_follow_ups, people
from allclear.commands.inputs import LINES, OneOf
from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.domain.records import By
from allclear.domain.reminders.follow_ups import DUE_DAYS

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Note(Command):
    """A note in the timeline."""

    name: ClassVar[str] = "note"
    title: ClassVar[str] = "Add a note"
    typed: ClassVar[tuple[str, ...] | None] = ("text",)
    section: ClassVar[Section] = "notes"
    after_end: ClassVar[bool] = True

    text: Annotated[str, LINES] = Field(title="Note", description="What you saw, heard or did.")
    post_mortem: Annotated[str, OneOf(note_places)] = Field(
        default="",
        title="In the post-mortem",
        description="Where the post-mortem shows it: `timeline`, or the field that it answers.",
    )

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.note(incident, self.text, by, self.post_mortem)


class Decide(Command):
    """A decision and its reason."""

    name: ClassVar[str] = "decide"
    title: ClassVar[str] = "Record a decision"
    typed: ClassVar[tuple[str, ...] | None] = ("text",)
    section: ClassVar[Section] = "notes"
    after_end: ClassVar[bool] = True

    text: Annotated[str, LINES] = Field(title="Decision", description="What was decided.")
    reason: str = Field(default="", title="Why", description="What speaks for it.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.decide(incident, self.text, self.reason, by)


class Told(Command):
    """A report that a person has told an audience."""

    name: ClassVar[str] = "told"
    title: ClassVar[str] = "Record whom you told"
    typed: ClassVar[tuple[str, ...] | None] = ("audience", "text")
    section: ClassVar[Section] = "notes"
    after_end: ClassVar[bool] = True

    audience: Annotated[str, OneOf(audiences)] = Field(
        description="A role, or an audience of the plan, as `customers`."
    )
    text: Annotated[str, LINES] = Field(default="", title="What you said", description="What you said, and how.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.told(incident, self.audience, self.text, by)


class FollowUp(Command):
    """Something to be done so that the incident does not happen again."""

    name: ClassVar[str] = "follow-up"
    title: ClassVar[str] = "Add a follow-up"
    typed: ClassVar[tuple[str, ...] | None] = ("owner", "text")
    section: ClassVar[Section] = "follow_ups"
    after_end: ClassVar[bool] = True

    text: Annotated[str, LINES] = Field(
        title="What has to be done", description="What has to be done so that it does not happen again."
    )
    owner: Annotated[str, OneOf(people, others=True)] = Field(
        title="Who sees to it", description="The person who sees to it."
    )
    days: int = Field(
        default=DUE_DAYS, ge=0, le=3650, title="Due in days", description="Days from now until it is due."
    )
    due: date | None = Field(
        default=None, title="Or due on", description="The day on which it is due, instead of a number of days."
    )

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        due = utc_now() + timedelta(days=self.days)
        if self.due is not None:
            due = datetime.combine(self.due, time(12), engine.company.plan.zone).astimezone(UTC)
        return engine.people.follow_up(incident, self.text, self.owner, due, by)


class FollowUpDone(Command):
    """A report that a follow-up is done. Its reminders end."""

    name: ClassVar[str] = "follow-up-done"
    title: ClassVar[str] = "Report that a follow-up is done"
    typed: ClassVar[tuple[str, ...] | None] = ("number", "note")
    section: ClassVar[Section] = "follow_ups"

    number: Annotated[int, OneOf(open_follow_ups)] = Field(
        ge=1, title="Follow-up", description="Its number among the incident's follow-ups, 1 for the first."
    )
    note: str = Field(default="", title="What was done", description="What was done, in a few words.")

    @classmethod
    @override
    def offered(cls, incident: Incident) -> bool:
        return len(incident.follow_ups) > len(incident.follow_ups_done)

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.follow_up_done(incident, self.number, self.note, by)
