"""The state of each alert that has an incident, and what was decided about every alert."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, Update, bindparam, func, insert, select, update

from allclear.domain.alert import AlertDecision, AlertState
from allclear.journal.ports import INCIDENTS as INCIDENTS_LOCK
from allclear.journal.store import Store
from allclear.journal.tables import ALERT_DECISIONS, ALERTS


def _update_row(table: Table, keys: tuple[str, ...], values: Mapping[str, Any]) -> Update:
    """Return the statement that updates the row with those keys; parameters are named `p_` and the column."""
    return update(table).where(*(table.c[key] == bindparam(f"p_{key}") for key in keys)).values(**values)


# Made once, because alerts come in masses and building a statement takes longer than running it.
_ALERT = select(ALERTS).where(ALERTS.c.scope == bindparam("p_scope"), ALERTS.c.key == bindparam("p_key"))
_ALERT_KEYS = ("scope", "key")
_UPDATE_ALERT = _update_row(
    ALERTS,
    _ALERT_KEYS,
    {column.name: bindparam(f"p_{column.name}") for column in ALERTS.c if column.name not in _ALERT_KEYS},
)
_COUNT_DECISION = _update_row(
    ALERT_DECISIONS,
    ("delivery", "position", "decision", "incident"),
    {
        "count": ALERT_DECISIONS.c.count + bindparam("p_count"),
        "at": bindparam("p_at"),
        "reason": bindparam("p_reason"),
    },
)


def _upsert(connection: Connection, update_row: Update, table: Table, row: dict[str, Any]) -> None:
    """Update the row, or insert it if there is none; the caller's lock keeps other writers out."""
    if connection.execute(update_row, {f"p_{name}": value for name, value in row.items()}).rowcount == 0:
        connection.execute(insert(table), row)


class SqlAlerts(Store):
    """The alerts of a journal."""

    def alert(self, key: str) -> AlertState | None:
        """Return the alert with that key, or None."""
        with self._db.reading() as connection:
            row = connection.execute(_ALERT, {"p_scope": self._scope_text, "p_key": key}).mappings().one_or_none()
        return _alert_state(row) if row else None

    def alerts_of(self, incident: str) -> list[AlertState]:
        """Return the alerts that belong to an incident now."""
        query = select(ALERTS).where(ALERTS.c.incident == incident).order_by(ALERTS.c.key)
        with self._db.reading() as connection:
            return [_alert_state(row) for row in connection.execute(query).mappings()]

    def save_alert(self, alert: AlertState) -> None:
        """Insert or replace the state of an alert."""
        row: dict[str, Any] = {
            **vars(alert),
            "scope": self._scope_text,
            "source_time": _text(alert.source_time),
            "changed_at": alert.changed_at.isoformat(),
            "last_seen_at": alert.last_seen_at.isoformat(),
            "transitions": json.dumps([at.isoformat() for at in alert.transitions]),
            "source_order": json.dumps(alert.source_order) if alert.source_order else None,
            "source_end": _text(alert.source_end),
        }
        with self._db.writing(INCIDENTS_LOCK) as connection:
            _upsert(connection, _UPDATE_ALERT, ALERTS, row)

    def add_decision(self, decision: AlertDecision) -> None:
        """Record a decision about an alert, or count it."""
        row = {name: value for name, value in vars(decision).items() if name != "number"} | {
            "at": decision.at.isoformat(),
            "source_time": _text(decision.source_time),
            "incident": decision.incident or "",
        }
        with self._db.writing(INCIDENTS_LOCK) as connection:
            _upsert(connection, _COUNT_DECISION, ALERT_DECISIONS, row)

    def decisions(
        self, *, delivery: str | None = None, incident: str | None = None, limit: int | None = 1000
    ) -> list[AlertDecision]:
        """Return the newest `limit` decisions, in order; all of them if it is None."""
        query = select(ALERT_DECISIONS).order_by(ALERT_DECISIONS.c.number.desc()).limit(limit)
        if delivery is not None:
            query = query.where(ALERT_DECISIONS.c.delivery == delivery)
        if incident is not None:
            query = query.where(ALERT_DECISIONS.c.incident == incident)
        with self._db.reading() as connection:
            return [_decision(row) for row in connection.execute(query).mappings()][::-1]

    def count_decisions(self, delivery: str) -> int:
        """Return how many decisions there are about the alerts of a delivery."""
        query = select(func.count()).select_from(ALERT_DECISIONS).where(ALERT_DECISIONS.c.delivery == delivery)
        with self._db.reading() as connection:
            return connection.execute(query).scalar_one()

    def count_collapsed(self, incident: str, after: int) -> tuple[int, int]:
        """Return how many alerts were collapsed since decision `after`, and the last one's number."""
        columns = ALERT_DECISIONS.c
        newer = (columns.incident == incident) & (columns.decision == "collapsed") & (columns.number > after)
        with self._db.reading() as connection:
            count, last = connection.execute(select(func.count(), func.max(columns.number)).where(newer)).one()
        return count, last or after


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _alert_state(row: RowMapping) -> AlertState:
    return AlertState(
        row["key"],
        row["incident"],
        row["source"],
        row["title"],
        row["state"],
        row["source_state"],
        _moment(row["source_time"]),
        datetime.fromisoformat(row["changed_at"]),
        datetime.fromisoformat(row["last_seen_at"]),
        tuple(datetime.fromisoformat(at) for at in json.loads(row["transitions"])),
        row["count"],
        tuple(json.loads(row["source_order"])) if row["source_order"] else None,
        _moment(row["source_end"]),
    )


def _decision(row: RowMapping) -> AlertDecision:
    return AlertDecision(
        row["delivery"],
        row["position"],
        row["decision"],
        row["reason"],
        datetime.fromisoformat(row["at"]),
        row["source"],
        row["key"],
        row["state"],
        row["title"],
        row["severity"],
        row["service"],
        _moment(row["source_time"]),
        row["incident"] or None,
        row["count"],
        row["number"],
    )
