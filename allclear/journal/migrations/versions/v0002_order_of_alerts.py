"""The order of alerts: where a repeat is read again, and what a source says about the order of its messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns; they are empty for everything that was received before."""
    op.add_column("inbox", sa.Column("read_again", sa.Integer))
    op.create_index("ix_inbox_read_again", "inbox", ["read_again"])
    op.add_column("alerts", sa.Column("source_order", TEXT))
    op.add_column("alerts", sa.Column("source_end", TEXT))
