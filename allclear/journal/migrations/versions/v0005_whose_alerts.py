"""Whose a delivery is, and how far it has been taken in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Add both columns; what came in before belongs to whoever reads it."""
    op.add_column("inbox", sa.Column("world", WORD, nullable=False, server_default=""))
    op.add_column("inbox", sa.Column("read_to", sa.Integer, nullable=False, server_default="0"))
