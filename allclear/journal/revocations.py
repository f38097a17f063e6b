"""Revocations: which personal links, sign-ins and tokens are no longer accepted. Rows are only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, or_, select

from allclear.domain.base import person_key
from allclear.domain.links import Revocation
from allclear.journal.store import Store
from allclear.journal.tables import REVOCATIONS


class SqlRevocations(Store):
    """The revocations of a journal."""

    def revoke(self, revocation: Revocation) -> None:
        """Record that what was signed for a person before is no longer accepted."""
        row = revocation.model_dump() | {
            "scope": self._scope_text,
            "person_key": person_key(revocation.person),
            "at": revocation.at.isoformat(),
        }
        with self._db.writing() as connection:
            connection.execute(insert(REVOCATIONS).values(**row))

    def revocation(self, person: str, incident: str) -> Revocation | None:
        """Return the revocation with the latest time that holds for a person in an incident, or None.

        The latest, because the clocks of two machines may differ: a row that was added later may have an earlier time.
        One without a person holds for everyone, one without an incident for all incidents.
        """
        columns = REVOCATIONS.c
        query = (
            select(REVOCATIONS)
            .where(
                columns.scope == self._scope_text,
                or_(columns.person_key == "", columns.person_key == person_key(person)),
                or_(columns.incident == "", columns.incident == incident),
            )
            .order_by(columns.at.desc(), columns.number.desc())
            .limit(1)
        )

        def read() -> Row[Any] | None:
            with self._db.reading() as connection:
                return connection.execute(query).one_or_none()

        row = self._db.unless_written(f"revocation of {person_key(person)} in {incident}", read)
        if row is None:
            return None
        return Revocation(
            person=row.person,
            incident=row.incident,
            by=row.by,
            reason=row.reason,
            at=datetime.fromisoformat(row.at),
        )
