"""Takeovers: who said that a turn of a rota is theirs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table, and the triggers that keep its rows as they were written."""
    op.create_table(
        "overrides",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("role", WORD, nullable=False),
        sa.Column("layer", WORD, nullable=False),
        sa.Column("person", WORD, nullable=False),
        sa.Column("at", WORD, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER overrides_no_{change.lower()} BEFORE {change} ON overrides "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        return
    for change in ("UPDATE", "DELETE", "TRUNCATE"):
        op.execute(
            f"CREATE TRIGGER overrides_no_{change.lower()} BEFORE {change} ON overrides "
            "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"
        )
