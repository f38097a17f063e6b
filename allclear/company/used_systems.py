"""Which outside systems a company's plan uses, for what, and which of their secrets are not set here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from allclear.company.capabilities import ActionType, Capabilities, ProbeType
from allclear.domain.action import Action, Client
from allclear.domain.plan import MessageAction, Plan, TicketAction, is_blank
from allclear.domain.preflight import PlannedUse, Preflight
from allclear.domain.runbook import Phase, ProbeCall, Runbook
from allclear.domain.systems import System, Systems
from allclear.domain.text import enumerated


@dataclass
class UsedSystem:
    """A system that the plan uses."""

    name: str
    system: System | None
    """Its part of systems.yaml; None if it is missing there."""
    needed: bool = False
    """Whether an action or probe cannot do without its part of systems.yaml."""
    uses: list[PlannedUse] = field(default_factory=list[PlannedUse])
    preflights: list[type[Preflight]] = field(default_factory=list[type[Preflight]])

    @property
    def names(self) -> list[str]:
        """Return the actions and probes that need it, each once."""
        return list(dict.fromkeys(use.name for use in self.uses))


@dataclass(frozen=True)
class MissingCredential:
    """A secret that the plan needs and that is not in the environment, as a sentence and the next step."""

    system: str
    variable: str
    sentence: str
    source: str = ""
    """The alert source whose secret it is; empty for a system's."""

    @property
    def next_step(self) -> str:
        """Return what a person does about it."""
        return f"Set {self.variable} in the environment of the responder and the runner, and start them again."


def used_systems(
    plan: Plan, systems: Systems, runbooks: Iterable[Runbook], capabilities: Capabilities
) -> dict[str, UsedSystem]:
    """Return the systems that the plan's actions and probes need, and those that they use if systems.yaml has them."""
    found: dict[str, UsedSystem] = {}
    for name, params, service in [*_planned(plan, runbooks), *_paged(plan, capabilities)]:
        kind = capabilities.actions.get(name) or capabilities.probes.get(name)
        if kind is None:
            continue
        use = PlannedUse(name, params, writes=name in capabilities.actions)
        needs = needs_of(kind, params, service, systems)
        for system in _systems_of(kind, needs, systems):
            used = found.setdefault(system, UsedSystem(system, systems.systems.get(system)))
            used.uses.append(use)
            used.needed = used.needed or any(client.system == system for client in needs)
            own = [preflight for preflight in kind.preflights if preflight.client.system == system]
            used.preflights += [preflight for preflight in own if preflight not in used.preflights]
    return found


def missing_credentials(
    plan: Plan,
    systems: Systems,
    runbooks: Iterable[Runbook],
    capabilities: Capabilities,
    secret: Callable[[str], str],
) -> list[MissingCredential]:
    """Return the secrets of used systems and of alert sources that are empty, as `secret` returns them."""
    missing = [
        MissingCredential(used.name, variable, f"{variable} is not set: {enumerated(used.names)} cannot be done.")
        for used in used_systems(plan, systems, runbooks, capabilities).values()
        if used.system and (variable := used.system.secret) and not secret(variable)
    ]
    missing += [
        MissingCredential(used.name, variable, f"{variable} is not set: {used.name} lacks its {name}.")
        for used in used_systems(plan, systems, runbooks, capabilities).values()
        for name, variable in (used.system.secrets if used.system else {}).items()
        if not secret(variable)
    ]
    for name, source in systems.alerts.items():
        kind = capabilities.sources.get(name)
        if not any(secret(variable) for variable in source.variables) and not (kind and kind.accepts_alert_token):
            variables = " or ".join(source.variables)
            sentence = f"{variables} is not set: alerts of {name} are refused."
            missing.append(MissingCredential(f"alerts of {name}", variables, sentence, source=name))
    return missing


def needs_of(
    kind: ActionType | ProbeType, params: Mapping[str, Any], service: str, systems: Systems
) -> tuple[type[Client], ...]:
    """Return the vendors that an action or probe talks to with `params`; `service` is what {service} stands for."""
    if not issubclass(kind, Action):
        return kind.needs
    known = {name: service if value == "{service}" else value for name, value in params.items()}
    return kind.needs_for(known, systems.services)


def _systems_of(kind: ActionType | ProbeType, needs: Sequence[type[Client]], systems: Systems) -> Iterator[str]:
    """Yield the systems that it needs, those that it can use here, and those that systems.yaml does not describe."""
    optional = {client.system for client in kind.uses}
    own = [client.system for client in (*needs, *kind.uses)]
    tested = [preflight.client.system for preflight in kind.preflights if not kind.needs]
    for system in dict.fromkeys([*own, *tested]):
        if system not in optional or system in systems.systems:
            yield system


def _planned(plan: Plan, runbooks: Iterable[Runbook]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield each action and probe that the runbooks and the plan name, its parameters, and the runbook's service."""
    for runbook in runbooks:
        yield from ((name, params, runbook.service) for name, params in steps_of(runbook))
    yield from ((call.action, call.with_, "") for call in calls_of(plan))


def calls_of(plan: Plan) -> list[MessageAction | TicketAction]:
    """Return the actions that the plan itself names, for messages and for tickets."""
    tickets = [rules for rules in (plan.incident_tickets, plan.follow_up_tickets) if rules]
    of_tickets = [call for rules in tickets for call in (rules.open, rules.close)]
    of_severities = [level.ticket for level in plan.severities]
    messages = (plan.reminders.message, plan.reminders.page, *plan.ways.values())
    return [call for call in (*messages, *of_tickets, *of_severities) if call]


def _paged(plan: Plan, capabilities: Capabilities) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield the plan's page with each escalation policy and each person that it may be sent to."""
    page = plan.reminders.page
    kind = capabilities.actions.get(page.action) if page else None
    if page is None or kind is None or kind.reaches is None:
        return
    if "policy" in kind.params.model_fields:
        for role in plan.roles.values():
            if role.pager_policy:
                yield page.action, {**page.with_, "policy": role.pager_policy}, ""
    for person in plan.people:
        contact = person.contacts.get(kind.reaches)
        if contact and not is_blank(contact.address):
            yield page.action, {**page.with_, "people": [contact.address]}, ""


def steps_of(runbook: Runbook) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each action and probe that a runbook names, with its parameters."""
    calls: list[ProbeCall] = [runbook.health]
    for phase in Phase:
        for step in runbook.steps(phase):
            if name := step.action or step.probe:
                yield name, step.with_
            calls += [step.proof] if step.proof else []
    yield from ((call.probe, call.with_) for call in calls)
