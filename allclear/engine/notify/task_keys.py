"""The names of the tasks that send messages: what is sent, and the incident that it belongs to."""

from __future__ import annotations

_OF = " of "


def task_key(incident: str, step: str) -> str:
    """Return the name of the task that sends a message of an incident, as `ana-email of VS-3`."""
    return f"{step}{_OF}{incident}"


def incident_in(key: str) -> str:
    """Return the incident that a task belongs to, from its name."""
    return key.rpartition(_OF)[2]
