"""A company's incident response plan as data: its own severities, roles, people, times and words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, TypeVar

from pydantic import Field, PrivateAttr, model_validator

from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import Model, Slug, person_key, wrong_at
from allclear.domain.errors import ConfigError
from allclear.domain.plan.alert_storm import Storm
from allclear.domain.plan.alert_threshold import Threshold
from allclear.domain.plan.notifications import (
    DEFAULT_ESCALATION_POLICY,
    Applies,
    Duty,
    EscalationPolicy,
    Evidence,
    FollowUpTickets,
    IncidentTickets,
    MessageAction,
    Notification,
    PostMortemRules,
    ReminderRules,
    UpdateSchedule,
)
from allclear.domain.plan.people import MailingList, Person, Role, Rota, contact_key
from allclear.domain.plan.severity import Facet, Facets, Severity, SeverityRule, assess, holds
from allclear.domain.plan.words import WORDS, suggested_word
from allclear.domain.plan.working_time import Span, WorkingTime
from allclear.domain.recovery import RecoveryRule
from allclear.domain.runbook import Phase

A = TypeVar("A", bound=Applies)

_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_ONE_OF = {"severities": "severity", "duties": "duty", "evidence": "evidence"}
"""Field -> what one of its items is called."""

OUTAGE = "outage"
"""The only kind of incident of a plan that names none."""


class PhaseLabel(Model):
    """The plan's name for a phase, and when the plan expects it."""

    label: str = Field(description="The plan's own name for it.")
    expected: str = Field(default="", description="The plan's own words, as `0-5 min`.")


class Kind(Model):
    """A kind of incident; it is independent of the severity."""

    title: str = Field(description="What the plan calls it.")
    about: str = Field(default="", description="When an incident is of this kind.")
    verified_by: Literal["probe", "people"] = Field(
        default="probe",
        description="`people`: a healthy service proves nothing, as after a leak. Probes then only inform: they delay "
        "no page and suggest no false alarm, and people confirm containment.",
    )
    private_for: list[Slug] = Field(
        default=[],
        description="The roles that may read such an incident; everyone if left out. Messages, pages and Prefect then "
        "have its id and a link, and nothing of what it is about.",
    )


class Route(Model):
    """Alerts by their labels, and the incident that they open."""

    name: str = Field(description="A name for it, which the record shows.")
    match: dict[str, str] = Field(description="Label -> value. All must be equal; `*` matches any value.")
    service: Slug = Field(description="The service in systems.yaml that is in trouble.")
    severity: str | None = Field(
        default=None, description="The severity; if left out, the one that `assess` gives for the facets."
    )
    runbook: Slug = Field(description="The runbook to follow: a file under runbooks/, without .yaml.")
    kind: Slug | None = Field(default=None, description="The kind of incident; the runbook's if left out.")
    impact: str = Field(default="", description="What users notice, as `Payment processing down`.")
    feature: str = Field(default="", description="What is affected, as users know it; the service's title if left out.")
    facets: dict[Slug, Slug] = Field(default={}, description="Facets that such an alert makes known: facet -> value.")
    threshold: Slug | None = Field(
        default=None, description="The threshold that such an alert must exceed, if its source sends the figures."
    )


class Support(Model):
    """A person or a company outside that can help."""

    name: str = Field(description="Who they are.")
    contact: str = Field(description="How to reach them.")


class Assumption(Model):
    """A default that the plan itself does not state."""

    field: str = Field(description="What was assumed.")
    because: str = Field(description="Why.")


class Plan(Model):
    """A company's `plan.yaml`."""

    company: str = Field(description="The company's name, as people write it.")
    short: str = Field(pattern=r"^[A-Z][A-Z0-9]{1,7}$", description="The prefix of incident ids, as VS in VS-12.")
    source: str = Field(default="", description="The document that this file was taken from.")
    working_time: WorkingTime = Field(
        default=WorkingTime(assumed=True, because="the plan names no time zone and no working hours"),
        description="When the company works: zone, days, hours and holidays.",
    )
    customers: list[str] = Field(
        default=[], description="The e-mail addresses, as those of lists, at which customers are written to."
    )
    severities: list[Severity] = Field(min_length=1, description="The severities, the worst first.")
    facets: dict[Slug, Facet] = Field(default={}, description="Facts about an incident that its severity depends on.")
    assess: list[SeverityRule] = Field(default=[], description="The first rule that matches gives the severity.")
    may_lower: list[Slug] | None = Field(default=None, description="Roles that may lower a severity; all if left out.")
    kinds: dict[Slug, Kind] = Field(
        default={OUTAGE: Kind(title="Outage")},
        min_length=1,
        description="The kinds of incident; `outage` alone when left out.",
    )
    roles: dict[Slug, Role] = Field(description="The roles in an incident: short name -> title.")
    people: list[Person] = Field(default=[], description="Who has which roles, and how to reach them.")
    mailing_lists: dict[Slug, MailingList] = Field(
        default={},
        description="Addresses that reach a group and no person: short name -> title and address. `notifications` and "
        "`post_mortem.invite` name them like roles.",
    )
    rotas: list[Rota] = Field(default=[], description="Who has a role at which time.")
    phases: dict[Phase, PhaseLabel] = Field(
        description="The plan's names for the five phases, and when it expects them."
    )
    routes: list[Route] = Field(
        default=[], description="Which incident an alert opens; the first route that matches counts."
    )
    thresholds: list[Threshold] = Field(default=[], description="What the plan counts as an alert.")
    recovery: RecoveryRule = Field(
        default=RecoveryRule(), description="How many good probes over which time prove that a service has recovered."
    )
    storm: Storm = Field(
        default=Storm(), description="How alerts are grouped, held and counted when many of them arrive."
    )
    approvals: dict[str, ApprovalPolicy] = Field(default={}, description="Action -> who must approve it.")
    escalation_policies: list[EscalationPolicy] = Field(
        default=[DEFAULT_ESCALATION_POLICY],
        min_length=1,
        description="Who is notified of unanswered questions; the first policy that applies counts.",
    )
    ways: dict[Slug, MessageAction] = Field(
        default={},
        description="How a message reaches a person, as `email` or `sms`: name -> the action that sends it.",
    )
    notifications: list[Notification] = Field(
        default=[], description="Who is notified of an incident; each person once, by the first of the ways that works."
    )
    updates: list[UpdateSchedule] = Field(default=[], description="How often each audience gets a status update.")
    reminders: ReminderRules = Field(default=ReminderRules(), description="How people are reminded of what is due.")
    incident_tickets: IncidentTickets | None = Field(
        default=None, description="The ticket that each incident gets; none if left out."
    )
    follow_up_tickets: FollowUpTickets | None = Field(
        default=None, description="The ticket that each follow-up gets; none if left out."
    )
    duties: list[Duty] = Field(default=[], description="What must be done by a deadline.")
    evidence: list[Evidence] = Field(default=[], description="What has to be kept before containment.")
    templates: dict[Slug, str] = Field(default={}, description="Name -> file, relative to the company's folder.")
    language: str = Field(
        default="en",
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$",
        description="The language of the templates, as `de`; `check` lists the English that would fill them.",
    )
    words: dict[Slug, str] = Field(
        default={}, description="The words that fill templates, in the plan's language, as `contained: EINGEDÄMMT`."
    )
    post_mortem: PostMortemRules = Field(description="The template of the post-mortem, and when it is due.")
    status_page_url: str = Field(default="", description="The address of the public status page.")
    resources: dict[str, str] = Field(default={}, description="Pages that responders need: title -> address.")
    support: list[Support] = Field(default=[], description="Who outside the company can help.")
    channels: dict[str, str] = Field(default={}, description="The plan's own list of alert channels.")
    first_drill: Slug | None = Field(
        default=None, description="The drill that `allclear drill` plays; the first by name when left out."
    )
    drills: list[str] = Field(default=[], description="The plan's own words on drills.")
    assumed: list[Assumption] = Field(default=[], description="Defaults that the plan does not state.")
    _by_name: tuple[list[Person], dict[str, Person]] = PrivateAttr(default=([], {}))
    """The list of people, and for each `person_key` the first person who has it."""

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        missing = [phase.value for phase in Phase if phase not in self.phases]
        if missing:
            raise wrong_at(
                ("phases",), f"it has no {', '.join(missing)}", "Add the plan's label, as `{label: Detect}`."
            )
        for word, text in self.words.items():
            if word not in WORDS:
                raise wrong_at(("words", word), f"no template is filled with a word `{word}`", suggested_word(word))
            if not text.strip():
                raise wrong_at(("words", word), f"the word `{word}` is empty", f"Write it, as {WORDS[word]}.")
        listed = {"severities": self.severities, "duties": self.duties, "evidence": self.evidence}
        for field, named in listed.items():
            names = [one.name for one in named]
            for index, name in enumerate(names):
                if name in names[:index]:
                    sentence = f"the {_ONE_OF[field]} `{name}` is listed twice"
                    raise wrong_at((field, index, "name"), sentence, "Give one of them another name.")
        for name in self.mailing_lists:
            if name in self.roles:
                next_step = "Give the list another name: a role is held by people, and a list is none."
                raise wrong_at(("mailing_lists", name), f"`{name}` is a role as well", next_step)
        self._check_spans()
        return self

    def _check_spans(self) -> None:
        """Raise an error for a span that never ends in the company's working time.

        Otherwise the error would show only during an incident.
        """
        for place, span in self._spans():
            try:
                self.working_time.after(_ANY_DAY, span)
            except ConfigError as error:
                sentence = f"`{span}` never ends in the hours of `working_time`"
                raise wrong_at(place, sentence, "Write it as a time by the clock, or widen `hours`.") from error

    def _spans(self) -> Iterator[tuple[tuple[str | int, ...], Span]]:
        """Yield each span of the plan, with its place."""
        for number, severity in enumerate(self.severities):
            for index, target in enumerate(severity.targets):
                yield ("severities", number, "targets", index, "within"), target.within
            if severity.escalates:
                yield ("severities", number, "escalates", "after"), severity.escalates.after
        lists = {"notifications": self.notifications, "duties": self.duties}
        lines = [((field, index), line) for field, listed in lists.items() for index, line in enumerate(listed)]
        lines += [(("post_mortem", "due", index), due) for index, due in enumerate(self.post_mortem.due)]
        for place, line in lines:
            if line.within:
                yield (*place, "within"), line.within
        for index, due in enumerate(self.post_mortem.due):
            if due.not_before:
                yield ("post_mortem", "due", index, "not_before"), due.not_before

    @property
    def zone(self) -> tzinfo:
        """Return the time zone in which people read times: that of `working_time`, or UTC if the plan names none."""
        return self.working_time.zone_info

    @property
    def in_english(self) -> bool:
        """Return whether the plan's templates are in English."""
        return self.language.partition("-")[0] == "en"

    def word(self, name: str) -> str:
        """Return a word of `allclear.domain.plan.words` that fills templates: the plan's own, or else the English."""
        return self.words.get(name) or WORDS[name]

    def severity(self, name: str) -> Severity | None:
        """Return the severity called `name`, or None."""
        return next((severity for severity in self.severities if severity.name == name), None)

    def people_verify(self, kind: str) -> bool:
        """Return whether only people can tell if an incident of this kind is real, contained or over."""
        return kind in self.kinds and self.kinds[kind].verified_by == "people"

    def rank(self, name: str) -> int:
        """Return 0 for the worst severity, 1 for the next ...; unknown names rank last."""
        names = [severity.name for severity in self.severities]
        return names.index(name) if name in names else len(names)

    def holders(self, role: str) -> list[Person]:
        """Return the people who have `role`; blanks do not count."""
        return [person for person in self.people if role in person.roles and person.known]

    def present(self, role: str, at: datetime) -> list[Person]:
        """Return the people who have `role` and are not away at `at`.

        If all of them are away, return those of the first of its deputies who are there; if none is, all who have it.
        """
        deputies = self.roles[role].deputies if role in self.roles else []
        for one in (role, *deputies):
            if there := [person for person in self.holders(one) if not person.away_until(at, self.working_time)]:
                return there
        return self.holders(role)

    def person(self, name: str) -> Person | None:
        """Return the person of that name, in any spelling (`person_key`); None for a blank or a stranger."""
        people, found = self._by_name
        if people is not self.people:  # a copy of the plan may have other people
            known = [(person_key(person.name), person) for person in reversed(self.people) if person.known]
            _, found = self._by_name = self.people, dict(known)
        return found.get(person_key(name))

    def people_at(self, kind: str, address: str) -> list[Person]:
        """Return the people with this address among the contacts of a kind, as `pagerduty`, `slack` or `email`."""
        wanted = contact_key(kind, address)
        known = [person for person in self.people if person.known and kind in person.contacts]
        return [one for one in known if wanted and contact_key(kind, one.contacts[kind].address) == wanted]

    def person_at(self, kind: str, address: str) -> Person | None:
        """Return the one person with this address among the contacts of a kind, as `pagerduty`; None if no one has it.

        Also None if several people share the address, because then it does not say who it is.
        """
        found = self.people_at(kind, address)
        return found[0] if len(found) == 1 else None

    def role_named(self, text: str) -> str | None:
        """Return the role that `text` names: its id in any spelling (on-call, On Call) or its title; None for none."""
        wanted = _role_key(text)
        return next(
            (role for role in self.roles if wanted in {_role_key(role), _role_key(self.roles[role].title)}), None
        )

    def role_title(self, role: str) -> str:
        """Return the plan's title of `role`, or of a mailing list."""
        named = self.roles.get(role) or self.mailing_lists.get(role)
        return named.title if named else role.replace("_", " ")

    def mailing_list_at(self, address: str) -> MailingList | None:
        """Return the mailing list with this address, in any spelling of its case; None if there is none."""
        wanted = contact_key("email", address)
        lists = self.mailing_lists.values()
        return next((one for one in lists if wanted and contact_key("email", one.address) == wanted), None)

    def audience(self, words: str) -> str | None:
        """Return the audience that `words` mean: a role by name or title, or one of `updates` and `notifications`."""
        listed = [line.audience for line in (*self.updates, *self.notifications)]
        known = {name.casefold(): name for name in (*listed, *self.roles)}
        known |= {name.casefold(): name for name in self.mailing_lists}
        titled = [*self.roles.items(), *self.mailing_lists.items()]
        known |= {one.title.casefold(): name for name, one in titled}
        return known.get(" ".join(words.split()).casefold())

    def with_deputies(self, roles: Sequence[str]) -> list[str]:
        """Return `roles` followed by their deputies, each once."""
        deputies = [deputy for role in roles if role in self.roles for deputy in self.roles[role].deputies]
        return list(dict.fromkeys([*roles, *deputies]))

    def may_act_for(self, role: str, wanted: Sequence[str]) -> bool:
        """Return whether a person with `role` may act for one of the `wanted` roles: with that role, or as deputy."""
        return any(role == other or (other in self.roles and role in self.roles[other].deputies) for other in wanted)

    def route(self, labels: dict[str, Any]) -> Route | None:
        """Return the first route that matches `labels`, or None."""
        for route in self.routes:
            if all(key in labels and value in ("*", str(labels[key])) for key, value in route.match.items()):
                return route
        return None

    def below_threshold(self, route: Route, labels: dict[str, str]) -> str | None:
        """Return why an alert by `route` does not exceed its threshold; None if it does, or if there is none."""
        threshold = next((threshold for threshold in self.thresholds if threshold.name == route.threshold), None)
        return threshold.objection(labels) if threshold else None

    def severity_of(self, route: Route) -> str:
        """Return the severity of an incident by `route`: the route's own, or that of its facets, or else the worst."""
        assessment = None if route.severity else assess(self.assess, route.facets)
        return route.severity or (assessment.severity if assessment else self.severities[0].name)

    def applying(self, lines: Sequence[A], severity: str, kind: str, facets: Facets) -> list[A]:
        """Return those of `lines` that apply to such an incident; an unknown facet counts as a match."""
        return [
            line
            for line in lines
            if (line.severities is None or severity in line.severities)
            and (line.kinds is None or kind in line.kinds)
            and holds(line.when, facets) is not False
        ]


def _role_key(text: str) -> str:
    """Return the form in which an id and a title of a role are compared: letters and digits alone, in lower case."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())
