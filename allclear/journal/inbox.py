"""The inbox: the requests of monitoring systems, stored byte for byte before they are read."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from allclear.domain.errors import NotFound
from allclear.journal.ports import Delivery, DeliverySummary, NewDelivery
from allclear.journal.statements import (
    ADD_DELIVERY,
    COUNT_REPEAT,
    DELIVERY,
    DELIVERY_WITH_KEY_LOCKED,
    LAST_DELIVERY,
    SET_STATE,
    SET_TAKEN_IN,
    UNREAD,
)
from allclear.journal.store import Store
from allclear.journal.tables import INBOX

_LOCK = "numbers and keys of deliveries"


class SqlInbox(Store):
    """The inbox of a journal."""

    def receive_all(self, received: Sequence[NewDelivery]) -> list[tuple[str, bool]]:
        """Store deliveries, or count their repeats; repeats within `received` are counted with the first of them."""
        counts = Counter(map(self._key, received))
        stored: dict[str, tuple[str, bool]] = {}
        with self._db.writing(_LOCK) as connection:
            last: int = connection.execute(LAST_DELIVERY).scalar() or 0
            for new in sorted(received, key=self._key):  # so that two transactions lock the rows in one order
                if (key := self._key(new)) not in stored:
                    stored[key] = self._store(connection, new, last + 1 + len(stored), counts[key])
        return [stored[self._key(new)] for new in received]

    def _store(self, connection: Connection, new: NewDelivery, number: int, count: int) -> tuple[str, bool]:
        known = connection.execute(DELIVERY_WITH_KEY_LOCKED, {"p_delivery_key": self._key(new)}).one_or_none()
        if known is not None:
            connection.execute(COUNT_REPEAT, {"p_id": known.id, "p_count": count})
            return known.id, known.state != "new"
        delivery = uuid.uuid4().hex
        row = {
            "id": delivery,
            "number": number,
            "scope": self._scope_text,
            "source": new.source,
            "delivery_key": self._key(new),
            "received_at": self._clock().isoformat(),
            "headers": json.dumps(new.headers),
            "body": new.body,
            "count": count,
            "state": "new",
            "incident": None,
            "reason": "",
            "taken_in": 0,
        }
        connection.execute(ADD_DELIVERY, row)
        return delivery, True

    def _key(self, new: NewDelivery) -> str:
        """Return the key that deduplicates a delivery. The same request for two scopes is two deliveries."""
        return f"{self._scope_text}:{new.delivery_key}"

    def set_delivery_state(self, delivery: str, state: str, reason: str, incident: str | None = None) -> None:
        """Record what became of a delivery."""
        row = {"p_id": delivery, "p_state": state, "p_reason": reason, "p_incident": incident}
        with self._db.writing() as connection:
            connection.execute(SET_STATE, row)

    def set_taken_in(self, delivery: str, count: int) -> None:
        """Record how many alerts of a delivery are taken in."""
        with self._db.writing() as connection:
            connection.execute(SET_TAKEN_IN, {"p_id": delivery, "p_taken_in": count})

    def unread(self, per_source: int = 100) -> list[tuple[str, str]]:
        """Return id and source of the deliveries to read, oldest first."""
        with self._db.reading() as connection:
            rows = connection.execute(UNREAD, {"p_scope": self._scope_text, "p_per_source": per_source}).all()
        return [(row.id, row.source) for row in rows]

    def deliveries(self, *, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """Return deliveries, newest first; those to be read oldest first."""
        order = INBOX.c.number.asc() if state == "new" else INBOX.c.number.desc()
        query = select(INBOX).where(INBOX.c.scope == self._scope_text).order_by(order).limit(limit)
        if state is not None:
            query = query.where(INBOX.c.state == state)
        with self._db.reading() as connection:
            return [_delivery(row) for row in connection.execute(query).mappings()]

    def delivery(self, delivery: str) -> Delivery:
        """Return one delivery."""
        with self._db.reading() as connection:
            row = connection.execute(DELIVERY, {"p_id": delivery}).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no alert {delivery}.", "GET /alerts lists the alerts.")
        if row["scope"] != self._scope_text:
            raise NotFound(
                f"The alert {delivery} belongs to {row['scope']}, not to {self.scope}.",
                f"Look it up in a process that works on {row['scope']}.",
            )
        return _delivery(row)

    def delivery_summaries(
        self, *, state: str | None = None, source: str | None = None, limit: int = 100
    ) -> list[DeliverySummary]:
        """Return deliveries, newest first; bodies are not loaded, because each may be a mebibyte."""
        query = select(*(column for column in INBOX.c if column.name not in {"body", "headers"}))
        query = query.where(INBOX.c.scope == self._scope_text).order_by(INBOX.c.number.desc()).limit(limit)
        if state is not None:
            query = query.where(INBOX.c.state == state)
        if source is not None:
            query = query.where(INBOX.c.source == source)
        with self._db.reading() as connection:
            rows = connection.execute(query).mappings().all()
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
        row["taken_in"],
    )
