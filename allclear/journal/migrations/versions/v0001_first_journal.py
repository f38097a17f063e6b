"""The first journal: all tables, and the triggers that make some of them append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
APPEND_ONLY = ("entries", "overrides", "baselines")


def upgrade() -> None:
    """Create the tables and the triggers."""
    _incidents()
    _claims()
    _inbox_and_outbox()
    _on_call()
    _alerts()
    _triggers(op.get_bind().dialect.name)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        *_texts("short", "scope", "service"),
        sa.Column("key", TEXT),
        *_texts("opened_at"),
        sa.Column("ended_at", TEXT),
        sa.Column("length", sa.Integer, nullable=False),
        *_texts("head"),
    )
    op.create_index("incidents_number", "incidents", ["short", "number"], unique=True)
    op.create_index("incidents_newest", "incidents", ["scope", "opened_at"])
    still_open = sa.text("ended_at IS NULL")
    op.create_index(
        "incidents_open_key",
        "incidents",
        ["scope", "key"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_table(
        "entries",
        sa.Column("incident", TEXT, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        *_texts("at", "by", "kind", "record", "previous_hash", "hash"),
        sa.Column("act", TEXT),
        sa.Column("resource", TEXT),
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
        sa.Column("scope", TEXT, primary_key=True),
        sa.Column("resource", TEXT, primary_key=True),
        *_texts("incident", "act", "holder", "token", "until"),
    )


def _inbox_and_outbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, index=True),
        *_texts("scope", "source"),
        sa.Column("delivery_key", TEXT, nullable=False, unique=True),
        *_texts("received_at", "headers"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("state", TEXT, nullable=False, index=True),
        sa.Column("incident", TEXT),
        *_texts("reason"),
        sa.Column("taken_in", sa.Integer, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("key", TEXT, primary_key=True),
        *_texts("kind", "incident", "detail"),
        sa.Column("attempts", sa.Integer, nullable=False),
        *_texts("next_at"),
        sa.Column("done", sa.Integer, nullable=False, index=True),
        *_texts("reason"),
    )
    op.create_table(
        "waiting_runs",
        sa.Column("run", TEXT, primary_key=True),
        sa.Column("ask", TEXT, primary_key=True),
        *_texts("incident"),
    )


def _on_call() -> None:
    op.create_table(
        "overrides",
        sa.Column("number", sa.Integer, primary_key=True),
        *_texts("scope", "role", "layer", "person", "at"),
    )
    op.create_table(
        "baselines",
        sa.Column("number", sa.Integer, primary_key=True),
        *_texts("scope", "resource", "revision", "at", "noted_by"),
    )
    op.create_index("baselines_newest", "baselines", ["scope", "resource", "at"])


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("scope", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("incident", TEXT, nullable=False, index=True),
        *_texts("source", "title", "state", "source_state"),
        sa.Column("source_time", TEXT),
        *_texts("changed_at", "last_seen_at", "transitions"),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "alert_decisions",
        sa.Column("number", sa.Integer, primary_key=True),
        *_texts("delivery"),
        sa.Column("position", sa.Integer, nullable=False),
        *_texts("decision", "incident", "at", "source", "key", "state", "title", "severity", "service"),
        sa.Column("source_time", TEXT),
        *_texts("reason"),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_index(
        "alert_decisions_once", "alert_decisions", ["delivery", "position", "decision", "incident"], unique=True
    )
    op.create_index("alert_decisions_of_incident", "alert_decisions", ["incident", "decision", "number"])


def _triggers(database: str) -> None:
    """Make the tables of `APPEND_ONLY` refuse changes and deletions."""
    if database == "sqlite":
        for table in APPEND_ONLY:
            for change in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
    )
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE", "TRUNCATE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"
            )
