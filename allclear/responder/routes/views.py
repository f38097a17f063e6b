"""Views of deliveries and their alerts, for GET /alerts and `allclear alert list`."""

from __future__ import annotations

from typing import Literal, get_args

from allclear.domain.alert import AlertDecision, Decision
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_private
from allclear.domain.review.incident_ticket import ticket_state
from allclear.domain.template_values import PRIVATE_TITLE
from allclear.engine.incidents import read_or_none
from allclear.journal.ports import Journal
from allclear.journal.rows import Delivery, DeliverySummary
from allclear.responder.routes.models import AlertDecisionView, DeliveryView

DeliveryState = Literal["new", Decision]
"""The states of a delivery; a `new` one has not been read yet."""

_MAX_ALERTS_IN_LIST = 20
"""Alerts of one delivery in a list: there may be a thousand deliveries, with a thousand alerts each."""

STATES: tuple[str, ...] = get_args(DeliveryState)


def list_deliveries(
    journal: Journal, plan: Plan, state: str | None, source: str | None, limit: int
) -> list[DeliveryView]:
    """Return deliveries, the newest first, each with its last alerts."""
    deliveries = journal.delivery_summaries(state=state, source=source, limit=limit)
    return [_view(journal, plan, delivery, _MAX_ALERTS_IN_LIST) for delivery in deliveries]


def show_delivery(journal: Journal, plan: Plan, delivery: str) -> DeliveryView:
    """Return one delivery with all its alerts. Raises NotFound."""
    return _view(journal, plan, journal.delivery(delivery), None)


def _view(journal: Journal, plan: Plan, delivery: DeliverySummary | Delivery, limit: int | None) -> DeliveryView:
    decisions = journal.decisions(delivery=delivery.id, limit=limit)
    named = {delivery.incident, *(decision.incident for decision in decisions)}
    found = {one: read_or_none(journal, one) for one in named if one}
    # One whose record cannot be read counts as private.
    private = {one for one, incident in found.items() if incident is None or is_private(plan, incident)}
    tickets = {one: ticket_state(incident) for one, incident in found.items() if incident and incident.opened.ticket}
    return DeliveryView(
        id=delivery.id,
        source=delivery.source,
        received_at=delivery.received_at,
        count=delivery.count,
        state=delivery.state,
        reason="" if delivery.incident in private else delivery.reason,
        incident=delivery.incident,
        alerts=[
            _decision_view(decision, tickets.get(decision.incident or "", ""), private=decision.incident in private)
            for decision in decisions
        ],
        total_alerts=journal.count_decisions(delivery.id) if len(decisions) == limit else len(decisions),
    )


def _decision_view(decision: AlertDecision, ticket: str, *, private: bool) -> AlertDecisionView:
    """Return an alert and its decision. An alert of a private incident has its state and the incident's id alone."""
    return AlertDecisionView(
        key="" if private else decision.key,
        status=decision.state,
        severity=decision.severity,
        service="" if private else decision.service,
        title=PRIVATE_TITLE if private else decision.title,
        at=decision.source_time,
        last_seen_at=decision.at,
        decision=decision.decision,
        reason="" if private else decision.reason,
        incident=decision.incident,
        ticket="" if private else ticket,
        count=decision.count,
    )
