"""The first journal: incidents and their entries, claims, inbox, errands, waits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables, and the triggers that keep the entries as they were written."""
    _record()
    _claims()
    _post()
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER entries_no_{change.lower()} BEFORE {change} ON entries "
            "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )


def _record() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("short", sa.String, nullable=False),
        sa.Column("company", sa.String, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("key", sa.String),
        sa.Column("opened_at", sa.String, nullable=False),
        sa.Column("ended_at", sa.String),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("head", sa.String, nullable=False),
    )
    op.create_index("incidents_number", "incidents", ["short", "number"], unique=True)
    op.create_index("incidents_open_key", "incidents", ["key"], unique=True, sqlite_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "entries",
        sa.Column("incident", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("before", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("act", sa.String),
        sa.Column("resource", sa.String),
    )
    op.create_index("entries_resource", "entries", ["resource", "incident"])
    op.create_index(
        "entries_one_outcome",
        "entries",
        ["incident", "act"],
        unique=True,
        sqlite_where=sa.text("kind = 'act.finished'"),
    )


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("resource", sa.String, primary_key=True),
        sa.Column("incident", sa.String, nullable=False),
        sa.Column("act", sa.String, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("token", sa.String, nullable=False),
        sa.Column("until", sa.String, nullable=False),
    )


def _post() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("delivery_key", sa.String, nullable=False, unique=True),
        sa.Column("received_at", sa.String, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("incident", sa.String),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_table(
        "errands",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("incident", sa.String, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.String, nullable=False),
        sa.Column("done", sa.Integer, nullable=False, index=True),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_table(
        "waits",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("ask", sa.String, primary_key=True),
        sa.Column("incident", sa.String, nullable=False),
    )
