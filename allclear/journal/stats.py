"""What the journal shows to whoever watches it: numbers, and a list of what came in without the bodies."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, literal_column, select

from allclear.domain.scope import Scope
from allclear.journal.database import Database
from allclear.journal.ports import Counts, DeliverySummary
from allclear.journal.tables import CLAIMS, ENTRIES, INBOX, INCIDENTS, OUTBOX

_STATUS = {
    "sqlite": "json_extract(record, '$.outcome.status')",
    "postgresql": "record::json #>> '{outcome,status}'",
}
"""The status in the record of an outcome: each database has its own words for that."""


class Stats:
    """How a journal stands."""

    _db: Database
    scope: Scope

    def arrived(
        self,
        *,
        state: str | None = None,
        source: str | None = None,
        limit: int = 100,
    ) -> list[DeliverySummary]:
        """Return what came in, newest first; a body may be a mebibyte, and stays where it is."""
        wanted = select(*(column for column in INBOX.c if column.name not in {"body", "headers"}))
        wanted = wanted.where(INBOX.c.scope == str(self.scope)).order_by(INBOX.c.number.desc()).limit(limit)
        if state is not None:
            wanted = wanted.where(INBOX.c.state == state)
        if source is not None:
            wanted = wanted.where(INBOX.c.source == source)
        with self._db.reading() as connection:
            rows = connection.execute(wanted).mappings().all()
        return [
            DeliverySummary(
                row["id"],
                row["source"],
                datetime.fromisoformat(row["received_at"]),
                row["count"],
                row["state"],
                row["incident"],
                row["reason"],
            )
            for row in rows
        ]

    def counts(self) -> Counts:
        """Return what the journal holds, in numbers, all of one moment."""
        ours = INBOX.c.scope == str(self.scope)
        deliveries = select(INBOX.c.state, func.count()).where(ours).group_by(INBOX.c.state)
        unread = select(func.min(INBOX.c.received_at)).where(ours, INBOX.c.state == "new", INBOX.c.reason == "")
        incidents = select(INCIDENTS.c.id).where(INCIDENTS.c.scope == str(self.scope))
        outbox = select(OUTBOX.c.key).where(OUTBOX.c.done == 0, OUTBOX.c.incident.in_(incidents))
        with self._db.reading() as connection:
            since = connection.execute(unread).scalar()
            return Counts(
                deliveries={str(state): int(number) for state, number in connection.execute(deliveries)},
                unread_since=datetime.fromisoformat(since) if since else None,
                acts=_acts(connection, incidents),
                outbox=list(connection.execute(outbox).scalars()),
            )

    def prove_writable(self) -> None:
        """Write a claim on nothing and takes it back, in one transaction: nobody ever sees it."""
        nothing = f"nothing {uuid.uuid4().hex}"
        row = {column.name: "" for column in CLAIMS.c} | {"resource": nothing}
        with self._db.writing() as connection:
            connection.execute(insert(CLAIMS).values(**row))
            connection.execute(delete(CLAIMS).where(CLAIMS.c.resource == nothing))


def _acts(connection: Connection, incidents: Select[tuple[str]]) -> dict[str, int]:
    status: ColumnElement[str] = literal_column(_STATUS[connection.dialect.name])
    finished = (
        select(status, func.count())
        .where(ENTRIES.c.kind == "act.finished", ENTRIES.c.incident.in_(incidents))
        .group_by(status)
    )
    return {str(name): int(number) for name, number in connection.execute(finished)}
