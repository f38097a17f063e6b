"""Overrides: who took over a turn of a rota, and when. Rows are only ever added."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select

from allclear.domain.plan import RotaOverride
from allclear.journal.store import Store
from allclear.journal.tables import OVERRIDES


class SqlOverrides(Store):
    """The overrides of a journal."""

    def add_override(self, override: RotaOverride) -> None:
        """Record that a person took over a turn of a rota."""
        row = override.model_dump() | {"scope": self._scope_text, "at": override.at.isoformat()}
        with self._db.writing() as connection:
            connection.execute(insert(OVERRIDES).values(**row))

    def overrides(self, role: str, *, limit: int = 50) -> list[RotaOverride]:
        """Return up to `limit` overrides of `role`, newest first."""
        query = (
            select(OVERRIDES)
            .where(OVERRIDES.c.scope == self._scope_text, OVERRIDES.c.role == role)
            .order_by(OVERRIDES.c.number.desc())
            .limit(limit)
        )
        with self._db.reading() as connection:
            return [
                RotaOverride(role=row.role, layer=row.layer, person=row.person, at=datetime.fromisoformat(row.at))
                for row in connection.execute(query)
            ]
