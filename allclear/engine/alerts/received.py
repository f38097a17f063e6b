"""An alert that was just received: normalised, with its route, and the state that the journal keeps for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from allclear.domain.alert import Alert, AlertDecision, AlertOrder, AlertState, Decision, FiringState
from allclear.domain.base import digest
from allclear.domain.plan import Plan, Route
from allclear.domain.records import AlertJoined, By
from allclear.domain.text import is_visible, plain

_LONGEST_KEY, _LONGEST_LABEL, _LONGEST_REASON = 300, 60, 100
"""Characters."""

_SHOWN_KEY = 200
"""Characters of a key that are kept in front of its hash."""

_CLOCK_SKEW = timedelta(minutes=5)
"""How far a source's clock may be ahead of ours."""


@dataclass(frozen=True)
class IntakeResult:
    """What was decided about an alert."""

    state: Decision
    reason: str
    incident: str | None = None


@dataclass(frozen=True)
class ReceivedAlert:
    """An alert of one delivery, with what the plan says about it."""

    record: AlertJoined
    by: By
    route: Route | None
    labels: dict[str, str]
    source_time: datetime | None
    now: datetime
    order: tuple[int, ...] | None
    """The sender's order, as numbers that can be compared; None if the order of arrival counts."""

    @property
    def firing(self) -> bool:
        """Return whether the source reports the problem, and not its end."""
        return self.record.state == "firing"

    def first_state(self, incident: str) -> AlertState:
        """Return the alert's state in the incident that it has just joined or opened."""
        record = self.record
        return AlertState(
            key=record.key,
            incident=incident,
            source=record.source,
            title=record.title,
            state=record.state,
            source_state=record.state,
            source_time=record.at,
            changed_at=self.now,
            last_seen_at=self.now,
            source_order=self.order,
            source_end=None if self.firing else record.at,
        )

    def next_state(self, known: AlertState, state: FiringState) -> AlertState:
        """Return the known alert's state after this message; `state` is how it counts in its incident."""
        record = self.record
        times = [at for at in (record.at, known.source_time) if at]
        ends = [at for at in (None if self.firing else record.at, known.source_end) if at]
        orders = [order for order in (self.order, known.source_order) if order]
        return replace(
            known,
            title=record.title,
            state=state,
            source_state=record.state,
            source_time=max(times, default=None),
            changed_at=self.now if record.state != known.source_state else known.changed_at,
            last_seen_at=self.now,
            count=known.count + 1,
            source_order=max(orders, default=None),
            source_end=max(ends, default=None),
        )

    def decision(self, result: IntakeResult, position: int) -> AlertDecision:
        """Return what the journal keeps of the decision; `position` is the alert's place in its delivery."""
        record = self.record
        service = self.route.service if self.route else plain(self.labels.get("service", ""), _LONGEST_LABEL)
        return AlertDecision(
            delivery=record.delivery,
            position=position,
            decision=result.state,
            reason=result.reason,
            at=self.now,
            source=record.source,
            key=record.key,
            state=record.state,
            title=record.title,
            severity=plain(self.labels.get("severity", ""), _LONGEST_LABEL),
            service=service,
            source_time=self.source_time,
            incident=result.incident,
        )


def received(alert: Alert, delivery: str, plan: Plan, now: datetime) -> ReceivedAlert:
    """Return `alert` with its texts made safe, its times checked and its route found."""
    key, title = _stored_key(alert), plain(alert.title)
    record = AlertJoined(
        delivery=delivery,
        source=alert.source,
        key=key,
        state=alert.state,
        title=title if is_visible(title) else plain(key),
        at=_not_ahead(alert.at, now),
        authenticated=alert.authenticated,
        no_recovery="" if alert.state == "firing" else plain(alert.no_recovery, _LONGEST_REASON),
    )
    by = By(actor=f"alert from {alert.source}", via=alert.source)
    order = _comparable(alert.order, now)
    return ReceivedAlert(record, by, plan.route(alert.labels), alert.labels, alert.at, now, order)


def _stored_key(alert: Alert) -> str:
    """Return the key under which the journal keeps the alert: two keys that differ anywhere are never the same.

    A key that a reader cannot see completely, because it is too long or has invisible characters, ends with its hash.
    """
    whole = f"{alert.source}:{alert.key}"
    if whole == plain(whole, _LONGEST_KEY):
        return whole
    escaped = whole.encode(errors="backslashreplace").decode()  # half of a character, which has no UTF-8
    return f"{plain(whole, _SHOWN_KEY)}#{digest(escaped)}"


def _comparable(order: AlertOrder | None, now: datetime) -> tuple[int, ...] | None:
    """Return an order as numbers; a time becomes microseconds since 1970."""
    if not isinstance(order, datetime):
        return order
    return (round((_not_ahead(order, now) or now).timestamp() * 1_000_000),)


def _not_ahead(at: datetime | None, now: datetime) -> datetime | None:
    """Return the source's time, or ours if the source's clock is ahead.

    After a time that is years ahead, every later alert would count as late.
    """
    return now if at and at > now + _CLOCK_SKEW else at
