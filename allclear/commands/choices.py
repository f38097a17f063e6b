"""What people may choose in a command: the severities, facts, people and audiences of the plan, and what is in place.

Each function returns the options for one incident, with the plan's own definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from allclear.commands.inputs import Input, Option
from allclear.domain.incident import Incident
from allclear.domain.local_times import day, local
from allclear.domain.plan import UNKNOWN, is_blank
from allclear.domain.review.meeting import meeting_of
from allclear.domain.review.post_mortem import NOTE_FOR
from allclear.domain.review.review_meeting import may_be_invited
from allclear.domain.template_values import left_in_place
from allclear.domain.text import LONG, plain

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


def severities(engine: Engine, incident: Incident) -> list[Option]:
    """Return the plan's other severities, each with its definition."""
    return [
        Option(one.name, f"{one.name} {one.title}", one.definition)
        for one in engine.company.plan.severities
        if one.name != incident.severity
    ]


def kinds(engine: Engine, incident: Incident) -> list[Option]:
    """Return the plan's other kinds of incidents."""
    known = engine.company.plan.kinds
    return [Option(name, kind.title, kind.about) for name, kind in known.items() if name != incident.kind]


def facets(engine: Engine, incident: Incident, _known: Mapping[str, str]) -> list[Input]:
    """Return an input for each facet of the plan; it tells what is known now."""
    found: list[Input] = []
    for name, facet in engine.company.plan.facets.items():
        now = incident.facets.get(name, UNKNOWN)
        options = [Option(value, value) for value in (*facet.values, UNKNOWN) if value != now]
        about = f"Now: {now}."
        found.append(Input(f"facts.{name}", facet.title, about, "choice", options=tuple(options), unchosen="As it is"))
    return found


def all_services(engine: Engine) -> list[Option]:
    """Return the company's services."""
    return [Option(name, service.title) for name, service in engine.company.systems.services.items()]


def all_runbooks(engine: Engine) -> list[Option]:
    """Return the company's runbooks."""
    return [Option(name, runbook.title) for name, runbook in engine.company.runbooks.items()]


def all_severities(engine: Engine) -> list[Option]:
    """Return the plan's severities, each with its definition."""
    return [Option(one.name, f"{one.name} {one.title}", one.definition) for one in engine.company.plan.severities]


def all_kinds(engine: Engine) -> list[Option]:
    """Return the plan's kinds of incidents."""
    return [Option(name, kind.title, kind.about) for name, kind in engine.company.plan.kinds.items()]


def all_facets(engine: Engine) -> list[Input]:
    """Return an input for each facet of the plan, of which nothing is known yet."""
    return [
        Input(
            f"facts.{name}",
            facet.title,
            kind="choice",
            options=tuple(Option(value, value) for value in facet.values),
            unchosen="Not known yet",
        )
        for name, facet in engine.company.plan.facets.items()
    ]


def roles(engine: Engine, incident: Incident) -> list[Option]:
    """Return the plan's roles, each with who has it."""
    plan, taken = engine.company.plan, incident.roles
    return [
        Option(role, f"{plan.role_title(role)} ({plain(taken[role], 60)})" if role in taken else plan.role_title(role))
        for role in plan.roles
    ]


def people(engine: Engine, incident: Incident) -> list[Option]:  # noqa: ARG001 - as the others
    """Return the people whom the plan names."""
    plan = engine.company.plan
    return [
        Option(one.name, ", ".join(plan.role_title(role) for role in one.roles)) for one in plan.people if one.known
    ]


def audiences(engine: Engine, incident: Incident) -> list[Option]:  # noqa: ARG001 - as the others
    """Return the audiences of the plan, and its roles."""
    plan = engine.company.plan
    listed = [line.audience for line in (*plan.updates, *plan.notifications)]
    return [Option(name, plan.role_title(name)) for name in dict.fromkeys([*listed, *plan.roles])]


def meeting_time(engine: Engine, incident: Incident) -> str:
    """Return when the meeting begins now, in the company's zone, as a browser's input wants it; empty without one."""
    meeting = meeting_of(incident)
    return f"{local(meeting.start, engine.company.plan.zone):%Y-%m-%dT%H:%M}" if meeting else ""


def invited(engine: Engine, incident: Incident) -> list[Option]:
    """Return those who are invited to the meeting, and those who may not know that they are not any more."""
    meeting = meeting_of(incident)
    names = {
        person.contacts["email"].address.lower(): person.name
        for person in engine.company.plan.people
        if person.known and "email" in person.contacts
    }
    names |= {one.address.lower(): one.title for one in engine.company.plan.mailing_lists.values()}
    people = [*meeting.people, *meeting.not_told] if meeting else []
    return [Option(one, f"{names[one.lower()]} ({one})" if one.lower() in names else one) for one in people]


def invitable(engine: Engine, incident: Incident) -> list[Option]:
    """Return the people and mailing lists of the plan that have an e-mail address and may be, and are not, invited."""
    plan, meeting = engine.company.plan, meeting_of(incident)
    there = {one.lower() for one in meeting.reached} if meeting else set[str]()
    people = [(one.name, one.contacts["email"].address) for one in plan.people if one.known and "email" in one.contacts]
    lists = [(one.title, one.address) for one in plan.mailing_lists.values()]
    return [
        Option(name, address)
        for name, address in (*people, *lists)
        if not is_blank(address) and address.lower() not in there and may_be_invited(plan, incident, address)
    ]


def note_places(engine: Engine, incident: Incident) -> list[Option]:  # noqa: ARG001 - as the others
    """Return where the post-mortem may show a note."""
    return [Option(name, name.replace("_", " ")) for name in NOTE_FOR]


def acts_in_place(engine: Engine, incident: Incident) -> list[Option]:
    """Return the acts of which something is still in place."""
    plan = engine.company.plan
    return [Option(act.id, left_in_place(act, plan)) for act in incident.changes_in_place]


def open_follow_ups(engine: Engine, incident: Incident) -> list[Option]:
    """Return the follow-ups that are not done."""
    zone = engine.company.plan.zone
    return [
        Option(str(number), f"{number}. {plain(one.text, LONG)} ({plain(one.owner, 60)}, by {day(one.due, zone)})")
        for number, one in enumerate(incident.follow_ups, 1)
        if number not in incident.follow_ups_done
    ]


def actions(engine: Engine, incident: Incident) -> list[Option]:  # noqa: ARG001 - as the others
    """Return the actions that a person may start by hand, and that a service of the company can run."""
    from allclear.engine.actions.offered import offered_actions  # noqa: PLC0415 - the command line starts without it

    return [Option(one.name, one.title) for one in offered_actions(engine.company, engine.registry)]


def parameters(engine: Engine, incident: Incident, known: Mapping[str, str]) -> list[Input]:
    """Return an input for each parameter of the action that was chosen. Raises NotFound for an unknown action."""
    if not known.get("action"):
        return []
    kind = engine.registry.action(known["action"])
    services = engine.company.systems.services
    found: list[Input] = []
    for name, field in kind.params.model_fields.items():
        offered = kind.offers(name, services) or []
        value = field.get_default() if not field.is_required() else None
        if value is None and name == "service" and incident.opened.service in offered:
            value = incident.opened.service
        found.append(
            Input(
                f"params.{name}",
                field.title or name.replace("_", " ").capitalize(),
                field.description or "",
                "choice" if offered else "text",
                required=field.is_required(),
                value="" if value is None else str(value),
                options=tuple(Option(one, services[one].title if one in services else one) for one in offered),
            )
        )
    return found
