"""Baselines: which revision served all users while it was healthy, and when. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert

from allclear.domain.baseline import Baseline
from allclear.journal.statements import BASELINES_BEFORE
from allclear.journal.store import Store
from allclear.journal.tables import BASELINES


class SqlBaselines(Store):
    """The baselines of a journal."""

    def add_baselines(self, baselines: Sequence[Baseline]) -> None:
        """Record baselines, all or none."""
        rows = [
            {
                "scope": self._scope_text,
                "resource": one.resource,
                "revision": one.revision,
                "at": one.at.isoformat(),
                "noted_by": one.noted_by,
            }
            for one in baselines
        ]
        if rows:
            with self._db.writing() as connection:
                connection.execute(insert(BASELINES), rows)

    def baselines(self, resource: str, before: datetime, *, limit: int = 10) -> list[Baseline]:
        """Return up to `limit` baselines of `resource` that are no later than `before`, newest first."""
        values = {"p_scope": self._scope_text, "p_resource": resource}
        values |= {"p_before": before.isoformat(), "p_limit": limit}
        with self._db.reading() as connection:
            return [
                Baseline(
                    resource=row.resource,
                    revision=row.revision,
                    at=datetime.fromisoformat(row.at),
                    noted_by=row.noted_by,
                )
                for row in connection.execute(BASELINES_BEFORE, values)
            ]
