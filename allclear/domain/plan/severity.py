"""The plan's own scale of severities, its time targets, and the rules that give an incident its severity."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, model_validator

from allclear.domain.base import Model, Slug, wrong_at
from allclear.domain.plan.assumptions import MayBeAssumed
from allclear.domain.plan.ticket_action import TicketAction
from allclear.domain.plan.working_time import Span

UNKNOWN = "unknown"
"""The value of a facet that is not known yet."""

YES_OR_NO = ("no", "yes")


class ClockStart(StrEnum):
    """What starts a clock. Each starts once in an incident, and a change of severity does not restart it."""

    ALERT = "alert"
    """The first alert, or the declaration if there was none."""
    AWARENESS = "awareness"
    """The first entry by a person: from then on the company is aware."""
    DECLARATION = "declaration"
    """The incident is opened."""
    RECOVERY = "recovery"
    """A check from outside found the service healthy, or the incident ended without one."""


class ClockStop(StrEnum):
    """What a target waits for. If it has not happened when the incident ends, the end counts."""

    ACKNOWLEDGED = "acknowledged"
    CONTAINED = "contained"
    RECOVERED = "recovered"
    ENDED = "ended"


class Target(MayBeAssumed):
    """A time by which something has to have happened."""

    name: Slug = Field(description="The plan's own name for it, as `respond`.")
    within: Span = Field(description="By when.")
    from_: ClockStart = Field(default=ClockStart.ALERT, alias="from", description="What starts its clock.")
    until: ClockStop = Field(default=ClockStop.ACKNOWLEDGED, description="What it waits for.")
    words: str = Field(default="", description="The plan's own words, as `Immediate (< 5 minutes)`.")


class Escalation(MayBeAssumed):
    """When the severity is raised automatically."""

    to: str = Field(description="The graver severity.")
    after: Span = Field(description="How long after its clock's start.")
    from_: ClockStart = Field(default=ClockStart.ALERT, alias="from", description="What starts its clock.")
    unless: ClockStop = Field(
        default=ClockStop.CONTAINED, description="What prevents it; `recovered` is stricter than `contained`."
    )


class Severity(Model):
    """One level of the plan's own scale."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$", description="As the plan writes it: P0, SEV1, high.")
    title: str = Field(description="What it is called, as Critical.")
    definition: str = Field(description="When an incident has this severity.")
    examples: list[str] = Field(default=[], description="Examples of such incidents.")
    targets: list[Target] = Field(default=[], description="Time targets, each with the clock that it starts from.")
    contain: bool = Field(default=True, description="Whether containment measures are taken at all.")
    ticket_only: bool = Field(
        default=False,
        description="Whether only a ticket is made: of a runbook, only the steps that name this severity are run.",
    )
    ticket: TicketAction | None = Field(
        default=None,
        description="With `ticket_only`: opens the ticket in place of an incident, which then no alert and no person "
        "opens at this severity.",
    )
    private_for: list[Slug] = Field(
        default=[], description="The roles that may read such an incident, as for a kind; everyone if left out."
    )
    escalates: Escalation | None = Field(default=None, description="When it is raised automatically.")
    escalation: list[str] = Field(default=[], description="The plan's own words on who is notified, in order.")

    @model_validator(mode="after")
    def _targets_once(self) -> Severity:
        names = [target.name for target in self.targets]
        for index, name in enumerate(names):
            if name in names[:index]:
                place = ("targets", index, "name")
                raise wrong_at(place, f"the target `{name}` is listed twice", "Give one of them another name.")
        if self.ticket_only and self.contain and "contain" in self.model_fields_set:
            sentence = "a severity with `ticket_only` cannot `contain`"
            raise wrong_at(("contain",), sentence, "Delete one of the two.")
        if self.ticket and not self.ticket_only:
            sentence = "`ticket` stands in place of an incident, so the severity must be `ticket_only`"
            raise wrong_at(("ticket",), sentence, "Write `ticket_only: true` beside it.")
        return self

    @property
    def contains(self) -> bool:
        """Return whether containment measures are taken."""
        return self.contain and not self.ticket_only

    def target(self, name: str) -> Target | None:
        """Return the target called `name`, or None."""
        return next((target for target in self.targets if target.name == name), None)


class Facet(MayBeAssumed):
    """A fact that a severity depends on, as the share of users affected; it can always be `unknown`."""

    title: str = Field(description="The question that it answers, as `Share of users affected`.")
    values: list[Slug] = Field(
        default=list(YES_OR_NO), min_length=2, description="Its possible values, without `unknown`."
    )

    @model_validator(mode="after")
    def _values_once(self) -> Facet:
        for index, value in enumerate(self.values):
            if value in self.values[:index] or value == UNKNOWN:
                sentence = "list each value once, and do not list `unknown`, which is always possible"
                raise wrong_at(("values", index), sentence, "Delete this value.")
        return self


Facets = Mapping[str, str]
"""Facet -> value, as far as it is known."""

Wanted = dict[Slug, Slug | list[Slug]]
"""Facet -> the value, or one of the values, that it must have."""


class SeverityRule(MayBeAssumed):
    """A severity, and the facets that give it. An empty `when` always matches."""

    severity: str = Field(description="The severity that the rule gives.")
    when: Wanted = Field(default={}, description="Facet -> the value, or one of the values, that it must have.")


class Assessment(Model):
    """The severity that the plan's rules give, and the unknown facets that could change it."""

    severity: str
    because: str
    unknown: list[str] = Field(default=[], description="Facets that are not known yet and could change it.")


def holds(wanted: Mapping[str, str | list[str]], facets: Facets) -> bool | None:
    """Return whether `facets` are as `wanted`; None if that depends on a facet that is not known yet."""
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
    """Return the facets in `wanted` that are not known yet."""
    return [name for name in wanted if facets.get(name, UNKNOWN) == UNKNOWN]


def assess(rules: list[SeverityRule], facets: Facets) -> Assessment | None:
    """Return the severity that the first matching rule gives, or None if no rule matches.

    A facet that is not known yet counts as a match, so that the graver severity is given; `unknown` lists it.
    """
    for rule in rules:
        if holds(rule.when, facets) is False:
            continue
        unknown = not_known(rule.when, facets)
        known = [f"{name} is {facets[name]}" for name in rule.when if name not in unknown]
        because = " and ".join(known + [f"{name} is not known yet" for name in unknown]) or "no graver rule matches"
        return Assessment(severity=rule.severity, because=because, unknown=unknown)
    return None
