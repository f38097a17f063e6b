"""Claims on resources: at most one act changes a resource at a time, and a dead holder's claim is free at once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from allclear.domain.base import Clock
from allclear.domain.errors import ConcurrentWrite
from allclear.domain.records import ActFinished, ActIntended, By
from allclear.domain.scope import Scope
from allclear.journal.database import Database
from allclear.journal.entries import SqlEntries
from allclear.journal.rows import Acquired, Claim, Finished, Held
from allclear.journal.statements import (
    ADD_CLAIM,
    CLAIM_ON,
    ENTRY_OF_ACT,
    REMOVE_CLAIM,
    REMOVE_OWN_CLAIM,
    RENEW_OWN_CLAIM,
)


class SqlClaims(SqlEntries):
    """The claims of a journal."""

    def __init__(self, database: Database, scope: Scope, clock: Clock) -> None:
        super().__init__(database, scope, clock)
        try:
            self._liveness = database.liveness()
        except BaseException:
            database.close()
            raise

    @property
    def holder(self) -> str:
        """Return the id of this process among the holders of claims."""
        return self._liveness.holder

    def gone(self, holder: str) -> bool:
        """Return whether the process with that id has ended."""
        with self._db.reading() as connection:
            return self._liveness.gone(connection, holder)

    def claim(  # noqa: PLR0913 - the port
        self,
        resource: str,
        incident: str,
        act: str,
        lease: timedelta,
        intent: ActIntended,
        by: By,
        *,
        expect: int | None = None,
    ) -> Claim:
        """Acquire the claim on `resource`, and append the intent in the same transaction."""
        self._liveness.hold()
        with self._db.writing(self._lock_name(resource)) as connection:
            # Locked because an outcome may be written without holding the claim.
            length, _ = self._lock_incident(connection, incident)
            if _has(connection, incident, act, "act.finished"):
                return Finished()
            row = connection.execute(CLAIM_ON, self._claim_on(resource)).one_or_none()
            dead = False
            if row is not None:
                until = datetime.fromisoformat(row.until)
                dead = self._liveness.gone(connection, row.holder)
                free = dead or until < self._clock()
                if (row.incident, row.act) != (incident, act) or not free:
                    return Held(row.incident, row.act, row.holder, until, free)
            resumed = _has(connection, incident, act, "act.intended")
            if not resumed and expect is not None and expect != length:
                raise ConcurrentWrite(f"{incident} has a newer entry than {expect}.", "Read it again and decide again.")
            token = uuid.uuid4().hex
            values = {
                "scope": self._scope_text,
                "resource": resource,
                "incident": incident,
                "act": act,
                "holder": self.holder,
                "token": token,
                "until": (self._clock() + lease).isoformat(),
            }
            connection.execute(REMOVE_CLAIM, self._claim_on(resource))
            connection.execute(ADD_CLAIM, values)
            if not resumed:
                self._append(connection, incident, [intent], by)
        return Acquired(token, resumed, holder_dead=(dead and self._liveness.sure) or row is None)

    def renew(self, resource: str, token: str, lease: timedelta) -> bool:
        """Extend the lease; return False if the claim is another's."""
        self._liveness.hold()
        with self._db.writing(self._lock_name(resource)) as connection:
            until = (self._clock() + lease).isoformat()
            values = self._claim_on(resource) | {"p_token": token, "p_until": until}
            return connection.execute(RENEW_OWN_CLAIM, values).rowcount == 1

    def finish(
        self,
        resource: str,
        token: str,
        incident: str,
        finished: ActFinished,
        by: By,
        records: Sequence[Any] = (),
    ) -> bool:
        """Append the outcome and release the claim; return False if the claim is another's."""
        with self._db.writing(self._lock_name(resource)) as connection:
            own = self._claim_on(resource) | {"p_token": token}
            if connection.execute(REMOVE_OWN_CLAIM, own).rowcount != 1:
                return False
            self._append(connection, incident, [finished, *records], by)
        return True

    def _claim_on(self, resource: str) -> dict[str, str]:
        return {"p_scope": self._scope_text, "p_resource": resource}

    def _lock_name(self, resource: str) -> str:
        return f"claim on {self._scope_text}: {resource}"


def _has(connection: Connection, incident: str, act: str, kind: str) -> bool:
    values = {"p_incident": incident, "p_act": act, "p_kind": kind}
    return connection.execute(ENTRY_OF_ACT, values).first() is not None
