"""The placeholders of templates and steps. The list is closed: an unknown placeholder is an error, not a blank."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from allclear.domain.errors import ConfigError

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")

PLACEHOLDERS: dict[str, str] = {
    "incident": "The incident's id, as VS-12.",
    "title": "Its title.",
    "severity": "Its severity, in the plan's words.",
    "severity_title": "The severity's title, as Critical.",
    "status": "INVESTIGATING, IDENTIFIED (the cause is known), CONTAINED, RESOLVED or FALSE ALARM.",
    "company": "The company's name.",
    "service": "The service's short name in systems.yaml.",
    "service_title": "The service's name for people.",
    "kind": "The kind of incident, in the plan's words.",
    "impact": "What users notice.",
    "feature": "What is affected, in the users' words: from the alert's route, or else the service's title.",
    "brief_cause": "The note of the step that asks for the root cause; before it, that people still look for it.",
    "next_update": "When the status page is updated next, as `30 minutes`; from the plan's `updates`.",
    "to_notify": "Who must be notified now, by the plan's `notifications`.",
    "deadlines": "What is due and not met yet, one line each.",
    "lead": "Who leads the incident, or `not yet named`.",
    "began": "When the trouble began, in UTC; `unknown` if no source knew.",
    "detected": "When it was detected, in UTC.",
    "resolved": "When recovery was proven, in UTC; `not yet` before.",
    "duration": "From the beginning (or the detection) to recovery, or until now.",
    "updates": "The timeline so far, one line for each entry.",
    "waiting": "The open questions, one line each, with the command that answers it.",
    "in_place": "What containment left in place, one line each.",
    "status_page": "The address of the status page.",
    "runbook": "The runbook's title.",
    "simulated": "`[SIMULATED] ` in a drill, nothing in production.",
}
"""Every placeholder that a template or a step's parameters may hold, and where its value comes from."""

REMINDER_PLACEHOLDERS: dict[str, str] = {
    "reminder": "What the reminder says: what is due or overdue.",
    "for": "Who it is for, and how to reach them now.",
    "number": "The reminder's number, unique within the incident.",
}
"""The additional placeholders of the plan's `reminders`."""


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


def render_all(value: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
    """Return `value` with the placeholders of every string in it filled."""
    if isinstance(value, str):
        return render(value, values)
    if isinstance(value, list):
        return [render_all(item, values) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: render_all(item, values) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
