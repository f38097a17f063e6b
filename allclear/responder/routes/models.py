"""The models of the responder's HTTP responses, as /openapi.json describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from allclear.commands.questions import ActView, QuestionView
from allclear.domain.action import ActStatus
from allclear.domain.notify.notified import Notified


class AlertAccepted(BaseModel):
    """An alert that is stored durably."""

    id: str = Field(description="The id of the delivery; GET /alerts/{id} shows the result.")


class AlertDecisionView(BaseModel):
    """One alert of a delivery and what allclear decided. Its texts are untrusted; each is on one line."""

    key: str = Field(description="Identifies the problem at its source, both while it fires and when it is resolved.")
    status: str = Field(description="firing or resolved.")
    severity: str = Field(description="The source's severity; may be empty.")
    service: str = Field(description="The service of the plan's route; without a route, the source's.")
    title: str
    at: datetime | None = Field(description="The source's own time.")
    last_seen_at: datetime = Field(description="When the alert was received last.")
    decision: str = Field(
        description="opened, ticket, joined, heard, repeat, late, held, collapsed, old, below, ignored or quarantined."
    )
    reason: str = Field(description="The rule that decided, as a sentence.")
    incident: str | None = Field(description="The incident, or the mere ticket, that it belongs to, if any.")
    ticket: str = Field(
        default="",
        description="If it has only a ticket: its number and address in the tracker, or why it has none yet.",
    )
    count: int = Field(description="How often this was decided.")


class DeliveryView(BaseModel):
    """One request of a monitoring system, which may hold several alerts."""

    id: str = Field(description="For `GET /alerts/{id}` and `allclear alert retry`.")
    source: str
    received_at: datetime
    count: int = Field(description="How often the same delivery was received.")
    state: str = Field(description="`new`, or the most important decision about its alerts.")
    reason: str = Field(description="The rule that decided, or why the delivery cannot be read.")
    incident: str | None = Field(description="The incident of its most important alert, if any.")
    alerts: list[AlertDecisionView] = Field(
        description="Empty until the delivery is read. A list has the last 20, `GET /alerts/{id}` all."
    )
    total_alerts: int = Field(description="How many alerts there are; a list may show fewer.")


class InPlaceView(BaseModel):
    """A change that containment left in place."""

    act: str = Field(description="For `allclear undo`.")
    what: str
    status: ActStatus
    since: datetime | None
    owner: str | None
    expires: datetime | None = Field(description="When the owner must review it.")


class DeadlineView(BaseModel):
    """A deadline that is not met yet."""

    what: str = Field(description="target, duty, notification, escalation or post-mortem.")
    title: str
    due: datetime
    missed: bool


class IncidentSummary(BaseModel):
    """The fields of an incident in every response."""

    id: str
    title: str
    severity: str = Field(description="On the plan's own scale, as P0.")
    status: str = Field(
        description="INVESTIGATING, IDENTIFIED (the cause), CONTAINED, RESOLVED, FALSE ALARM or ABANDONED."
    )
    held: str = Field(
        default="", description="Who has stopped everything automatic in it, since when and why; empty if no one has."
    )
    phase: str | None = Field(description="detect, contain, investigate, resolve or review; null before the first.")
    phase_title: str | None = Field(description="The plan's own name for the phase.")
    service: str
    lead: str | None = Field(description="Who leads the response, if it has a lead.")
    simulated: bool = Field(description="Whether the incident is in a simulated production.")
    opened_at: datetime
    contained_at: datetime | None = Field(description="When a probe from outside confirmed the containment.")
    recovered_at: datetime | None = Field(description="When a probe from outside found the service healthy again.")
    ended_at: datetime | None


class IncidentListItem(IncidentSummary):
    """An incident in a list."""

    open_asks: int = Field(description="How many questions wait for people.")
    in_place: int = Field(description="How many acts left a change that is still in place.")
    next_deadline: DeadlineView | None


class IncidentDetails(IncidentSummary):
    """The current state of one incident."""

    began_at: datetime | None = Field(description="When the problem began, if its source knew.")
    acknowledged_at: datetime | None
    checking: str = Field(
        default="",
        description="The check that is running now: what it checks, and how long it may take.",
    )
    open_asks: list[QuestionView]
    in_place: list[InPlaceView]
    acts: list[ActView] = Field(default=[], description="Every act, oldest first.")
    next_deadlines: list[DeadlineView]
    roles: dict[str, str] = Field(description="Role -> who has it.")
    notified: list[Notified] = Field(
        default=[], description="Who was notified by the plan, by which way, when, and how far it got."
    )


class Health(BaseModel):
    """The process is running."""

    status: str
    company: str
    simulated: bool = Field(description="Whether the responder works on a simulated production.")


class Readiness(BaseModel):
    """Whether the responder can do its work."""

    status: str = Field(description="`ready` or `not ready`.")
    problems: list[str] = Field(default=[], description="One sentence for each reason why it is not ready.")
    warnings: list[str] = Field(default=[], description="One sentence for each trouble that may pass by itself.")


Responses = dict[int | str, dict[str, Any]]
