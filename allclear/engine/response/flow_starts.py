"""The outbox messages that start the flow run of a phase in Prefect."""

from __future__ import annotations

from datetime import datetime

from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.records import StepDone
from allclear.domain.replay_states import ends_state
from allclear.domain.runbook import Phase
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


def contain_again(incident: Incident, reason: str) -> list[OutboxMessage]:
    """Return the outbox message that starts a containment phase again that was left; `reason` makes its key unique."""
    flow = Phase.CONTAIN.value
    key = f"{incident.id}/{flow}/{reason}"
    return [OutboxMessage(OutboxKind.START, incident.id, key, {"flow": flow})] if flow in incident.left else []


def loss_messages(incident: Incident, done: StepDone, at: datetime) -> list[OutboxMessage]:
    """Return the outbox messages for a check that ends containment or recovery; none for any other check."""
    return contain_again(incident, f"lost-{incident.length + 1}") if ends_state(incident, done, at) else []
