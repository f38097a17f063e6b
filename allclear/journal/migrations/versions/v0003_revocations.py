"""Revocations of personal links, sign-ins and tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table, whose rows are only ever added."""
    op.create_table(
        "revocations",
        sa.Column("number", sa.Integer, primary_key=True),
        *[
            sa.Column(name, TEXT, nullable=False)
            for name in ("scope", "person_key", "person", "incident", "by", "reason", "at")
        ],
    )
    op.create_index("revocations_of_person", "revocations", ["scope", "person_key"])
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER revocations_no_{change.lower()} BEFORE {change} ON revocations "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        return
    for change in ("UPDATE", "DELETE", "TRUNCATE"):
        op.execute(
            f"CREATE TRIGGER revocations_no_{change.lower()} BEFORE {change} ON revocations "
            "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"
        )
