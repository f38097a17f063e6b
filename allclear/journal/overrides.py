"""The journal's takeovers: who said that a turn of a rota is theirs now, and when. Rows are only ever added."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select

from allclear.domain.plan import RotaOverride
from allclear.domain.scope import Scope
from allclear.journal.database import Database
from allclear.journal.tables import TAKEOVERS


def add_override(database: Database, scope: Scope, takeover: RotaOverride) -> None:
    """Write it down."""
    row = takeover.model_dump() | {"scope": str(scope), "at": takeover.at.isoformat()}
    with database.writing() as connection:
        connection.execute(insert(TAKEOVERS).values(**row))


def newest_overrides(database: Database, scope: Scope, role: str, limit: int) -> list[RotaOverride]:
    """Return up to `limit` takeovers of `role`, the newest first."""
    wanted = (
        select(TAKEOVERS)
        .where(TAKEOVERS.c.scope == str(scope), TAKEOVERS.c.role == role)
        .order_by(TAKEOVERS.c.number.desc())
        .limit(limit)
    )
    with database.reading() as connection:
        return [
            RotaOverride(role=row.role, layer=row.layer, person=row.person, at=datetime.fromisoformat(row.at))
            for row in connection.execute(wanted).all()
        ]
