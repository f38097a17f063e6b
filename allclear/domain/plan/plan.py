"""A company's incident response plan as data: its own severities, roles, people, times and words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import Field, model_validator

from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import Model, Slug
from allclear.domain.errors import ConfigError
from allclear.domain.plan.alert_storm import Storm
from allclear.domain.plan.alert_threshold import Threshold
from allclear.domain.plan.notifications import (
    DEFAULT_ESCALATION_POLICY,
    Applies,
    Duty,
    EscalationPolicy,
    Evidence,
    Notification,
    PostMortemRules,
    ReminderRules,
    UpdateSchedule,
)
from allclear.domain.plan.people import Person, Role, Rota
from allclear.domain.plan.severity import Facet, Facets, Severity, SeverityRule, assess, holds
from allclear.domain.plan.working_time import WorkingTime
from allclear.domain.runbook import Phase

A = TypeVar("A", bound=Applies)

_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)

OUTAGE = "outage"
"""The kind of incident that a plan has when it names none."""


class PhaseLabel(Model):
    """What the plan calls a phase, and when it expects it."""

    label: str = Field(description="The plan's own name for it.")
    expected: str = Field(default="", description="The plan's own words, as `0-5 min`.")


class Kind(Model):
    """A kind of incident: an axis of its own, beside the severity."""

    title: str = Field(description="What the plan calls it.")
    about: str = Field(default="", description="When it is one of these.")


class Route(Model):
    """Which alerts mean what."""

    name: str = Field(description="A name for it, in the record.")
    match: dict[str, str] = Field(description="Label -> value. All must be equal; `*` matches any value.")
    service: Slug = Field(description="The service in systems.yaml that is in trouble.")
    severity: str | None = Field(default=None, description="Left out: what the plan's `assess` gives for the facets.")
    runbook: Slug = Field(description="The file under runbooks/ that is followed.")
    kind: Slug | None = Field(default=None, description="Of which kind such an incident is; the runbook's if left out.")
    impact: str = Field(default="", description="What users notice, as `Payment processing down`.")
    feature: str = Field(default="", description="What is affected, as users know it; the service's title if left out.")
    facets: dict[Slug, Slug] = Field(default={}, description="What such an alert tells already: facet -> value.")
    threshold: Slug | None = Field(
        default=None, description="The threshold that such an alert must reach, as far as its source tells."
    )


class Support(Model):
    """Somebody outside the company who can help."""

    name: str = Field(description="Who they are.")
    contact: str = Field(description="How to reach them.")


class Assumption(Model):
    """A default that the plan itself does not state."""

    field: str = Field(description="What was assumed.")
    because: str = Field(description="Why.")


class Plan(Model):
    """A company's `plan.yaml`."""

    company: str = Field(description="The company's name, as people write it.")
    short: str = Field(pattern=r"^[A-Z][A-Z0-9]{1,7}$", description="Stands before the number of an incident: VS-12.")
    source: str = Field(default="", description="The document this was taken from.")
    working_time: WorkingTime = Field(
        default=WorkingTime(assumed=True, because="the plan names no time zone and no working hours"),
        description="When the company works: zone, days, hours and holidays.",
    )
    severities: list[Severity] = Field(min_length=1, description="The worst first.")
    facets: dict[Slug, Facet] = Field(default={}, description="What a severity follows from.")
    assess: list[SeverityRule] = Field(default=[], description="The first that fits gives the severity.")
    may_lower: list[Slug] | None = Field(default=None, description="Roles that may lower a severity; all if left out.")
    kinds: dict[Slug, Kind] = Field(
        default={OUTAGE: Kind(title="Outage")},
        min_length=1,
        description="The kinds of incident; `outage` alone when left out.",
    )
    roles: dict[Slug, Role] = Field(description="The hats that people wear: short name -> title.")
    people: list[Person] = Field(default=[], description="Who has which roles, and how to reach them.")
    rotas: list[Rota] = Field(default=[], description="Who has a role when.")
    phases: dict[Phase, PhaseLabel] = Field(
        description="What the plan calls the five phases, and when it expects them."
    )
    routes: list[Route] = Field(default=[], description="Which alerts mean what; the first that fits counts.")
    thresholds: list[Threshold] = Field(default=[], description="What the plan counts as an alert.")
    storm: Storm = Field(default=Storm(), description="What is done when alerts come in masses.")
    approvals: dict[str, ApprovalPolicy] = Field(default={}, description="Action -> who must say yes.")
    escalation_policies: list[EscalationPolicy] = Field(
        default=[DEFAULT_ESCALATION_POLICY], min_length=1, description="The first that fits counts."
    )
    notifications: list[Notification] = Field(default=[], description="Who is told.")
    updates: list[UpdateSchedule] = Field(default=[], description="How often who hears how it stands.")
    reminders: ReminderRules = Field(default=ReminderRules(), description="How people hear that a time is over.")
    duties: list[Duty] = Field(default=[], description="What must be done by a deadline.")
    evidence: list[Evidence] = Field(default=[], description="What is kept before containment.")
    templates: dict[Slug, str] = Field(default={}, description="Name -> file, relative to the company's folder.")
    post_mortem: PostMortemRules = Field(description="What a post-mortem looks like, and when it is due.")
    status_page_url: str = Field(default="", description="Where the public reads how it stands.")
    resources: dict[str, str] = Field(default={}, description="What people open: title -> address.")
    support: list[Support] = Field(default=[], description="Who outside the company can help.")
    channels: dict[str, str] = Field(default={}, description="The plan's own list of alert channels.")
    first_drill: Slug | None = Field(
        default=None, description="The drill that `allclear drill` plays; the first by name when left out."
    )
    drills: list[str] = Field(default=[], description="The plan's lines on rehearsing.")
    assumed: list[Assumption] = Field(default=[], description="Defaults that the plan does not state.")

    @model_validator(mode="after")
    def _names_hold_together(self) -> Plan:
        names = [severity.name for severity in self.severities]
        if len(set(names)) != len(names):
            msg = "a severity stands twice"
            raise ValueError(msg)
        missing = [phase.value for phase in Phase if phase not in self.phases]
        if missing:
            msg = f"`phases` lacks {', '.join(missing)}"
            raise ValueError(msg)
        for what, listed in (("duty", self.duties), ("piece of evidence", self.evidence)):
            once = [one.name for one in listed]
            if len(set(once)) != len(once):
                msg = f"a {what} stands twice"
                raise ValueError(msg)
        self._times_come()
        return self

    def _times_come(self) -> None:
        """A time that never comes would be found out in the night, by whoever is sent a message about it."""
        spans = [target.within for severity in self.severities for target in severity.targets]
        spans += [severity.escalates.after for severity in self.severities if severity.escalates]
        spans += [line.within for line in (*self.notifications, *self.duties, *self.post_mortem.due) if line.within]
        spans += [due.not_before for due in self.post_mortem.due if due.not_before]
        for span in spans:
            try:
                self.working_time.after(_ANY_DAY, span)
            except ConfigError as error:
                msg = f"`{span}` never passes in the hours of `working_time`"
                raise ValueError(msg) from error

    def severity(self, name: str) -> Severity | None:
        """Return the severity called `name`, or None."""
        return next((one for one in self.severities if one.name == name), None)

    def rank(self, name: str) -> int:
        """Return 0 for the worst severity, 1 for the next ...; unknown names rank last."""
        names = [severity.name for severity in self.severities]
        return names.index(name) if name in names else len(names)

    def holders(self, role: str) -> list[Person]:
        """Return the people known to hold `role`; blanks do not count."""
        return [person for person in self.people if role in person.roles and person.known]

    def role_title(self, role: str) -> str:
        """Return how the plan writes `role`."""
        return self.roles[role].title if role in self.roles else role.replace("_", " ")

    def with_deputies(self, roles: Sequence[str]) -> list[str]:
        """Return `roles` and behind them their deputies, each once."""
        deputies = [deputy for role in roles if role in self.roles for deputy in self.roles[role].deputies]
        return list(dict.fromkeys([*roles, *deputies]))

    def stands_in(self, role: str, wanted: Sequence[str]) -> bool:
        """Return whether somebody in `role` may speak for one of `wanted`: it is one, or its deputy."""
        return any(role == one or (one in self.roles and role in self.roles[one].deputies) for one in wanted)

    def route(self, labels: dict[str, Any]) -> Route | None:
        """Return the first route that fits `labels`, or None."""
        for route in self.routes:
            if all(key in labels and value in ("*", str(labels[key])) for key, value in route.match.items()):
                return route
        return None

    def too_little(self, route: Route, labels: dict[str, str]) -> str | None:
        """Return why an alert by `route` does not reach its threshold; None where it does, or there is none."""
        found = next((one for one in self.thresholds if one.name == route.threshold), None)
        return found.objection(labels) if found else None

    def severity_of(self, route: Route) -> str:
        """Return the severity of what came by `route`: its own, or by its facets; the worst where nothing tells."""
        found = None if route.severity else assess(self.assess, route.facets)
        return route.severity or (found.severity if found else self.severities[0].name)

    def applying(self, lines: Sequence[A], severity: str, kind: str, facets: Facets) -> list[A]:
        """Return those of `lines` that hold for such an incident; what is not known yet counts as fitting."""
        return [
            line
            for line in lines
            if (line.severities is None or severity in line.severities)
            and (line.kinds is None or kind in line.kinds)
            and holds(line.when, facets) is not False
        ]
