"""Incidents and their chained entries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic_core import PydanticSerializationError
from sqlalchemy import Connection, Row, insert, select

from allclear.domain.errors import ConcurrentWrite, NotFound, Unreadable
from allclear.domain.records import GENESIS, RECORD, By, Entry, IncidentEnded, IncidentOpened
from allclear.domain.scope import Scope
from allclear.journal.hash_chain import link
from allclear.journal.outbox import add_messages
from allclear.journal.ports import INCIDENTS as INCIDENTS_LOCK
from allclear.journal.requests import claim_request
from allclear.journal.rows import IncidentRow, OutboxMessage
from allclear.journal.statements import (
    ADD_ENTRY,
    ENTRIES_AFTER,
    HEAD,
    HEAD_LOCKED,
    LAST_NUMBER,
    OPEN_WITH_KEY,
    OPEN_WITH_KEY_LOCKED,
    SET_ENDED,
    SET_HEAD,
    TICKET_PREFIX,
    TOUCHING,
    incidents_where,
)
from allclear.journal.store import Store
from allclear.journal.tables import ENTRIES, INCIDENTS


class SqlEntries(Store):
    """The incidents of a journal, and their entries."""

    def open_incident(
        self,
        short: str,
        opened: IncidentOpened,
        by: By,
        *,
        key: str | None = None,
        records: Sequence[Any] = (),
        outbox: Sequence[OutboxMessage] = (),
    ) -> tuple[str, bool]:
        """Open an incident, or append to the open one with that key."""
        if Scope(opened.company, simulated=opened.simulated) != self.scope:
            msg = f"an incident of another scope cannot be opened in the journal of {self.scope}"
            raise ValueError(msg)
        opened = opened.model_copy(update={"simulation": self.scope.simulation})
        with self._db.writing(INCIDENTS_LOCK) as connection:
            if key is not None:
                found = connection.execute(OPEN_WITH_KEY_LOCKED, {"p_scope": self._scope_text, "p_key": key}).scalar()
                if found is not None:
                    self._append(connection, found, records, by)
                    return found, False
            prefix = f"{short}{TICKET_PREFIX}" if opened.ticket else short  # tickets take no number of an incident
            number = (connection.execute(LAST_NUMBER, {"p_short": prefix}).scalar() or 0) + 1
            incident = f"{prefix}{number}" if opened.ticket else f"{prefix}-{number}"
            connection.execute(
                insert(INCIDENTS).values(
                    id=incident,
                    number=number,
                    short=prefix,
                    scope=self._scope_text,
                    service=opened.service,
                    key=key,
                    opened_at=self._clock().isoformat(),
                    ended_at=None,
                    length=0,
                    head=GENESIS,
                )
            )
            self._append(connection, incident, [opened, *records], by)
            messages = [OutboxMessage(m.kind, incident, m.key.format(incident=incident), m.detail) for m in outbox]
            add_messages(self._db, connection, messages, self._clock())
        return incident, True

    def append(
        self,
        incident: str,
        records: Sequence[Any],
        by: By,
        *,
        expect: int | None = None,
        outbox: Sequence[OutboxMessage] = (),
    ) -> list[Entry]:
        """Append records in order."""
        with self._db.writing() as connection:
            entries = self._append(connection, incident, records, by, expect)
            add_messages(self._db, connection, outbox, self._clock())
        return entries

    def _append(
        self, connection: Connection, incident: str, records: Sequence[Any], by: By, expect: int | None = None
    ) -> list[Entry]:
        length, head = self._lock_incident(connection, incident)
        claim_request(self._db, connection, self._scope_text, by.request, self._clock())
        if expect is not None and length != expect:
            raise ConcurrentWrite(
                f"{incident} has a newer entry ({length}) than the one that was read ({expect}).",
                "Read it again and decide again.",
            )
        at, by_json, entries = self._clock(), by.model_dump_json(), list[Entry]()
        for record in records:
            length, record_json = length + 1, _as_json(record)
            hashed = link(incident, length, at.isoformat(), by_json, record_json, head)
            values = {
                "incident": incident,
                "number": length,
                "at": at.isoformat(),
                "by": by_json,
                "kind": record.kind,
                "record": record_json,
                "previous_hash": head,
                "hash": hashed,
                "act": getattr(record, "act", None),
                "resource": getattr(record, "resource", None) or None,
            }
            connection.execute(ADD_ENTRY, values)
            entries.append(
                Entry(incident=incident, number=length, at=at, by=by, record=record, previous_hash=head, hash=hashed)
            )
            head = hashed
        ended_at = next((at.isoformat() for record in records if isinstance(record, IncidentEnded)), None)
        values = {"p_id": incident, "p_length": length, "p_head": head}
        if ended_at:
            connection.execute(SET_ENDED, values | {"p_ended_at": ended_at})
        else:
            connection.execute(SET_HEAD, values)
        return entries

    def _lock_incident(self, connection: Connection, incident: str) -> tuple[int, str]:
        """Return an incident's length and head, and lock it until the transaction ends. Raises NotFound."""
        return self._in_scope(incident, connection.execute(HEAD_LOCKED, {"p_id": incident}).one_or_none())

    def _in_scope(self, incident: str, row: Row[tuple[int, str, str]] | None) -> tuple[int, str]:
        if row is None:
            raise _unknown(incident)
        self.scope.require(incident, Scope.read(row.scope))
        return row.length, row.head

    def entries(self, incident: str, *, after: int = 0) -> list[Entry]:
        """Return the entries with a number over `after`, in order."""
        with self._db.reading() as connection:
            rows = connection.execute(ENTRIES_AFTER, {"p_incident": incident, "p_number": after}).all()
            if not rows and connection.execute(HEAD, {"p_id": incident}).one_or_none() is None:
                raise _unknown(incident)
        try:
            return [_entry(row) for row in rows]
        except ValueError as error:
            raise Unreadable(
                f"An entry of {incident} cannot be read.",
                f"`allclear verify {incident}` names the entry; restore the journal from a backup.",
            ) from error

    def head(self, incident: str) -> tuple[int, str]:
        """Return how many entries an incident has, and the hash of the last."""

        def read() -> Row[tuple[int, str, str]] | None:
            with self._db.reading() as connection:
                return connection.execute(HEAD, {"p_id": incident}).one_or_none()

        return self._in_scope(incident, self._db.unless_written(incident, read))

    def open_with_key(self, key: str) -> str | None:
        """Return the id of the open incident that was opened with `key`, or None."""
        with self._db.reading() as connection:
            return connection.execute(OPEN_WITH_KEY, {"p_scope": self._scope_text, "p_key": key}).scalar()

    def incidents(
        self,
        *,
        open_only: bool = False,
        service: str | None = None,
        since: datetime | None = None,
        ended_since: datetime | None = None,
        with_follow_ups: datetime | None = None,
        with_tickets: bool = False,
    ) -> list[IncidentRow]:
        """Return the incidents, newest first."""
        filters = {
            "service": service,
            "since": since.isoformat() if since else None,
            "ended_since": ended_since.isoformat() if ended_since else None,
            "with_follow_ups": with_follow_ups.isoformat() if with_follow_ups else None,
        }
        values = {f"p_{name}": value for name, value in filters.items() if value is not None}
        names = {name for name, value in filters.items() if value is not None}
        names |= {"open_only"} if open_only else set()
        names |= set() if with_tickets else {"no_tickets"}
        query = incidents_where(frozenset(names))
        with self._db.reading() as connection:
            rows = connection.execute(query, {"p_scope": self._scope_text} | values).all()
        return [
            IncidentRow(
                row_id,
                of_service,
                datetime.fromisoformat(opened),
                datetime.fromisoformat(ended) if ended else None,
                length,
                head,
            )
            for row_id, of_service, opened, ended, length, head in rows
        ]

    def incidents_touching(self, resource: str) -> list[str]:
        """Return the ids of the incidents with an act on `resource`, oldest first."""
        values = {"p_scope": self._scope_text, "p_resource": resource}
        with self._db.reading() as connection:
            return list(connection.execute(TOUCHING, values).scalars())

    def broken_link(self, incident: str) -> int | None:
        """Return the number of the first entry whose hash is wrong, or None if the chain is whole."""
        with self._db.reading() as connection:
            query = select(ENTRIES).where(ENTRIES.c.incident == incident).order_by(ENTRIES.c.number)
            rows = connection.execute(query).all()
            stored = connection.execute(HEAD, {"p_id": incident}).one_or_none()
        if stored is None:
            raise _unknown(incident)
        previous = GENESIS
        for number, row in enumerate(rows, start=1):
            try:
                hashed = link(incident, number, row.at, row.by, row.record, previous)
                kind = json.loads(row.record)["kind"]
            except (ValueError, KeyError, TypeError):
                return number
            if (row.number, row.previous_hash, row.hash, row.kind) != (number, previous, hashed, kind):
                return number
            previous = row.hash
        return None if (len(rows), previous) == (stored.length, stored.head) else len(rows) + 1


def _as_json(record: Any) -> str:  # noqa: ANN401 - any record
    """Return a record as JSON. A lone surrogate, which JSON can contain and UTF-8 cannot, becomes `?`."""
    try:
        return record.model_dump_json(by_alias=True)
    except PydanticSerializationError:
        text = json.dumps(record.model_dump(mode="json", by_alias=True), ensure_ascii=False)
        return text.encode(errors="replace").decode()


def _entry(row: Row[Any]) -> Entry:
    return Entry.model_construct(  # each part is validated alone: validating the entry again would double the time
        incident=row.incident,
        number=row.number,
        at=_utc(row.at),
        by=_by(row.by),
        record=_record(row.record),
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


@lru_cache(maxsize=1000)
def _by(stored: str) -> By:
    """Return the stored author; cached, because few people and sources write most entries."""
    return By.model_validate_json(stored)


@lru_cache(maxsize=500)
def _record(stored: str) -> Any:  # noqa: ANN401 - any record
    """Return the stored record, which never changes; cached, because a response reads its own entries many times."""
    return RECORD.validate_json(stored)


def _utc(stored: str) -> datetime:
    at = datetime.fromisoformat(stored)
    if at.utcoffset() != timedelta(0):
        msg = f"{stored} is not a time in UTC"
        raise ValueError(msg)
    return at


def _unknown(incident: str) -> NotFound:
    return NotFound(f"There is no incident {incident} in this journal.", "`allclear incidents` lists the incidents.")
