"""The journal's post: what monitoring sent (the inbox), and what Prefect is to be told (the errands)."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from allclear.domain.base import Clock
from allclear.domain.errors import NotFound
from allclear.domain.scope import Scope
from allclear.journal.database import Database
from allclear.journal.ports import Delivery, NewDelivery, OutboxKind, OutboxMessage
from allclear.journal.statements import (
    A_DELIVERY,
    ADD_DELIVERY,
    DELIVERED,
    DELIVERED_AGAIN,
    LAST_DELIVERY,
    READ_TO,
    SETTLED,
    UNREAD,
)
from allclear.journal.tables import INBOX, INCIDENTS, OUTBOX, WAITS


class Post:
    """The inbox, the errands and the waiting runs of a journal."""

    def __init__(self, database: Database, scope: Scope, clock: Clock) -> None:
        self.scope = scope
        self._db = database
        self._clock = clock

    def _add_outbox(self, connection: Connection, outbox: Sequence[OutboxMessage]) -> None:
        """Put errands into the outbox within the caller's transaction; a key that is known stays as it is."""
        now = self._clock().isoformat()
        for message in sorted(outbox, key=lambda one: one.key):  # two with the same keys never wait for each other
            row = {
                "key": message.key,
                "kind": message.kind.value,
                "incident": message.incident,
                "detail": json.dumps(message.detail),
                "attempts": 0,
                "next_at": now,
                "done": 0,
                "reason": "",
            }
            self._db.add_unless_there(connection, OUTBOX, row, "key")

    def receive_all(self, received: Sequence[NewDelivery]) -> list[tuple[str, bool]]:
        """Keep deliveries, or counts their repeats; each repeat in the same turn is counted by its first."""
        times = Counter(map(self._key, received))
        kept: dict[str, tuple[str, bool]] = {}
        with self._db.writing("numbers and keys of deliveries") as connection:
            number: int = connection.execute(LAST_DELIVERY).scalar() or 0
            for one in sorted(received, key=self._key):  # two who lock the same rows never cross
                if (key := self._key(one)) not in kept:
                    kept[key] = self._kept(connection, one, number + 1 + len(kept), times[key])
        return [kept[self._key(one)] for one in received]

    def _kept(self, connection: Connection, one: NewDelivery, number: int, count: int) -> tuple[str, bool]:
        known = connection.execute(DELIVERED, {"its_delivery_key": self._key(one)}).one_or_none()
        if known is not None:  # the same words may mean something new by now: they are looked at again
            connection.execute(DELIVERED_AGAIN, {"its_id": known.id, "its_count": count})
            return known.id, known.state != "new"
        delivery = uuid.uuid4().hex
        row = {
            "id": delivery,
            "number": number,
            "source": one.source,
            "delivery_key": self._key(one),
            "received_at": self._clock().isoformat(),
            "headers": json.dumps(one.headers),
            "body": one.body,
            "count": count,
            "state": "new",
            "incident": None,
            "reason": "",
            "scope": str(self.scope),
            "read_to": 0,
        }
        connection.execute(ADD_DELIVERY, row)
        return delivery, True

    def _key(self, one: NewDelivery) -> str:
        """Return the key that deduplicates it: the same request for two companies is two deliveries."""
        return f"{self.scope}:{one.delivery_key}"

    def settle(self, delivery: str, state: str, reason: str, incident: str | None = None) -> None:
        """Record what became of a delivery."""
        row = {"its_id": delivery, "its_state": state, "its_reason": reason, "its_incident": incident}
        with self._db.writing() as connection:
            connection.execute(SETTLED, row)

    def read_to(self, delivery: str, count: int) -> None:
        """Record how many alerts of a delivery are taken in."""
        with self._db.writing() as connection:
            connection.execute(READ_TO, {"its_id": delivery, "its_count": count})

    def unread(self, per_source: int = 100) -> list[tuple[str, str]]:
        """Return id and source of what is to be taken in, oldest first."""
        with self._db.reading() as connection:
            rows = connection.execute(UNREAD, {"its_scope": str(self.scope), "its_most": per_source}).all()
        return [(row.id, row.source) for row in rows]

    def deliveries(self, *, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """Return deliveries, newest first; those to be worked on oldest first."""
        order = INBOX.c.number.asc() if state == "new" else INBOX.c.number.desc()
        wanted = select(INBOX).where(INBOX.c.scope == str(self.scope)).order_by(order).limit(limit)
        if state is not None:
            wanted = wanted.where(INBOX.c.state == state)
        with self._db.reading() as connection:
            return [_delivery(row) for row in connection.execute(wanted).mappings()]

    def delivery(self, delivery: str) -> Delivery:
        """Return one delivery."""
        with self._db.reading() as connection:
            row = connection.execute(A_DELIVERY, {"its_id": delivery}).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no alert {delivery}.", "GET /alerts lists those there are.")
        if row["scope"] != str(self.scope):
            raise NotFound(f"The alert {delivery} is not of {self.scope}.", f"Look at it as {row['scope']} does.")
        return _delivery(row)

    def outbox(self, *, limit: int = 50, incident: str | None = None) -> list[OutboxMessage]:
        """Return the errands that are due, oldest first."""
        ours = select(INCIDENTS.c.id).where(INCIDENTS.c.scope == str(self.scope))
        due = select(OUTBOX).where(OUTBOX.c.done == 0, OUTBOX.c.next_at <= self._clock().isoformat())
        due = due.where(OUTBOX.c.incident.in_(ours))
        if incident is not None:
            due = due.where(OUTBOX.c.incident == incident)
        with self._db.reading() as connection:
            rows = connection.execute(due.order_by(OUTBOX.c.next_at).limit(limit)).all()
        return [
            OutboxMessage(OutboxKind(row.kind), row.incident, row.key, json.loads(row.detail), row.attempts)
            for row in rows
        ]

    def message_done(self, key: str) -> None:
        """Strikes an errand off."""
        with self._db.writing() as connection:
            connection.execute(update(OUTBOX).where(OUTBOX.c.key == key).values(done=1))

    def message_failed(self, key: str, reason: str, again_in: timedelta) -> None:
        """Put an errand off."""
        with self._db.writing() as connection:
            row = update(OUTBOX).where(OUTBOX.c.key == key)
            later = (self._clock() + again_in).isoformat()
            connection.execute(row.values(attempts=OUTBOX.c.attempts + 1, reason=reason, next_at=later))

    def wait(self, run: str, incident: str, ask: str) -> None:
        """Record that a Prefect flow run waits for the answer to `ask`."""
        with self._db.writing(f"run {run}") as connection:
            connection.execute(delete(WAITS).where(WAITS.c.run == run))
            connection.execute(insert(WAITS).values(run=run, ask=ask, incident=incident))

    def waits(self, ask: str) -> list[str]:
        """Return the flow runs that wait for `ask`."""
        with self._db.reading() as connection:
            return list(connection.execute(select(WAITS.c.run).where(WAITS.c.ask == ask)).scalars())


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        row["id"],
        row["source"],
        datetime.fromisoformat(row["received_at"]),
        json.loads(row["headers"]),
        row["body"],
        row["count"],
        row["state"],
        row["incident"],
        row["reason"],
        row["read_to"],
    )
