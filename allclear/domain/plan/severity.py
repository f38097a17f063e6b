"""How grave an incident is: the plan's own scale, its time targets, and what a severity follows from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, model_validator

from allclear.domain.base import Model, Slug
from allclear.domain.plan.assumptions import MayBeAssumed
from allclear.domain.plan.working_time import Span

UNKNOWN = "unknown"
"""What a facet is as long as nobody knows."""

YES_OR_NO = ("no", "yes")


class ClockStart(StrEnum):
    """What starts a clock. Each starts once in an incident, whatever its severity becomes."""

    ALERT = "alert"
    """The first alert, or the declaration where there was none."""
    AWARENESS = "awareness"
    """The first word of a person: from then on the company knows."""
    DECLARATION = "declaration"
    """The incident is opened."""
    RECOVERY = "recovery"
    """A look from outside showed health, or the incident was ended without one."""


class ClockStop(StrEnum):
    """What a target waits for. The incident's end comes in place of what has not happened by then."""

    ACKNOWLEDGED = "acknowledged"
    CONTAINED = "contained"
    RECOVERED = "recovered"
    ENDED = "ended"


class Target(MayBeAssumed):
    """By when something has to have happened."""

    name: Slug = Field(description="The plan's own name for it, as `respond`.")
    within: Span = Field(description="By when.")
    from_: ClockStart = Field(default=ClockStart.ALERT, alias="from", description="What starts its clock.")
    until: ClockStop = Field(default=ClockStop.ACKNOWLEDGED, description="What it waits for.")
    words: str = Field(default="", description="The plan's own words, as `Immediate (< 5 minutes)`.")


class Escalation(MayBeAssumed):
    """When an incident becomes graver by itself."""

    to: str = Field(description="The graver severity.")
    after: Span = Field(description="How long after its clock's start.")
    from_: ClockStart = Field(default=ClockStart.ALERT, alias="from", description="What starts its clock.")
    unless: ClockStop = Field(
        default=ClockStop.CONTAINED, description="What is contained and stable wakes nobody; `recovered` is stricter."
    )


class Severity(Model):
    """One level of the plan's own scale."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$", description="As the plan writes it: P0, SEV1, high.")
    title: str = Field(description="What it is called, as Critical.")
    definition: str = Field(description="When an incident is this grave.")
    examples: list[str] = Field(default=[], description="What it was, or could be.")
    targets: list[Target] = Field(default=[], description="Time targets, each with the clock that it starts from.")
    contain: bool = Field(default=True, description="Whether containment measures are taken at all.")
    ticket_only: bool = Field(
        default=False, description="Only a ticket is made: a runbook does the steps that name this severity, no others."
    )
    escalates: Escalation | None = Field(default=None, description="When it becomes graver by itself.")
    escalation: list[str] = Field(default=[], description="The plan's lines on who is told, in order.")

    @model_validator(mode="after")
    def _targets_once(self) -> Severity:
        names = [target.name for target in self.targets]
        if len(set(names)) != len(names):
            msg = "a target stands twice"
            raise ValueError(msg)
        if self.ticket_only and self.contain and "contain" in self.model_fields_set:
            msg = "a severity with `ticket_only` cannot `contain`"
            raise ValueError(msg)
        return self

    @property
    def contains(self) -> bool:
        """Return whether containment measures are taken."""
        return self.contain and not self.ticket_only

    def target(self, name: str) -> Target | None:
        """Return the target called `name`, or None."""
        return next((target for target in self.targets if target.name == name), None)


class Facet(MayBeAssumed):
    """One thing that a severity follows from, as the share of users; `unknown` is always an answer."""

    title: str = Field(description="The question that it answers, as `Share of users affected`.")
    values: list[Slug] = Field(
        default=list(YES_OR_NO), min_length=2, description="What it can be; `unknown` need not be listed."
    )

    @model_validator(mode="after")
    def _values_once(self) -> Facet:
        if len(set(self.values)) != len(self.values) or UNKNOWN in self.values:
            msg = "each value stands once, and `unknown` is always there without being listed"
            raise ValueError(msg)
        return self


Facets = Mapping[str, str]
"""Facet -> value, as far as it is known."""

Wanted = dict[Slug, Slug | list[Slug]]
"""Facet -> the value, or one of the values, that it must have."""


class SeverityRule(MayBeAssumed):
    """A severity, and the facets that give it. An empty `when` always fits."""

    severity: str = Field(description="What it is then.")
    when: Wanted = Field(default={}, description="Facet -> the value, or one of the values, that it must have.")


class Assessment(Model):
    """The severity that the plan's rules give, and what could still make it another."""

    severity: str
    because: str
    unknown: list[str] = Field(default=[], description="Facets that nobody knows yet and that would matter.")


def holds(wanted: Mapping[str, str | list[str]], facets: Facets) -> bool | None:
    """Return whether `facets` are as `wanted`; None where that hangs on what nobody knows yet."""
    answer: bool | None = True
    for name, values in wanted.items():
        value = facets.get(name, UNKNOWN)
        if value in ([values] if isinstance(values, str) else values):
            continue
        if value != UNKNOWN:
            return False
        answer = None
    return answer


def not_known(wanted: Mapping[str, str | list[str]], facets: Facets) -> list[str]:
    """Return the facets in `wanted` that nobody knows yet."""
    return [name for name in wanted if facets.get(name, UNKNOWN) == UNKNOWN]


def assess(rules: list[SeverityRule], facets: Facets) -> Assessment | None:
    """Return the severity of the first rule that fits, rules being in order; None where none does.

    What is not known yet is taken for the graver: a rule that could still fit fits, and says on what that hangs.
    """
    for rule in rules:
        fits = holds(rule.when, facets)
        if fits is False:
            continue
        unknown = not_known(rule.when, facets)
        known = [f"{name} is {facets[name]}" for name in rule.when if name not in unknown]
        because = " and ".join(known + [f"{name} is not known yet" for name in unknown]) or "nothing graver fits"
        return Assessment(severity=rule.severity, because=because, unknown=unknown)
    return None
