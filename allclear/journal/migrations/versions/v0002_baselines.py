"""Baselines: which revision had all users and was healthy, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the table; on SQLite, with the triggers that keep its rows as they were written."""
    op.create_table(
        "baselines",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("resource", sa.String, nullable=False),
        sa.Column("revision", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("said_by", sa.Text, nullable=False),
    )
    op.create_index("baselines_newest", "baselines", ["resource", "at"])
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER baselines_no_{change.lower()} BEFORE {change} ON baselines "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
