"""What the doors answer, as /openapi.json describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from allclear.domain.action import ActStatus
from allclear.domain.approval import AskKind


class Problem(BaseModel):
    """Why a request was not done, in one or two sentences."""

    detail: str = Field(description="What is wrong, and what to do about it.")


class TakenIn(BaseModel):
    """An alert that is durable by now."""

    id: str = Field(description="What became of it is at GET /alerts/{id}.")


class HeardShown(BaseModel):
    """One alert of a request, and what became of it. Its texts are a stranger's, on one line each."""

    key: str = Field(description="What its source knows it by: the same for every firing and the end of one trouble.")
    status: str = Field(description="firing or resolved.")
    severity: str = Field(description="As the source said it; may be empty.")
    service: str = Field(description="By the route of the plan; else as the source said it.")
    title: str
    at: datetime | None = Field(description="The source's own time.")
    last_seen_at: datetime = Field(description="When it came in last.")
    decision: str = Field(
        description="opened, joined, repeat, late, held, collapsed, old, below, ignored or quarantined."
    )
    reason: str = Field(description="The rule that decided, as a sentence.")
    incident: str | None = Field(description="The incident that it belongs to, if any.")
    count: int = Field(description="How often it came to that.")


class AlertShown(BaseModel):
    """One request of a monitoring system, which may hold several alerts."""

    id: str = Field(description="For `GET /alerts/{id}` and `allclear alert retry`.")
    source: str
    received_at: datetime
    count: int = Field(description="How often the very same came in.")
    state: str = Field(description="What became of it: of the alerts in it, the weightiest.")
    reason: str = Field(description="By which rule, or what is wrong with it.")
    incident: str | None = Field(description="The incident that its weightiest alert belongs to, if any.")
    alerts: list[HeardShown] = Field(
        description="None until it is read, and none of what cannot be. A list has the last 20, `GET /alerts/{id}` all."
    )
    alerts_in_all: int = Field(description="How many there are; in a list they may be more than are shown.")


class AskShown(BaseModel):
    """Something that people are asked for."""

    id: str = Field(description="For `allclear approve` and `allclear deny`.")
    kind: AskKind
    title: str
    asked: str = Field(description="Who may answer.")
    since: datetime
    acts_at: datetime | None = Field(description="When something happens without an answer, where the plan says so.")


class LeftShown(BaseModel):
    """Something that containment left in place."""

    act: str = Field(description="For `allclear undo`.")
    what: str
    status: ActStatus
    since: datetime | None
    owner: str | None
    expires: datetime | None = Field(description="When somebody looks at it again.")


class DeadlineShown(BaseModel):
    """Something that is due and not met yet."""

    what: str = Field(description="target, duty, escalation or post-mortem.")
    title: str
    due: datetime
    missed: bool


class IncidentFacts(BaseModel):
    """What is told of an incident wherever it is shown."""

    id: str
    title: str
    severity: str = Field(description="On the plan's own scale, as P0.")
    status: str = Field(description="INVESTIGATING, IDENTIFIED (the cause), CONTAINED, RESOLVED or FALSE ALARM.")
    phase: str | None = Field(description="detect, contain, investigate, resolve or review; none before the first.")
    phase_title: str | None = Field(description="The plan's own name for the phase.")
    service: str
    lead: str | None = Field(description="Who leads the response, once somebody does.")
    simulated: bool = Field(description="Whether a simulated production stands behind it.")
    opened_at: datetime
    contained_at: datetime | None = Field(description="When a look from outside proved the containment.")
    recovered_at: datetime | None = Field(description="When a look from outside showed health again.")
    ended_at: datetime | None


class IncidentLine(IncidentFacts):
    """An incident in a list."""

    open_asks: int = Field(description="How many questions wait for people.")
    in_place: int = Field(description="How many acts left something that is still in place.")
    next_deadline: DeadlineShown | None


class IncidentPage(IncidentFacts):
    """An incident as it stands."""

    began_at: datetime | None = Field(description="When the trouble began, where its source knew.")
    acknowledged_at: datetime | None
    open_asks: list[AskShown]
    in_place: list[LeftShown]
    next_deadlines: list[DeadlineShown]
    roles: dict[str, str] = Field(description="Role -> who has it.")


class Health(BaseModel):
    """The process is up."""

    status: str
    company: str
    simulated: bool = Field(description="Whether a simulated production stands behind it.")


class Readiness(BaseModel):
    """Whether the responder can do its work."""

    status: str = Field(description="`ready` or `not ready`.")
    troubles: list[str] = Field(default=[], description="A sentence for each thing that is wrong.")


class Unfit(BaseModel):
    """What of the query does not fit."""

    detail: list[dict[str, Any]] = Field(description="For each: `loc` (which parameter) and `msg` (what is wrong).")


Responses = dict[int | str, dict[str, Any]]

NOT_FOUND: Responses = {404: {"model": Problem, "description": "There is none with that id."}}
NO_TOKEN: Responses = {401: {"model": Problem, "description": "ALLCLEAR_ALERT_TOKEN is missing, or is another."}}
UNFIT: Responses = {422: {"model": Unfit, "description": "A parameter of the query does not fit."}}
BUSY: Responses = {
    503: {
        "model": Problem,
        "description": "Not now: too much is under way, or the journal cannot be reached. Come again.",
        "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
    }
}
