"""The outbox messages that start the flow run of a phase in Prefect."""

from __future__ import annotations

from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.engine.response.next_move import REOPENED
from allclear.journal.ports import OutboxKind, OutboxMessage


def start_message(incident: str, flow: str) -> OutboxMessage:
    """Return the outbox message that starts `flow` for the incident; a second one with the same key is dropped."""
    return OutboxMessage(OutboxKind.START, incident, f"{incident}/{flow}", {"flow": flow})


def restart_messages(incident: Incident, plan: Plan, severity: str) -> list[OutboxMessage]:
    """Return the outbox messages that start the left phases again if `severity` is higher than the present one."""
    if plan.rank(severity) >= plan.rank(incident.severity):
        return []
    return [
        OutboxMessage(OutboxKind.START, incident.id, f"{incident.id}/{phase.value}/{severity}", {"flow": phase.value})
        for phase in REOPENED
        if phase.value in incident.left
    ]
