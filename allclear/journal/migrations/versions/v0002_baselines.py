"""Baselines: which revision had all users and was healthy, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table, and the triggers that keep its rows as they were written."""
    op.create_table(
        "baselines",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("resource", WORD, nullable=False),
        sa.Column("revision", WORD, nullable=False),
        sa.Column("at", WORD, nullable=False),
        sa.Column("said_by", WORD, nullable=False),
    )
    op.create_index("baselines_newest", "baselines", ["resource", "at"])
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER baselines_no_{change.lower()} BEFORE {change} ON baselines "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        return
    for change in ("UPDATE", "DELETE", "TRUNCATE"):
        op.execute(
            f"CREATE TRIGGER baselines_no_{change.lower()} BEFORE {change} ON baselines "
            "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"
        )
