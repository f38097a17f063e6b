"""The placeholders of templates and steps. The list is closed: an unknown placeholder is an error, not a blank.

A fact that is not known yet is an `Unknown`. A line of a template that needs it is left out, because the public would
otherwise read "Started: unknown".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from allclear.domain.errors import ConfigError, Refused

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_BLANK_LINES = re.compile(r"\n{3,}")

PLACEHOLDERS: dict[str, str] = {
    "incident": "The incident's id, as VS-12.",
    "title": "Its title.",
    "severity": "Its severity, in the plan's words.",
    "severity_title": "The severity's title, as Critical.",
    "status": "INVESTIGATING, IDENTIFIED (the cause), CONTAINED, RESOLVED, FALSE ALARM, ABANDONED, or the plan's word.",
    "company": "The company's name.",
    "service": "The service's short name in systems.yaml.",
    "service_title": "The service's name for people.",
    "kind": "The kind of incident, in the plan's words.",
    "impact": "What users notice, in the words of the plan or of the person who declared it; else as `feature`.",
    "problem": "What is wrong, for the team: the impact, or else the alert's title.",
    "feature": "What is affected, in the users' words: from the alert's route, or else the service's title.",
    "brief_cause": "The answer to the question for the root cause; a template's line that holds it is left out before.",
    "data_statement": "The note of the step `data-statement`; a template's line that holds it is left out before.",
    "next_update": "When the next update follows, by `updates`; a template's line with it is left out if none does.",
    "to_notify": "Who must still be notified, by the plan's `notifications`; not those whom `allclear told` names.",
    "deadlines": "What is due and not met yet, one line each.",
    "lead": "Who leads the incident, or `not yet named`.",
    "began": "When trouble began, in the plan's zone; a template's line that holds it is left out if no source knew.",
    "detected": "When it was detected, in the plan's zone.",
    "resolved": "When recovery was proven, in the plan's zone; a template's line that holds it is left out before.",
    "duration": "From the beginning (or the detection) to recovery, or until now.",
    "updates": "The timeline so far, one line for each entry.",
    "waiting": "The open questions, one line each, with the command that answers it.",
    "in_place": "What containment left in place, one line each.",
    "status_page": "The address of the status page; a template's line that holds it is left out if the plan has none.",
    "page": "The address of the incident's page; a template's line that holds it is left out if it is not known.",
    "runbook": "The runbook's title.",
    "review_meeting": "When the post-mortem meeting begins, within `post_mortem.due`; with date and zone, for `start`.",
    "review_people": "The e-mail addresses of those who took part, and of whom `post_mortem.invite` names.",
    "customers": "The e-mail addresses in the plan's `customers`.",
    "summary": "The post-mortem's words on what happened; a template's line that holds it is left out before.",
    "root_cause": "The post-mortem's words on the cause, or else the answer to the question for it.",
    "went_well": "The post-mortem's words on what went well.",
    "could_improve": "The post-mortem's words on what could be improved.",
    "preventive": "The post-mortem's words on what prevents it from happening again.",
    "action_items": "The follow-ups, each with its owner and date.",
    "simulated": "`[SIMULATED] ` in a drill, nothing in production.",
    "if_resolved": "Nothing; a template's line that holds it is left out until recovery was proven.",
    "if_brief_cause": "Nothing; a template's line that holds it is left out until the cause is known.",
}
"""Every placeholder that a template or a step's parameters may hold, and where its value comes from."""

REMINDER_PLACEHOLDERS: dict[str, str] = {
    "reminder": "What the reminder says: what is due or overdue.",
    "for": "Who it is for, and how to reach them now.",
    "number": "The reminder's number, unique within the incident.",
}
"""The additional placeholders of the plan's `reminders`."""


NOTICE_PLACEHOLDERS: dict[str, str] = {
    "audience": "Why this person is notified: the title of the role that the plan's `notifications` name.",
    "name": "The person who is notified.",
    "notice": "What happened, in a sentence; of a private incident that is not for this person, its id and link only.",
    "number": "The notice's number, unique within the incident.",
}
"""The additional placeholders of the plan's `ways`."""

FOLLOW_UP_PLACEHOLDERS: dict[str, str] = {
    "number": "The follow-up's number in the incident, 1 for the first.",
    "follow_up": "What is to be done.",
    "owner": "Who sees to it.",
    "due": "The day on which it is due, in the plan's zone.",
}
"""The additional placeholders of the plan's `follow_up_tickets`."""


LEARNED = frozenset({"summary", "root_cause", "went_well", "could_improve", "preventive", "action_items"})
"""Placeholders of what people wrote for the post-mortem."""

INTERNAL = LEARNED | {"title", "problem", "updates", "waiting", "deadlines", "in_place", "to_notify"}
"""Placeholders that may hold the words of strangers or of the team, so no public text may hold them."""


class Unknown(str):
    """The value of a fact that is not known: the words for it within a sentence, or nothing.

    `render_template` leaves out the lines that need it.
    """

    __slots__ = ()


def unknown_placeholders(text: str, known: Mapping[str, str] = PLACEHOLDERS) -> list[str]:
    """Return the placeholders of `text` that have no source."""
    return [name for name in _PLACEHOLDER.findall(text) if name not in known]


def render(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with its placeholders filled. Raises ConfigError for one without a value."""

    def fill(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in values:
            raise ConfigError(f"The placeholder {{{name}}} has no source.", f"Use one of: {', '.join(sorted(values))}.")
        return values[name]

    return _PLACEHOLDER.sub(fill, text)


def render_template(name: str, text: str, values: Mapping[str, str]) -> str:
    """Return the template called `name`, filled, without the lines that need a fact that is not known.

    Raises Refused if its first line, which says what it is about, is one of them; ConfigError for a placeholder without
    a value.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        missing = [word for word in _PLACEHOLDER.findall(line) if isinstance(values.get(word), Unknown)]
        if not missing:
            lines.append(render(line, values))
        elif not lines:
            raise Refused(
                f"The text `{name}` cannot be written yet: its first line needs the {_fact(missing[0])}, "
                "which is not known.",
                "Find it out and note it, or write the text by hand.",
            )
    return _BLANK_LINES.sub("\n\n", "\n".join(lines))


def _fact(placeholder: str) -> str:
    """Return a placeholder as a noun for people: `if_brief_cause` is the brief cause."""
    return placeholder.removeprefix("if_").replace("_", " ")


def render_all(value: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
    """Return `value` with the placeholders of every string in it filled."""
    if isinstance(value, str):
        return render(value, values)
    if isinstance(value, list):
        return [render_all(item, values) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: render_all(item, values) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
