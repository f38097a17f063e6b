"""Records about the incident itself: its beginning, severity, phases, checks, states, end and flow runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from allclear.domain.action import Finding
from allclear.domain.base import Model, Moment


class IncidentOpened(Model):
    """An incident opened, because of an alert or because a person declared it."""

    kind: Literal["incident.opened"] = "incident.opened"
    company: str
    title: str
    severity: str
    service: str
    runbook: str
    incident_kind: str = "outage"
    impact: str = Field(default="", description="What users notice, from the alert's route in the plan.")
    feature: str = Field(default="", description="What is affected, in the users' words; the service's title if empty.")
    reported: str = Field(description="How it became known, as `alert from alertmanager` or `declared by Ana`.")
    began_at: Moment | None = Field(default=None, description="When the trouble began, as far as its source knows.")
    known_at: Moment | None = Field(
        default=None, description="When the company became aware of it, if the person who declares it says so."
    )
    facets: dict[str, str] = Field(default={}, description="The facets of the plan that are known.")
    simulated: bool = False
    simulation: str = Field(
        default="", description="The id of the simulated production; empty for the real one, or if it was not known."
    )
    manual: bool = Field(
        default=False, description="Opened for one action that a person started: no response was asked for."
    )
    umbrella: bool = Field(default=False, description="Opened for an alert storm: new alerts join it.")
    ticket: bool = Field(
        default=False, description="No incident: only a ticket is opened, because the severity asks for nothing else."
    )


class SeverityChanged(Model):
    """The severity changed."""

    kind: Literal["severity.changed"] = "severity.changed"
    was: str
    now: str
    reason: str


class Assessed(Model):
    """A person or a route set facets or the kind of the incident."""

    kind: Literal["assessed"] = "assessed"
    facets: dict[str, str] = {}
    incident_kind: str | None = None
    reason: str = ""
    known_at: Moment | None = Field(
        default=None, description="When the company became aware of it; the last one counts."
    )


class PhaseEntered(Model):
    """A phase started."""

    kind: Literal["phase.entered"] = "phase.entered"
    phase: str


class PhaseLeft(Model):
    """A phase finished."""

    kind: Literal["phase.left"] = "phase.left"
    phase: str
    sentence: str = ""


class StepDone(Model):
    """A step has a result: of a check, of a person's answer, or of an act."""

    kind: Literal["step.done"] = "step.done"
    phase: str
    step: str
    title: str
    finding: Finding
    health_check: bool = Field(default=False, description="Whether it was the runbook's health check.")
    proves: Literal["containment", "recovery"] | None = Field(
        default=None, description="The state that this probe decides about, beside those of every health check."
    )
    after_entry: int = Field(
        default=0, description="The number of the last entry when the probe began; 0 if that is unknown."
    )


class Contained(Model):
    """The harm has stopped, proven by a check from outside, or confirmed by people if no check can tell.

    Users are served again, or the service is closed to them on purpose (`ActProposed.closes_service`).
    A later bad check ends it. Then another record of this kind says that the incident is contained again.
    """

    kind: Literal["contained"] = "contained"
    by: str = Field(description="The measure's title, or what else shows it, as `Ana confirmed it`.")
    act: str = Field(default="", description="The id of the measure's act; empty if no act contained it.")
    finding: Finding


class Recovered(Model):
    """The service is back to normal, proven by several checks from outside. A later bad check ends it."""

    kind: Literal["recovered"] = "recovered"
    finding: Finding = Field(description="The last check.")
    checks: int = Field(default=1, description="How many checks in a row were good.")
    since: Moment | None = Field(default=None, description="When the first of them was made; None for a single one.")


class IncidentEnded(Model):
    """The incident ended: resolved, as a false alarm, or abandoned because its simulated production is gone."""

    kind: Literal["incident.ended"] = "incident.ended"
    ending: Literal["resolved", "false-alarm", "abandoned"]
    reason: str


class RunStarted(Model):
    """A Prefect flow run of a phase started, or resumed after it was suspended."""

    kind: Literal["run.started"] = "run.started"
    phase: str
    run: str
    holder: str = ""
    """The process that it runs in, by its id among the holders of claims; empty if unknown."""


class RunReplaced(Model):
    """A flow run ended in Prefect although it was still needed, and another one was started for it."""

    kind: Literal["run.replaced"] = "run.replaced"
    run: str
    name: str = Field(description="Its name in Prefect, as `VS-12 contain`.")
    state: Literal["cancelled", "deleted", "crashed", "failed"] = Field(description="What became of it in Prefect.")
    ask: str | None = Field(default=None, description="The question that it showed; None for the run of a phase.")
