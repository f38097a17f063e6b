"""Views of deliveries and their alerts, for GET /alerts and `allclear alert list`."""

from __future__ import annotations

from typing import Literal, get_args

from allclear.domain.alert import AlertDecision, Decision
from allclear.journal.ports import Delivery, DeliverySummary, Journal
from allclear.responder.routes.models import AlertDecisionView, DeliveryView

DeliveryState = Literal["new", Decision]
"""The states of a delivery; a `new` one has not been read yet."""

_MAX_ALERTS_IN_LIST = 20
"""Alerts of one delivery in a list: there may be a thousand deliveries, with a thousand alerts each."""

STATES: tuple[str, ...] = get_args(DeliveryState)


def list_deliveries(journal: Journal, state: str | None, source: str | None, limit: int) -> list[DeliveryView]:
    """Return deliveries, the newest first, each with its last alerts."""
    deliveries = journal.delivery_summaries(state=state, source=source, limit=limit)
    return [_view(journal, delivery, _MAX_ALERTS_IN_LIST) for delivery in deliveries]


def show_delivery(journal: Journal, delivery: str) -> DeliveryView:
    """Return one delivery with all its alerts. Raises NotFound."""
    return _view(journal, journal.delivery(delivery), None)


def _view(journal: Journal, delivery: DeliverySummary | Delivery, limit: int | None) -> DeliveryView:
    decisions = journal.decisions(delivery=delivery.id, limit=limit)
    return DeliveryView(
        id=delivery.id,
        source=delivery.source,
        received_at=delivery.received_at,
        count=delivery.count,
        state=delivery.state,
        reason=delivery.reason,
        incident=delivery.incident,
        alerts=[_decision_view(decision) for decision in decisions],
        total_alerts=journal.count_decisions(delivery.id) if len(decisions) == limit else len(decisions),
    )


def _decision_view(decision: AlertDecision) -> AlertDecisionView:
    return AlertDecisionView(
        key=decision.key,
        status=decision.state,
        severity=decision.severity,
        service=decision.service,
        title=decision.title,
        at=decision.source_time,
        last_seen_at=decision.at,
        decision=decision.decision,
        reason=decision.reason,
        incident=decision.incident,
        count=decision.count,
    )
