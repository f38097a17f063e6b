"""Records about people: who acknowledged, who leads, what was said and to whom, and what is left to do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from allclear.domain.base import Model, Moment


class Acknowledged(Model):
    """A person acknowledged the incident."""

    kind: Literal["acknowledged"] = "acknowledged"


class HoldStarted(Model):
    """A person has stopped everything automatic in this incident."""

    kind: Literal["hold.started"] = "hold.started"
    reason: str


class HoldEnded(Model):
    """A person has allowed automatic action again."""

    kind: Literal["hold.ended"] = "hold.ended"
    reason: str = ""


class PageHeard(Model):
    """The pager reported something about a page of ours."""

    kind: Literal["page.heard"] = "page.heard"
    act: str = Field(description="The act that sent the page.")
    page: str = Field(description="The pager's id of the page.")
    event: str = Field(description="What happened: acknowledged, unacknowledged, reassigned, escalated, resolved ...")
    at: Moment | None = Field(default=None, description="When, by the pager's clock.")
    agent: str = Field(default="", description="The person who did it, as the pager calls that person.")
    rings: bool = Field(default=False, description="Whether the page wakes people after this.")
    ringing: list[str] = Field(default=[], description="Whom it wakes, as the pager calls them.")
    text: str = Field(default="", description="The message to a responder.")
    into: str = Field(default="", description="For a page that was merged into another: the pager's id of that one.")
    late: bool = Field(default=False, description="Whether a later event came before it, so that it changes nothing.")


class ReminderDue(Model):
    """A reminder was due: once for each level of each topic."""

    kind: Literal["reminder.due"] = "reminder.due"
    topic: str = Field(description="What it is about, as `answer:VS-1/contain/roll-back`.")
    level: int = Field(ge=1, description="The level of escalation, or how many times people were reminded.")
    sentence: str
    roles: list[str] = Field(default=[], description="The roles that it is for.")
    people: list[str] = Field(default=[], description="The people that it is for, if it is not for whole roles.")
    urgent: bool = Field(default=False, description="Whether it is sent as a page.")
    audiences: list[str] = Field(
        default=[], description="The audiences that no one could notify, so that a person must tell them."
    )


class RoleOffered(Model):
    """A person is asked to take a role. Its holder keeps it until the other person accepts."""

    kind: Literal["role.offered"] = "role.offered"
    role: str
    to: str = Field(description="The person who is asked.")
    holder: str | None = Field(default=None, description="Who has the role until then; None for no one.")


class RoleTaken(Model):
    """A person has a role from now on."""

    kind: Literal["role.taken"] = "role.taken"
    role: str
    person: str
    was: str | None = None


class NoteAdded(Model):
    """A note for the record."""

    kind: Literal["note.added"] = "note.added"
    text: str
    post_mortem: str = Field(
        default="", description="Where the post-mortem shows it: `timeline`, or the field that it answers."
    )


class DecisionMade(Model):
    """A decision, and its reason."""

    kind: Literal["decision.made"] = "decision.made"
    text: str
    reason: str = ""


class AudienceTold(Model):
    """A person told an audience of the plan about the incident, outside allclear."""

    kind: Literal["audience.told"] = "audience.told"
    audience: str = Field(description="As the plan's `updates` and `notifications` call it, or a role.")
    text: str = Field(default="", description="What was said, and how.")


class PostMortemWritten(Model):
    """What a person wrote for one field of the post-mortem; the last record counts."""

    kind: Literal["post-mortem.written"] = "post-mortem.written"
    field: str
    text: str


class FollowUpAdded(Model):
    """A task that prevents a recurrence."""

    kind: Literal["follow-up.added"] = "follow-up.added"
    text: str
    owner: str
    due: Moment


class FollowUpDone(Model):
    """A follow-up was done."""

    kind: Literal["follow-up.done"] = "follow-up.done"
    number: int = Field(ge=1, description="Which one, in the order in which they were added; 1 for the first.")
    note: str = ""
