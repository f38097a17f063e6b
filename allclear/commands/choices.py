"""What people may choose in a command: the severities, facts, people and audiences of the plan, and what is in place.

Each function returns the options for one incident, with the plan's own definitions.
"""

from __future__ import annotations

from allclear.commands.inputs import FormContext, Input, Option
from allclear.domain.local_times import day, local
from allclear.domain.plan import UNKNOWN, assess, is_blank
from allclear.domain.review.meeting import meeting_of
from allclear.domain.review.meeting_plan import may_be_invited
from allclear.domain.review.post_mortem import NOTE_FOR, TITLES
from allclear.domain.template_values import left_in_place
from allclear.domain.text import LONG, plain


def severities(form: FormContext) -> list[Option]:
    """Return the plan's severities, but for the one that the incident has, each with its definition."""
    now = form.incident_if_any.severity if form.incident_if_any else ""
    return [
        Option(one.name, f"{one.name} {one.title}", one.definition)
        for one in form.engine.company.plan.severities
        if one.name != now
    ]


def severity_needed(form: FormContext) -> str:
    """Return why a severity must be chosen to declare an incident; empty if the plan's rules give one."""
    said = {name.removeprefix("facts."): value for name, value in form.known.items() if name.startswith("facts.")}
    rules = form.engine.company.plan.assess
    if assess(rules, {name: value for name, value in said.items() if value}):
        return ""
    why = "no rule of the plan gives one for these facts" if rules else "the plan has no rules that give one"
    return f"Choose it yourself, because {why}."


def kinds(form: FormContext) -> list[Option]:
    """Return the plan's kinds of incidents, but for the one that the incident has."""
    known, now = form.engine.company.plan.kinds, form.incident_if_any.kind if form.incident_if_any else ""
    return [Option(name, kind.title, kind.about) for name, kind in known.items() if name != now]


def facets(form: FormContext) -> list[Input]:
    """Return an input for each facet of the plan; it tells what is known now."""
    found: list[Input] = []
    for name, facet in form.engine.company.plan.facets.items():
        now = form.incident_if_any.facets.get(name, UNKNOWN) if form.incident_if_any else UNKNOWN
        options = [Option(value, value) for value in (*facet.values, UNKNOWN) if value != now]
        about, unchosen = (f"Now: {now}.", "As it is") if form.incident_if_any else ("", "Not known yet")
        found.append(Input(f"facts.{name}", facet.title, about, "choice", options=tuple(options), unchosen=unchosen))
    return found


def services(form: FormContext) -> list[Option]:
    """Return the company's services."""
    return [Option(name, service.title) for name, service in form.engine.company.systems.services.items()]


def runbooks(form: FormContext) -> list[Option]:
    """Return the company's runbooks."""
    return [Option(name, runbook.title) for name, runbook in form.engine.company.runbooks.items()]


def roles(form: FormContext) -> list[Option]:
    """Return the plan's roles, each with who has it."""
    plan, taken = form.engine.company.plan, form.incident.roles
    return [
        Option(role, f"{plan.role_title(role)} ({plain(taken[role], 60)})" if role in taken else plan.role_title(role))
        for role in plan.roles
    ]


def people(form: FormContext) -> list[Option]:
    """Return the people whom the plan names."""
    plan = form.engine.company.plan
    return [
        Option(one.name, ", ".join(plan.role_title(role) for role in one.roles)) for one in plan.people if one.known
    ]


def audiences(form: FormContext) -> list[Option]:
    """Return the audiences of the plan, and its roles."""
    plan = form.engine.company.plan
    listed = [line.audience for line in (*plan.updates, *plan.notifications)]
    return [Option(name, plan.role_title(name)) for name in dict.fromkeys([*listed, *plan.roles])]


def meeting_time(form: FormContext) -> str:
    """Return when the meeting begins now, in the company's zone, as a browser's input wants it; empty without one."""
    meeting = meeting_of(form.incident)
    return f"{local(meeting.start, form.engine.company.plan.zone):%Y-%m-%dT%H:%M}" if meeting else ""


def invited(form: FormContext) -> list[Option]:
    """Return those who are invited to the meeting, and those who may not know that they are not any more.

    Any change takes off those who may not read of a private incident, so they are marked.
    """
    plan, incident = form.engine.company.plan, form.incident
    meeting = meeting_of(incident)
    names = {
        person.contacts["email"].address.lower(): person.name
        for person in plan.people
        if person.known and "email" in person.contacts
    }
    names |= {one.address.lower(): one.title for one in plan.mailing_lists.values()}
    people = [*meeting.people, *meeting.not_told] if meeting else []
    labels = {one: f"{names[one.lower()]} ({one})" if one.lower() in names else one for one in people}
    for one in meeting.people if meeting else ():
        if not may_be_invited(plan, incident, one):
            labels[one] += f": may not read {incident.id}, and is taken off the list by any change"
    return [Option(one, label) for one, label in labels.items()]


def invitable(form: FormContext) -> list[Option]:
    """Return the people and mailing lists of the plan that have an e-mail address and may be, and are not, invited."""
    plan, meeting = form.engine.company.plan, meeting_of(form.incident)
    there = {one.lower() for one in meeting.reached} if meeting else set[str]()
    people = [(one.name, one.contacts["email"].address) for one in plan.people if one.known and "email" in one.contacts]
    lists = [(one.title, one.address) for one in plan.mailing_lists.values()]
    return [
        Option(name, address)
        for name, address in (*people, *lists)
        if not is_blank(address) and address.lower() not in there and may_be_invited(plan, form.incident, address)
    ]


def note_places(_form: FormContext) -> list[Option]:
    """Return where the post-mortem may show a note."""
    titles = {"timeline": "Timeline", **TITLES}
    return [Option(name, titles[name]) for name in NOTE_FOR]


def acts_in_place(form: FormContext) -> list[Option]:
    """Return the acts of which something is still in place."""
    plan = form.engine.company.plan
    return [Option(act.id, left_in_place(act, plan)) for act in form.incident.changes_in_place]


def open_follow_ups(form: FormContext) -> list[Option]:
    """Return the follow-ups that are not done."""
    zone = form.engine.company.plan.zone
    return [
        Option(str(number), f"{number}. {plain(one.text, LONG)} ({plain(one.owner, 60)}, by {day(one.due, zone)})")
        for number, one in enumerate(form.incident.follow_ups, 1)
        if number not in form.incident.follow_ups_done
    ]


def actions(form: FormContext) -> list[Option]:
    """Return the actions that a person may start by hand, and that a service of the company can run."""
    from allclear.engine.actions.offered import offered_actions  # noqa: PLC0415 - the command line starts without it

    return [Option(one.name, one.title) for one in offered_actions(form.engine.company, form.engine.registry)]


def parameters(form: FormContext) -> list[Input]:
    """Return an input for each parameter of the action that was chosen. Raises NotFound for an unknown action."""
    if not form.known.get("action"):
        return []
    kind = form.engine.registry.action(form.known["action"])
    services = form.engine.company.systems.services
    found: list[Input] = []
    for name, field in kind.params.model_fields.items():
        offered = kind.offers(name, services) or []
        value = field.get_default() if not field.is_required() else None
        if value is None and name == "service" and form.incident.opened.service in offered:
            value = form.incident.opened.service
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
