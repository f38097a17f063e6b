"""What came in from monitoring systems, as it is shown: by GET /alerts and by `allclear alert list`."""

from __future__ import annotations

from typing import Literal, get_args

from allclear.domain.alert import AlertDecision, Decision
from allclear.journal.ports import Delivery, DeliverySummary, Journal
from allclear.responder.routes.models import AlertShown, HeardShown

DeliveryState = Literal["new", Decision]
"""What can become of a request; `new` has not been read yet."""

_IN_A_LIST = 20
"""Alerts of one request: a list may have a thousand requests, and a request a thousand alerts."""

STATES: tuple[str, ...] = get_args(DeliveryState)


def shown_in_list(journal: Journal, state: str | None, source: str | None, limit: int) -> list[AlertShown]:
    """Return what came in, newest first, with what became of the last of its alerts."""
    arrived = journal.delivery_summaries(state=state, source=source, limit=limit)
    return [_shown(journal, one, _IN_A_LIST) for one in arrived]


def shown(journal: Journal, delivery: str) -> AlertShown:
    """Return one request and what became of each of its alerts. Raises NotFound."""
    return _shown(journal, journal.delivery(delivery), None)


def _shown(journal: Journal, one: DeliverySummary | Delivery, limit: int | None) -> AlertShown:
    heard = journal.decisions(delivery=one.id, limit=limit)
    return AlertShown(
        id=one.id,
        source=one.source,
        received_at=one.received_at,
        count=one.count,
        state=one.state,
        reason=one.reason,
        incident=one.incident,
        alerts=[_heard(line) for line in heard],
        alerts_in_all=journal.count_decisions(one.id) if len(heard) == limit else len(heard),
    )


def _heard(heard: AlertDecision) -> HeardShown:
    return HeardShown(
        key=heard.key,
        status=heard.state,
        severity=heard.severity,
        service=heard.service,
        title=heard.title,
        at=heard.source_time,
        last_seen_at=heard.at,
        decision=heard.decision,
        reason=heard.reason,
        incident=heard.incident,
        count=heard.count,
    )
