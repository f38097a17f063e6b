"""Requests: what each idempotency key was used for first. Rows are only ever added."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from allclear.domain.errors import Refused
from allclear.domain.requests import key_and_digest
from allclear.journal.database import Database
from allclear.journal.store import Store
from allclear.journal.tables import REQUESTS


def claim_request(database: Database, connection: Connection, scope: str, request: str, now: datetime) -> bool:
    """Store, within the caller's transaction, what the key of a request is used for; return whether it is new.

    So of two requests with one key, which two responders carry out at the same moment, one writes nothing. A request
    without a key is always new. Raises Refused if the key was used for something else.
    """
    parts = key_and_digest(request)
    if parts is None:
        return True
    key, digest = parts
    known = select(REQUESTS.c.digest).where(REQUESTS.c.scope == scope, REQUESTS.c.key == key)
    before = connection.execute(known).scalar()
    if before is None:
        row = {"scope": scope, "key": key, "digest": digest, "at": now.isoformat()}
        if database.add_unless_there(connection, REQUESTS, row, "scope", "key"):
            return True
        before = connection.execute(known).scalar()
    if before != digest:
        raise _used_for_another()
    return False


def _used_for_another() -> Refused:
    return Refused(
        "The Idempotency-Key was used before for another request, so nothing was done.",
        "Send a new key for each request, and the same key only to repeat it.",
    )


class SqlRequests(Store):
    """The requests of a journal."""

    def claim_request(self, request: str) -> bool:
        """Store what the key of a request is used for, and return whether the request is new."""
        with self._db.writing() as connection:
            return claim_request(self._db, connection, self._scope_text, request, self._clock())

    def has_request(self, request: str) -> bool:
        """Return whether the request was claimed."""
        parts = key_and_digest(request)
        return parts is not None and self._digest_of(parts[0]) == parts[1]

    def check_request(self, request: str) -> None:
        """Raise Refused if the key of the request was used for something else."""
        parts = key_and_digest(request)
        if parts is not None and self._digest_of(parts[0]) not in {None, parts[1]}:
            raise _used_for_another()

    def _digest_of(self, key: str) -> str | None:
        """Return the digest of what the key was used for first, or None."""
        known = select(REQUESTS.c.digest).where(REQUESTS.c.scope == self._scope_text, REQUESTS.c.key == key)
        with self._db.reading() as connection:
            return connection.execute(known).scalar()
