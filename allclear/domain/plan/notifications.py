"""Who is notified and when: notifications, updates, reminders, duties, escalation policies, the post-mortem."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from allclear.domain.base import Model, Slug
from allclear.domain.durations import Duration
from allclear.domain.plan.assumptions import MayBeAssumed
from allclear.domain.plan.severity import ClockStart, Wanted
from allclear.domain.plan.ticket_action import TicketAction
from allclear.domain.plan.working_time import Span

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""The text of a question; it cannot be empty."""

LineName = Annotated[Slug, Field(max_length=50)]
"""A short name that is part of the name of an ask."""

_SHORTEST = timedelta(minutes=1)
"""The shortest time between two updates: people read them."""

EVERYONE = "everyone"
"""The last level of an escalation: every role of the plan."""


class Applies(MayBeAssumed):
    """The incidents that a line applies to; all of them by default."""

    severities: list[str] | None = Field(default=None, description="Only for these severities; all when left out.")
    kinds: list[Slug] | None = Field(default=None, description="Only for these kinds of incident; all when left out.")
    when: Wanted = Field(default={}, description="Only with these facets; an unknown facet counts as a match.")


class Notification(Applies):
    """One line of the notification matrix: an audience, and when it is notified."""

    audience: Words = Field(description="A role or a mailing list of the plan, or others in words, as `customers`.")
    by: list[Slug] = Field(
        default=[],
        description="The `ways`, in order; each person's own contacts, in their order, when left out.",
    )
    within: Span | None = Field(default=None, description="By when; at once when left out.")
    from_: ClockStart = Field(default=ClockStart.ALERT, alias="from", description="What starts its clock.")
    words: str = Field(default="", description="The plan's own words.")


StatusWord = Literal["investigating", "contained", "resolved"]


class UpdateSchedule(Applies):
    """How often an audience gets an update. Of several lines, the one with the latest `after` in the past counts."""

    audience: Words = Field(description="Who gets it: a role, `status_page`, or others in words, as `customers`.")
    every: Duration = Field(description="How long after the last update the next one is due; a minute or longer.")
    status: list[StatusWord] = Field(
        default=["investigating", "contained"],
        min_length=1,
        description="While the incident has one of these statuses.",
    )
    after: Duration = Field(default=timedelta(0), description="From this long after the alert on.")

    @field_validator("every")
    @classmethod
    def _no_flood(cls, every: timedelta) -> timedelta:
        if every < _SHORTEST:
            raise ValueError("an update each few seconds would flood its readers: write a minute or longer, as 30m")
        return every


class Assignment(Applies):
    """Something that the plan asks of a role in each incident that it applies to."""

    name: LineName = Field(description="A short name, which ends the ask's: `duty/NAME`, `contain/evidence-NAME`.")
    title: Words = Field(description="What it is, in a few words.")
    ask: Words = Field(description="What has to be done, for the person who does it.")
    role: Slug = Field(description="Who has to do it.")


class Duty(Assignment):
    """Something that must be done by a deadline if its condition holds, as notifying a regulator within 72 hours."""

    within: Span = Field(description="By when.")
    from_: ClockStart = Field(default=ClockStart.AWARENESS, alias="from", description="What starts its clock.")
    source: str = Field(default="", description="Where it is written, as `Art. 33 GDPR`.")


class Evidence(Assignment):
    """Evidence that has to be kept before containment changes anything."""


class EscalationLevel(Model):
    """Who is notified of an unanswered question, and after how long."""

    after: Duration = Field(description="How long the question has waited.")
    roles: list[Slug] | Literal["everyone"] = Field(description="Who is notified then; `everyone` for all roles.")


class EscalationPolicy(Applies):
    """Who is notified of an unanswered question, level by level. No answer never means yes."""

    levels: list[EscalationLevel] = Field(
        min_length=1, description="Who is notified after how long, the shortest first."
    )


DEFAULT_ESCALATION_POLICY = EscalationPolicy(
    levels=[
        EscalationLevel(after=timedelta(minutes=3), roles=["tech_lead"]),
        EscalationLevel(after=timedelta(minutes=6), roles=["cto"]),
        EscalationLevel(after=timedelta(minutes=10), roles=EVERYONE),
    ],
    assumed=True,
    because="the tech lead is notified of an unanswered question after 3, the CTO after 6, everyone after 10 minutes",
)


class MessageAction(Model):
    """An action that sends a message, and its parameters."""

    action: str = Field(description="The action, as slack.post; it must only send messages and need no approval.")
    with_: dict[str, Any] = Field(
        alias="with",
        description="Its parameters. Besides every placeholder, {number} is filled, in a reminder also {reminder} and "
        "{for}, in one of `ways` also {audience}, {name} and {notice}.",
    )


class ReminderRules(Model):
    """How people are reminded: of an approval that waits, an unacknowledged page, what is due or still in place."""

    message: MessageAction | None = Field(default=None, description="The message to the team's channel.")
    page: MessageAction | None = Field(
        default=None, description="The page for what is urgent. `message` if left out, or if it fails."
    )


class IncidentTickets(Applies):
    """The ticket of each incident. A private incident gets none: others would read it."""

    open: TicketAction = Field(description="What opens it, once detection has found the trouble to be real.")
    close: TicketAction | None = Field(
        default=None, description="What closes it when the incident ends, however it ends; it stays open if left out."
    )


class FollowUpTickets(Applies):
    """The ticket of each follow-up. Of a private incident's follow-ups none is opened: others would read it."""

    open: TicketAction = Field(description="What opens it, when the follow-up is recorded.")
    close: TicketAction | None = Field(
        default=None, description="What closes it, when the follow-up is done; it stays open if left out."
    )


class DueReview(Applies):
    """When something of the post-mortem is due."""

    what: Slug = Field(default="document", description="What is due, as `meeting` or `document`.")
    within: Span = Field(description="By when.")
    not_before: Span | None = Field(default=None, description="Not earlier than this.")
    from_: ClockStart = Field(default=ClockStart.RECOVERY, alias="from", description="What starts its clock.")
    met_by: Slug | None = Field(
        default=None,
        description="The step of the review with which a person says that it was done; the step called as `what` if "
        "left out. Without such a step it is met when the review is finished.",
    )


class PostMortemRules(Model):
    """The template of the post-mortem, and when it is due."""

    template: str = Field(description="Its file, relative to the company's folder.")
    due: list[DueReview] = Field(
        min_length=1, description="What is due when; a span alone is the time for the document, from recovery on."
    )
    title: str = Field(default="Post-Mortem", description="What the plan calls it.")
    invite: list[Slug] = Field(
        default=[],
        description="The roles and mailing lists that are invited to the meeting, beside the people who took part.",
    )

    @field_validator("due", mode="before", json_schema_input_type=Span | list[DueReview])
    @classmethod
    def _one_span(cls, value: object) -> object:
        return [{"within": value}] if isinstance(value, str) else value
