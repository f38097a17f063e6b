"""The plan as text for people: severities, kinds, roles, who is notified, who can help, and the drills.

Some fields, such as the definition of a severity, are only for people: no rule of the engine depends on them.
"""

from __future__ import annotations

from collections.abc import Iterator

from allclear.domain.plan import Duty, Notification, Plan, Severity
from allclear.domain.text import plain

Section = tuple[str, list[str]]
"""The heading of a section, and its lines."""


def plan_sections(plan: Plan) -> list[Section]:
    """Return the sections of the plan that have any lines, as plain text."""
    sections: list[Section] = [
        ("Source", [plain(plan.source)] if plan.source else []),
        ("Severities", [line for severity in plan.severities for line in _severity(severity)]),
        ("Kinds of incident", [_titled(name, kind.title, kind.about) for name, kind in plan.kinds.items()]),
        ("Phases", [_titled(phase.value, label.label, label.expected) for phase, label in plan.phases.items()]),
        ("Roles", [_role(name, plan) for name in plan.roles]),
        ("Who is notified", [notification_line(line, plan) for line in plan.notifications]),
        ("Duties", [_duty(duty, plan) for duty in plan.duties]),
        ("What counts as an alert", [plain(f"{one.name}: {one.words}") for one in plan.thresholds]),
        ("Where alerts come from", [plain(f"{name}: {words}") for name, words in plan.channels.items()]),
        ("Help and pages", help_lines(plan)),
        ("Drills", [plain(words) for words in plan.drills]),
    ]
    return [section for section in sections if section[1]]


def help_lines(plan: Plan) -> list[str]:
    """Return one line for each outside contact and each page that responders need."""
    support = [f"{one.name}: {one.contact}" for one in plan.support]
    return [plain(line) for line in (*support, *(f"{name}: {address}" for name, address in plan.resources.items()))]


def notification_line(line: Notification, plan: Plan) -> str:
    """Return who is notified by a line of the plan, how, by when and of which incidents."""
    channels = f" by {', then '.join(line.by)}" if line.by else ""
    within = f" within {line.within} of the {line.from_.value}" if line.within else " at once"
    facets = [
        f"{name} is {value if isinstance(value, str) else ' or '.join(value)}" for name, value in line.when.items()
    ]
    limits = [*([", ".join(line.severities)] if line.severities else []), *(line.kinds or []), *facets]
    only = f" ({'; '.join(limits)})" if limits else ""
    words = f': "{line.words}"' if line.words else ""
    return plain(f"{plan.role_title(line.audience)}{channels}{within}{only}{words}")


def severity_help(severity: Severity) -> str:
    """Return what helps a person to choose this severity: its name, definition and examples."""
    examples = f" For example: {'; '.join(severity.examples)}." if severity.examples else ""
    return plain(f"{_titled(severity.name, severity.title, severity.definition)}.{examples}")


def _severity(severity: Severity) -> Iterator[str]:
    yield plain(_titled(severity.name, severity.title, severity.definition))
    if severity.examples:
        yield _below(f"for example: {'; '.join(severity.examples)}")
    for target in severity.targets:
        words = f' ("{target.words}")' if target.words else ""
        yield _below(f"{target.name}: {target.until.value} within {target.within} of the {target.from_.value}{words}")
    for words in severity.escalation:
        yield _below(words)
    if severity.escalates:
        unless = severity.escalates.unless.value
        yield _below(f"raised to {severity.escalates.to} after {severity.escalates.after} unless {unless}")


def _below(words: str) -> str:
    return f"  {plain(words)}"


def _titled(name: str, title: str, about: str) -> str:
    return plain(f"{name} ({title}){f': {about}' if about else ''}")


def _role(name: str, plan: Plan) -> str:
    role = plan.roles[name]
    holders = ", ".join(person.name for person in plan.holders(name)) or "no one yet"
    return plain(f"{role.title}: {holders}{f'. {role.about}' if role.about else ''}")


def _duty(duty: Duty, plan: Plan) -> str:
    source = f" ({duty.source})" if duty.source else ""
    return plain(f"{duty.title}: {plan.role_title(duty.role)}, within {duty.within} of the {duty.from_.value}{source}")
