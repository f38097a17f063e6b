"""The outbox: requests to Prefect, stored with the entries that cause them, and the flow runs that wait for answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from allclear.journal.database import Database
from allclear.journal.rows import OutboxKind, OutboxMessage
from allclear.journal.statements import DUE_MESSAGES, DUE_MESSAGES_OF
from allclear.journal.store import Store
from allclear.journal.tables import OUTBOX, WAITING_RUNS


def add_messages(database: Database, connection: Connection, messages: Sequence[OutboxMessage], now: datetime) -> None:
    """Store messages within the caller's transaction; a message whose key is known is left as it is."""
    for message in sorted(messages, key=lambda one: one.key):  # so that two transactions lock the keys in one order
        row = {
            "key": message.key,
            "kind": message.kind.value,
            "incident": message.incident,
            "detail": json.dumps(message.detail),
            "attempts": 0,
            "next_at": now.isoformat(),
            "done": 0,
            "reason": "",
        }
        database.add_unless_there(connection, OUTBOX, row, "key")


class SqlOutbox(Store):
    """The outbox and the waiting runs of a journal."""

    def outbox(self, *, limit: int = 50, incident: str | None = None) -> list[OutboxMessage]:
        """Return the messages that are due, oldest first."""
        due, values = DUE_MESSAGES, {"p_scope": self._scope_text, "p_now": self._clock().isoformat(), "p_limit": limit}
        if incident is not None:
            due, values = DUE_MESSAGES_OF, values | {"p_incident": incident}
        with self._db.reading() as connection:
            rows = connection.execute(due, values).all()
        return [
            OutboxMessage(OutboxKind(row.kind), row.incident, row.key, json.loads(row.detail), row.attempts)
            for row in rows
        ]

    def message_done(self, key: str) -> None:
        """Record that a message is delivered."""
        with self._db.writing() as connection:
            connection.execute(update(OUTBOX).where(OUTBOX.c.key == key).values(done=1))

    def message_failed(self, key: str, reason: str, again_in: timedelta) -> None:
        """Record a failed attempt."""
        with self._db.writing() as connection:
            message = update(OUTBOX).where(OUTBOX.c.key == key)
            next_at = (self._clock() + again_in).isoformat()
            connection.execute(message.values(attempts=OUTBOX.c.attempts + 1, reason=reason, next_at=next_at))

    def add_waiting_run(self, run: str, incident: str, *asks: str) -> None:
        """Record that a Prefect flow run waits for an answer to one of `asks`, and for nothing else."""
        with self._db.writing(f"run {run}") as connection:
            connection.execute(delete(WAITING_RUNS).where(WAITING_RUNS.c.run == run))
            for ask in dict.fromkeys(asks):
                connection.execute(insert(WAITING_RUNS).values(run=run, ask=ask, incident=incident))

    def waiting_runs(self, ask: str) -> list[str]:
        """Return the flow runs that wait for the answer to `ask`."""
        with self._db.reading() as connection:
            return list(connection.execute(select(WAITING_RUNS.c.run).where(WAITING_RUNS.c.ask == ask)).scalars())

    def awaited_by(self, run: str) -> tuple[str, str] | None:
        """Return the incident and the ask for which a flow run waited last; None if it never waited."""
        with self._db.reading() as connection:
            found = connection.execute(
                select(WAITING_RUNS.c.incident, WAITING_RUNS.c.ask).where(WAITING_RUNS.c.run == run)
            ).first()
        return (found.incident, found.ask) if found else None
