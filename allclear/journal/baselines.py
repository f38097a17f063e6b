"""The journal's baselines: which revision had all users and was healthy, and when. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select

from allclear.domain.baseline import Baseline
from allclear.domain.scope import Scope
from allclear.journal.database import Database
from allclear.journal.tables import BASELINES


def add_baselines(database: Database, scope: Scope, baselines: Sequence[Baseline]) -> None:
    """Write them down, all or none."""
    rows = [
        {
            "scope": str(scope),
            "resource": one.resource,
            "revision": one.revision,
            "at": one.at.isoformat(),
            "said_by": one.said_by,
        }
        for one in baselines
    ]
    if rows:
        with database.writing() as connection:
            connection.execute(insert(BASELINES), rows)


def newest_baselines(database: Database, scope: Scope, resource: str, before: datetime, limit: int) -> list[Baseline]:
    """Return up to `limit` baselines of `resource` that are no later than `before`, the newest first."""
    wanted = select(BASELINES).where(
        BASELINES.c.scope == str(scope), BASELINES.c.resource == resource, BASELINES.c.at <= before.isoformat()
    )
    with database.reading() as connection:
        rows = connection.execute(wanted.order_by(BASELINES.c.at.desc(), BASELINES.c.number.desc()).limit(limit)).all()
    return [
        Baseline(resource=row.resource, revision=row.revision, at=datetime.fromisoformat(row.at), said_by=row.said_by)
        for row in rows
    ]
