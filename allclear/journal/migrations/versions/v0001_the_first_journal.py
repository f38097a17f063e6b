"""The first journal: incidents and their entries, claims, inbox, errands, waits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables, and the triggers that keep the entries as they were written."""
    _record()
    _claims()
    _post()
    _triggers(op.get_bind().dialect.name)


def _triggers(database: str) -> None:
    if database == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER entries_no_{change.lower()} BEFORE {change} ON entries "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
    )
    for change in ("UPDATE", "DELETE", "TRUNCATE"):
        op.execute(
            f"CREATE TRIGGER entries_no_{change.lower()} BEFORE {change} ON entries "
            "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"
        )


def _record() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("short", WORD, nullable=False),
        sa.Column("company", WORD, nullable=False),
        sa.Column("service", WORD, nullable=False),
        sa.Column("key", WORD),
        sa.Column("opened_at", WORD, nullable=False),
        sa.Column("ended_at", WORD),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("head", WORD, nullable=False),
    )
    op.create_index("incidents_number", "incidents", ["short", "number"], unique=True)
    still_open = sa.text("ended_at IS NULL")
    op.create_index(
        "incidents_open_key", "incidents", ["key"], unique=True, sqlite_where=still_open, postgresql_where=still_open
    )
    op.create_table(
        "entries",
        sa.Column("incident", WORD, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", WORD, nullable=False),
        sa.Column("by", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("record", WORD, nullable=False),
        sa.Column("before", WORD, nullable=False),
        sa.Column("hash", WORD, nullable=False),
        sa.Column("act", WORD),
        sa.Column("resource", WORD),
    )
    op.create_index("entries_resource", "entries", ["resource", "incident"])
    outcome = sa.text("kind = 'act.finished'")
    op.create_index(
        "entries_one_outcome",
        "entries",
        ["incident", "act"],
        unique=True,
        sqlite_where=outcome,
        postgresql_where=outcome,
    )


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("resource", WORD, primary_key=True),
        sa.Column("incident", WORD, nullable=False),
        sa.Column("act", WORD, nullable=False),
        sa.Column("holder", WORD, nullable=False),
        sa.Column("token", WORD, nullable=False),
        sa.Column("until", WORD, nullable=False),
    )


def _post() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("source", WORD, nullable=False),
        sa.Column("delivery_key", WORD, nullable=False, unique=True),
        sa.Column("received_at", WORD, nullable=False),
        sa.Column("headers", WORD, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("state", WORD, nullable=False, index=True),
        sa.Column("incident", WORD),
        sa.Column("reason", WORD, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("key", WORD, primary_key=True),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("incident", WORD, nullable=False),
        sa.Column("detail", WORD, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", WORD, nullable=False),
        sa.Column("done", sa.Integer, nullable=False, index=True),
        sa.Column("reason", WORD, nullable=False),
    )
    op.create_table(
        "waits",
        sa.Column("run", WORD, primary_key=True),
        sa.Column("ask", WORD, primary_key=True),
        sa.Column("incident", WORD, nullable=False),
    )
