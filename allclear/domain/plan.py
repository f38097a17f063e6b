"""A company's incident response plan as data: its own severities, roles, people and words."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, model_validator

from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import Model, Slug
from allclear.domain.durations import Duration
from allclear.domain.runbook import Phase

_HOLLOW = re.compile(r"^\s*\[.*\]\s*$")


def hollow(text: str) -> bool:
    """Says whether `text` is a blank that nobody filled in, as `[Phone Number]`."""
    return not text.strip() or bool(_HOLLOW.match(text))


class Severity(Model):
    """One level of the plan's own scale."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$")
    title: str
    definition: str
    examples: list[str] = []
    respond_within: Duration | None = Field(default=None, description="From the alert to the first response.")
    respond_within_words: str = Field(default="", description="The plan's own words, as `Next business day`.")
    contain: bool = Field(default=True, description="Whether containment measures are taken at all.")
    escalation: list[str] = Field(default=[], description="The plan's lines on who is told, in order.")


class Role(Model):
    """A hat that somebody wears in an incident."""

    title: str
    about: str = ""


class Person(Model):
    """Somebody of the company; a name in square brackets is a blank."""

    name: str
    roles: list[Slug] = Field(min_length=1)
    contacts: dict[Slug, str] = Field(default={}, description="slack, phone, email, pagerduty ... -> the address.")

    @property
    def known(self) -> bool:
        """Says whether a real name stands here."""
        return not hollow(self.name)


class PhaseLabel(Model):
    """What the plan calls a phase, and when it expects it."""

    label: str
    expected: str = Field(default="", description="The plan's own words, as `0-5 min`.")


class Route(Model):
    """Which alerts mean what."""

    name: str
    match: dict[str, str] = Field(description="Label -> value. All must be equal; `*` matches any value.")
    service: Slug
    severity: str
    runbook: Slug
    impact: str = Field(default="", description="What users notice, as `Payment processing down`.")


class PostMortemRules(Model):
    """When a post-mortem is due and what it looks like."""

    template: str
    due: Duration = Field(description="From the all clear.")
    severities: list[str] | None = None


class Support(Model):
    """Somebody outside the company who can help."""

    name: str
    contact: str


class Assumption(Model):
    """A default that the plan itself does not state."""

    field: str
    because: str


class Plan(Model):
    """A company's `plan.yaml`."""

    company: str
    short: str = Field(pattern=r"^[A-Z][A-Z0-9]{1,7}$", description="Stands before the number of an incident: VS-12.")
    source: str = Field(default="", description="The document this was taken from.")
    severities: list[Severity] = Field(min_length=1, description="The worst first.")
    roles: dict[Slug, Role]
    people: list[Person] = []
    phases: dict[Phase, PhaseLabel]
    routes: list[Route] = []
    thresholds: list[str] = Field(default=[], description="The plan's lines on what counts as critical.")
    approvals: dict[str, ApprovalPolicy] = Field(default={}, description="Action -> who must say yes.")
    templates: dict[Slug, str] = Field(default={}, description="Name -> file, relative to the company's folder.")
    post_mortem: PostMortemRules
    status_page_url: str = ""
    resources: dict[str, str] = Field(default={}, description="What people open: title -> address.")
    support: list[Support] = []
    channels: dict[str, str] = Field(default={}, description="The plan's own list of alert channels.")
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
        return self

    def severity(self, name: str) -> Severity | None:
        """Returns the severity called `name`, or None."""
        return next((one for one in self.severities if one.name == name), None)

    def rank(self, name: str) -> int:
        """Returns 0 for the worst severity, 1 for the next ...; unknown names rank last."""
        names = [severity.name for severity in self.severities]
        return names.index(name) if name in names else len(names)

    def holders(self, role: str) -> list[Person]:
        """Returns the people known to hold `role`; blanks do not count."""
        return [person for person in self.people if role in person.roles and person.known]

    def role_title(self, role: str) -> str:
        """Returns how the plan writes `role`."""
        return self.roles[role].title if role in self.roles else role.replace("_", " ")

    def route(self, labels: dict[str, Any]) -> Route | None:
        """Returns the first route that fits `labels`, or None."""
        for route in self.routes:
            if all(key in labels and value in ("*", str(labels[key])) for key, value in route.match.items()):
                return route
        return None
