"""What became of the test messages to people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table, whose rows are only ever added."""
    op.create_table(
        "channel_tests",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("way", TEXT, nullable=False),
        sa.Column("person", TEXT, nullable=False),
        sa.Column("result", TEXT, nullable=False),
        sa.Column("sentence", TEXT, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER channel_tests_no_{change.lower()} BEFORE {change} ON channel_tests "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        return
    for change in ("UPDATE", "DELETE", "TRUNCATE"):
        op.execute(
            f"CREATE TRIGGER channel_tests_no_{change.lower()} BEFORE {change} ON channel_tests "
            "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"
        )
