"""The inbox: the requests of monitoring systems, stored byte for byte before they are read."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from allclear.domain.errors import NotFound
from allclear.journal.rows import Delivery, DeliverySummary, NewDelivery
from allclear.journal.statements import (
    ADD_DELIVERY,
    COUNT_REPEAT,
    DELIVERIES_WITH_KEYS_LOCKED,
    DELIVERY,
    LAST_DELIVERY,
    NEWEST_UNREAD,
    READ_AGAIN,
    READ_NOW,
    SET_STATE,
    SET_TAKEN_IN,
    UNREAD,
)
from allclear.journal.store import Store
from allclear.journal.tables import INBOX

_LOCK = "numbers and keys of deliveries"


@dataclass
class _Known:
    """A delivery with one of the keys that arrive now."""

    id: str
    unread: bool
    place: int
    """The last place in the order of arrival at which it will be read, or was read."""
    to_read: bool = False
    """Whether it was not waiting to be read before this transaction, and is now."""


class _Arrivals:
    """What arrives in one transaction: new deliveries, repeats that are counted, repeats that are read again."""

    def __init__(self, connection: Connection, scope: str, at: str, keys: Sequence[str]) -> None:
        self._connection = connection
        self._scope = scope
        self._at = at
        rows = connection.execute(DELIVERIES_WITH_KEYS_LOCKED, {"p_delivery_keys": sorted(set(keys))})
        self._known = {
            row.delivery_key: _Known(row.id, row.state == "new", row.read_again or row.number) for row in rows
        }
        self._last = _higher(connection.execute(LAST_DELIVERY).one())
        self._newest: dict[str, int] = {}
        """Source -> the last place at which a delivery of it will be read, as far as that was needed."""

    def store(self, new: NewDelivery, key: str) -> tuple[str, bool]:
        """Store one delivery, and return its id and whether there is something new to read."""
        known = self._known.get(key)
        if known is None:
            self._known[key] = known = self._add(new, key)
        elif new.once or (known.unread and known.place >= self._newest_unread(new.source)):
            self._connection.execute(COUNT_REPEAT, {"p_id": known.id, "p_count": 1})
        else:
            place = self._next_place(new.source)
            again = READ_AGAIN if known.unread else READ_NOW
            self._connection.execute(again, {"p_id": known.id, "p_count": 1, "p_number": place})
            known.to_read = known.to_read or not known.unread
            known.unread, known.place = True, place
        return known.id, known.to_read

    def _add(self, new: NewDelivery, key: str) -> _Known:
        known = _Known(uuid.uuid4().hex, unread=True, place=self._next_place(new.source), to_read=True)
        row = {
            "id": known.id,
            "number": known.place,
            "scope": self._scope,
            "source": new.source,
            "delivery_key": key,
            "received_at": self._at,
            "headers": json.dumps(new.headers),
            "body": new.body,
            "count": 1,
            "state": "new",
            "incident": None,
            "reason": "",
            "taken_in": 0,
            "read_again": None,
        }
        self._connection.execute(ADD_DELIVERY, row)
        return known

    def _next_place(self, source: str) -> int:
        self._last += 1
        self._newest[source] = self._last
        return self._last

    def _newest_unread(self, source: str) -> int:
        if source not in self._newest:
            row = {"p_scope": self._scope, "p_source": source}
            self._newest[source] = _higher(self._connection.execute(NEWEST_UNREAD, row).one())
        return self._newest[source]


def _higher(places: Sequence[int | None]) -> int:
    """Return the higher of two places, either of which may be missing; 0 if both are."""
    return max(place or 0 for place in places)


class SqlInbox(Store):
    """The inbox of a journal."""

    def receive_all(self, received: Sequence[NewDelivery]) -> list[tuple[str, bool]]:
        """Store deliveries in the order in which they came, or count their repeats."""
        keys = [self._key(new) for new in received]
        with self._db.writing(_LOCK) as connection:
            arrivals = _Arrivals(connection, self._scope_text, self._clock().isoformat(), keys)
            return [arrivals.store(new, key) for new, key in zip(received, keys, strict=True)]

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
