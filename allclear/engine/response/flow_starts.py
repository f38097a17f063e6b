"""The outbox messages that start the flow run of a phase in Prefect."""

from __future__ import annotations

from datetime import datetime

from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.records import StepDone
from allclear.domain.replay_states import ends_state
from allclear.domain.runbook import Phase
from allclear.engine.response.next_move import REOPENED
from allclear.journal.rows import OutboxKind, OutboxMessage


def start_message(incident: str, flow: str, again: str = "") -> OutboxMessage:
    """Return the outbox message that starts `flow` for the incident; a second one with the same key is dropped.

    `again` is part of the key: the reason why the flow starts once more, or nothing for its first start.
    """
    key = f"{incident}/{flow}/{again}" if again else f"{incident}/{flow}"
    return OutboxMessage(OutboxKind.START, incident, key, {"flow": flow})


def restart_messages(incident: Incident, plan: Plan, severity: str) -> list[OutboxMessage]:
    """Return the outbox messages that start the left phases again if `severity` is higher than the present one."""
    if plan.rank(severity) >= plan.rank(incident.severity):
        return []
    return [start_message(incident.id, phase.value, severity) for phase in REOPENED if phase.value in incident.left]


def contain_again(incident: Incident, reason: str) -> list[OutboxMessage]:
    """Return the outbox message that starts a containment phase again that was left; `reason` makes its key unique."""
    flow = Phase.CONTAIN.value
    return [start_message(incident.id, flow, reason)] if flow in incident.left else []


def loss_messages(incident: Incident, done: StepDone, at: datetime) -> list[OutboxMessage]:
    """Return the outbox messages for a check that ends containment or recovery; none for any other check."""
    return contain_again(incident, f"lost-{incident.length + 1}") if ends_state(incident, done, at) else []
