"""Who is told what and by when: notifications, status updates, duties, and what silence at an approval means."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from allclear.domain.base import Model, Slug
from allclear.domain.durations import Duration
from allclear.domain.plan.assumptions import MayBeAssumed
from allclear.domain.plan.severity import ClockStart, Wanted
from allclear.domain.plan.working_time import Span

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""What people are asked with: it cannot be empty."""

LineName = Annotated[Slug, Field(max_length=50)]
"""A short name that something stands before in the name of an ask, and behind."""

EVERYONE = "everyone"
"""The last rung of a climb: every role of the plan."""


class Applies(MayBeAssumed):
    """For which incidents a line holds; all of them where nothing is said."""

    severities: list[str] | None = Field(default=None, description="Only for these; all when left out.")
    kinds: list[Slug] | None = Field(default=None, description="Only for these kinds of incident; all when left out.")
    when: Wanted = Field(default={}, description="Only with these facets; what is not known yet counts as fitting.")


class Notification(Applies):
    """One line of the notification matrix: an audience, and when it is told."""

    audience: str = Field(description="A role of the plan, or anybody else in words, as `customers`.")
    by: list[Slug] = Field(default=[], description="The channels, in order.")
    within: Span | None = Field(default=None, description="By when; at once when left out.")
    from_: ClockStart = Field(default=ClockStart.ALERT, alias="from", description="What starts its clock.")
    words: str = Field(default="", description="The plan's own words.")


StatusWord = Literal["investigating", "contained", "resolved"]


class UpdateSchedule(Applies):
    """How often an audience gets an update. Of several lines, the one with the latest `after` in the past counts."""

    audience: str = Field(description="Who gets it: a role, `status_page`, or others in words, as `customers`.")
    every: Duration = Field(description="How long after the last update the next one is due.")
    status: list[StatusWord] = Field(
        default=["investigating", "contained"],
        min_length=1,
        description="While the incident has one of these statuses.",
    )
    after: Duration = Field(default=timedelta(0), description="From this long after the alert on.")


class Duty(Applies):
    """Something that must be done by a deadline when its condition holds, as telling a regulator within 72 hours."""

    name: LineName = Field(description="A short name; the ask is `duty/NAME`.")
    title: Words = Field(description="What it is, in a few words.")
    ask: Words = Field(description="What has to be done, for whoever has to do it.")
    role: Slug = Field(description="Who has to do it.")
    within: Span = Field(description="By when.")
    from_: ClockStart = Field(default=ClockStart.AWARENESS, alias="from", description="What starts its clock.")
    source: str = Field(default="", description="Where it is written, as `Art. 33 GDPR`.")


class Evidence(Applies):
    """What has to be kept before containment changes anything."""

    name: LineName = Field(description="A short name; the ask is `contain/evidence-NAME`.")
    title: Words = Field(description="What it is, in a few words.")
    ask: Words = Field(description="What has to be kept, for whoever has to do it.")
    role: Slug = Field(description="Who has to do it.")


class EscalationLevel(Model):
    """Who is told of an unanswered question, and after how long."""

    after: Duration = Field(description="How long it has waited.")
    roles: list[Slug] | Literal["everyone"] = Field(description="Who is told then; `everyone` for all roles.")


class EscalationPolicy(Applies):
    """What an unanswered question leads to. It climbs, and silence never means yes."""

    levels: list[EscalationLevel] = Field(min_length=1, description="Who is told after how long, the shortest first.")


DEFAULT_ESCALATION_POLICY = EscalationPolicy(
    levels=[
        EscalationLevel(after=timedelta(minutes=3), roles=["tech_lead"]),
        EscalationLevel(after=timedelta(minutes=6), roles=["cto"]),
        EscalationLevel(after=timedelta(minutes=10), roles=EVERYONE),
    ],
    assumed=True,
    because="silence at an approval climbs to the tech lead after 3, the CTO after 6 and everyone after 10 minutes",
)


class MessageAction(Model):
    """An action that tells people something, and its words."""

    action: str = Field(description="As slack.post; one that only speaks, and that needs no approval.")
    with_: dict[str, Any] = Field(
        alias="with",
        description="Its parameters; besides every placeholder, {reminder}, {for} and {number} are filled.",
    )


class ReminderRules(Model):
    """How people are reminded: of an approval that waits, an unacknowledged page, what is due or still in place."""

    message: MessageAction | None = Field(default=None, description="The message to the team's channel.")
    page: MessageAction | None = Field(default=None, description="The page for what is urgent; `message` if left out.")


class DueReview(Applies):
    """When something of the post-mortem is due."""

    what: Slug = Field(default="document", description="As `meeting` or `document`.")
    within: Span = Field(description="By when.")
    not_before: Span | None = Field(default=None, description="Not earlier than this.")
    from_: ClockStart = Field(default=ClockStart.RECOVERY, alias="from", description="What starts its clock.")


class PostMortemRules(Model):
    """What a post-mortem looks like, and when it is due."""

    template: str = Field(description="Its file, relative to the company's folder.")
    due: list[DueReview] = Field(min_length=1, description="One span alone is that of the document, from recovery.")
    title: str = Field(default="Post-Mortem", description="What the plan calls it.")

    @field_validator("due", mode="before", json_schema_input_type=Span | list[DueReview])
    @classmethod
    def _one_span(cls, value: object) -> object:
        return [{"within": value}] if isinstance(value, str) else value
