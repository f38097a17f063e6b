"""The journal's memory of alerts: how each stands, and what became of whatever was heard."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, Update, bindparam, func, insert, select, update

from allclear.domain.alert import AlertDecision, AlertState
from allclear.domain.scope import Scope
from allclear.journal.database import Database
from allclear.journal.ports import INCIDENTS
from allclear.journal.tables import ALERTS, HEARD


def _changing(table: Table, keys: tuple[str, ...], changed: Mapping[str, Any]) -> Update:
    """Return the statement that changes the row with those keys; the values are named as the columns, after `its_`."""
    return update(table).where(*(table.c[key] == bindparam(f"its_{key}") for key in keys)).values(**changed)


# Made once: alerts come in masses, and to build a statement takes longer than to run it.
_ALERT = select(ALERTS).where(ALERTS.c.scope == bindparam("its_scope"), ALERTS.c.key == bindparam("its_key"))
_AN_ALERT = ("scope", "key")
_KEEP = _changing(
    ALERTS, _AN_ALERT, {one.name: bindparam(f"its_{one.name}") for one in ALERTS.c if one.name not in _AN_ALERT}
)
_HEARD_AGAIN = _changing(
    HEARD,
    ("delivery", "position", "decision", "incident"),
    {"times": HEARD.c.times + bindparam("its_times"), "at": bindparam("its_at"), "reason": bindparam("its_reason")},
)


def _put(connection: Connection, changing: Update, table: Table, row: dict[str, Any]) -> None:
    """Change a row, or adds it; within the turn of those who take alerts in, nobody else does."""
    if connection.execute(changing, {f"its_{name}": value for name, value in row.items()}).rowcount == 0:
        connection.execute(insert(table), row)


class AlertBook:
    """The alerts of a journal."""

    _db: Database
    scope: Scope

    @contextmanager
    def together(self, *turns: str) -> Generator[None]:
        """Make one transaction of all that this thread reads and writes inside."""
        with self._db.together(*turns):
            yield

    def alert(self, key: str) -> AlertState | None:
        """Return the alert with that key, or None."""
        with self._db.reading() as connection:
            row = connection.execute(_ALERT, {"its_scope": str(self.scope), "its_key": key}).one_or_none()
        return _known(row) if row else None

    def alerts_of(self, incident: str) -> list[AlertState]:
        """Return the alerts that belong to an incident now."""
        wanted = select(ALERTS).where(ALERTS.c.incident == incident).order_by(ALERTS.c.key)
        with self._db.reading() as connection:
            return [_known(row) for row in connection.execute(wanted)]

    def keep_alert(self, alert: AlertState) -> None:
        """Record how an alert stands."""
        row: dict[str, Any] = {
            **vars(alert),
            "scope": str(self.scope),
            "source_time": _text(alert.source_time),
            "changed_at": alert.changed_at.isoformat(),
            "last_seen_at": alert.last_seen_at.isoformat(),
            "turns": json.dumps([at.isoformat() for at in alert.turns]),
        }
        with self._db.writing(INCIDENTS) as connection:
            _put(connection, _KEEP, ALERTS, row)

    def hear(self, heard: AlertDecision) -> None:
        """Record what became of an alert, or counts it."""
        row = {name: value for name, value in vars(heard).items() if name != "number"} | {
            "at": heard.at.isoformat(),
            "source_time": _text(heard.source_time),
            "incident": heard.incident or "",
        }
        with self._db.writing(INCIDENTS) as connection:
            _put(connection, _HEARD_AGAIN, HEARD, row)

    def heard(
        self, *, delivery: str | None = None, incident: str | None = None, limit: int | None = 1000
    ) -> list[AlertDecision]:
        """Return what was heard, in order; of more than `limit` the newest, of None all."""
        wanted = select(HEARD).order_by(HEARD.c.number.desc()).limit(limit)
        if delivery is not None:
            wanted = wanted.where(HEARD.c.delivery == delivery)
        if incident is not None:
            wanted = wanted.where(HEARD.c.incident == incident)
        with self._db.reading() as connection:
            return [_heard(row) for row in connection.execute(wanted)][::-1]

    def count_heard(self, delivery: str) -> int:
        """Return how many lines were heard of a delivery."""
        wanted = select(func.count()).select_from(HEARD).where(HEARD.c.delivery == delivery)
        with self._db.reading() as connection:
            return connection.execute(wanted).scalar_one()

    def collapsed(self, incident: str, after: int) -> tuple[int, int]:
        """Return how many were collapsed after the number `after`, and the last one's number."""
        those = (HEARD.c.incident == incident) & (HEARD.c.decision == "collapsed") & (HEARD.c.number > after)
        with self._db.reading() as connection:
            count, last = connection.execute(select(func.count(), func.max(HEARD.c.number)).where(those)).one()
        return count, last or after


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _known(row: Row[Any]) -> AlertState:
    return AlertState(
        row.key,
        row.incident,
        row.source,
        row.title,
        row.state,
        row.said,
        _moment(row.source_time),
        datetime.fromisoformat(row.changed_at),
        datetime.fromisoformat(row.last_seen_at),
        tuple(datetime.fromisoformat(at) for at in json.loads(row.turns)),
        row.times,
    )


def _heard(row: Row[Any]) -> AlertDecision:
    return AlertDecision(
        row.delivery,
        row.position,
        row.decision,
        row.reason,
        datetime.fromisoformat(row.at),
        row.source,
        row.key,
        row.state,
        row.title,
        row.severity,
        row.service,
        _moment(row.source_time),
        row.incident or None,
        row.times,
        row.number,
    )
