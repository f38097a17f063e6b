"""Figures for monitoring allclear itself, and the check that the journal can be written."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, literal_column, select

from allclear.journal.counts import Counts
from allclear.journal.store import Store
from allclear.journal.tables import CLAIMS, ENTRIES, INBOX, INCIDENTS, OUTBOX

_STATUS = {
    "sqlite": "json_extract(record, '$.outcome.status')",
    "postgresql": "record::json #>> '{outcome,status}'",
}
"""The status in the record of an outcome, in the SQL of each database."""


class SqlStats(Store):
    """The figures of a journal."""

    def counts(self) -> Counts:
        """Return what the journal holds, in numbers, all of one moment."""
        own = INBOX.c.scope == self._scope_text
        deliveries = select(INBOX.c.state, func.count()).where(own).group_by(INBOX.c.state)
        unread = select(func.min(INBOX.c.received_at)).where(own, INBOX.c.state == "new", INBOX.c.reason == "")
        incidents = select(INCIDENTS.c.id).where(INCIDENTS.c.scope == self._scope_text)
        outbox = select(OUTBOX.c.key).where(OUTBOX.c.done == 0, OUTBOX.c.incident.in_(incidents))
        with self._db.reading() as connection:
            since = connection.execute(unread).scalar()
            return Counts(
                deliveries={str(state): int(number) for state, number in connection.execute(deliveries)},
                unread_since=datetime.fromisoformat(since) if since else None,
                acts=_acts(connection, incidents),
                outbox=list(connection.execute(outbox).scalars()),
            )

    def version(self) -> int | None:
        """Return a number that changes with every commit; None if the database has no such number."""
        return self._db.version()

    def check_writable(self) -> None:
        """Insert a claim and delete it in one transaction, which no other connection sees."""
        resource = f"write check {uuid.uuid4().hex}"
        row = {column.name: "" for column in CLAIMS.c} | {"resource": resource}
        with self._db.writing() as connection:
            connection.execute(insert(CLAIMS).values(**row))
            connection.execute(delete(CLAIMS).where(CLAIMS.c.resource == resource))


def _acts(connection: Connection, incidents: Select[tuple[str]]) -> dict[str, int]:
    status: ColumnElement[str] = literal_column(_STATUS[connection.dialect.name])
    finished = (
        select(status, func.count())
        .where(ENTRIES.c.kind == "act.finished", ENTRIES.c.incident.in_(incidents))
        .group_by(status)
    )
    return {str(name): int(number) for name, number in connection.execute(finished)}
