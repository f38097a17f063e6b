"""The first journal: all tables, and the triggers that keep what is only ever added as it was written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")
APPEND_ONLY = ("entries", "overrides", "baselines")


def upgrade() -> None:
    """Create the tables and the triggers."""
    _incidents()
    _claims()
    _inbox_and_outbox()
    _on_call()
    _alerts()
    _triggers(op.get_bind().dialect.name)


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=False) for name in names]


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        *_words("short", "scope", "service"),
        sa.Column("key", WORD),
        *_words("opened_at"),
        sa.Column("ended_at", WORD),
        sa.Column("length", sa.Integer, nullable=False),
        *_words("head"),
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
        sa.Column("incident", WORD, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        *_words("at", "by", "kind", "record", "before", "hash"),
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
        sa.Column("scope", WORD, primary_key=True),
        sa.Column("resource", WORD, primary_key=True),
        *_words("incident", "act", "holder", "token", "until"),
    )


def _inbox_and_outbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, index=True),
        *_words("scope", "source"),
        sa.Column("delivery_key", WORD, nullable=False, unique=True),
        *_words("received_at", "headers"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("state", WORD, nullable=False, index=True),
        sa.Column("incident", WORD),
        *_words("reason"),
        sa.Column("read_to", sa.Integer, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("key", WORD, primary_key=True),
        *_words("kind", "incident", "detail"),
        sa.Column("attempts", sa.Integer, nullable=False),
        *_words("next_at"),
        sa.Column("done", sa.Integer, nullable=False, index=True),
        *_words("reason"),
    )
    op.create_table(
        "waits",
        sa.Column("run", WORD, primary_key=True),
        sa.Column("ask", WORD, primary_key=True),
        *_words("incident"),
    )


def _on_call() -> None:
    op.create_table(
        "overrides",
        sa.Column("number", sa.Integer, primary_key=True),
        *_words("scope", "role", "layer", "person", "at"),
    )
    op.create_table(
        "baselines",
        sa.Column("number", sa.Integer, primary_key=True),
        *_words("scope", "resource", "revision", "at", "said_by"),
    )
    op.create_index("baselines_newest", "baselines", ["scope", "resource", "at"])


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("scope", WORD, primary_key=True),
        sa.Column("key", WORD, primary_key=True),
        sa.Column("incident", WORD, nullable=False, index=True),
        *_words("source", "title", "state", "said"),
        sa.Column("source_time", WORD),
        *_words("changed_at", "last_seen_at", "turns"),
        sa.Column("times", sa.Integer, nullable=False),
    )
    op.create_table(
        "heard",
        sa.Column("number", sa.Integer, primary_key=True),
        *_words("delivery"),
        sa.Column("position", sa.Integer, nullable=False),
        *_words("decision", "incident", "at", "source", "key", "state", "title", "severity", "service"),
        sa.Column("source_time", WORD),
        *_words("reason"),
        sa.Column("times", sa.Integer, nullable=False),
    )
    op.create_index("heard_once", "heard", ["delivery", "position", "decision", "incident"], unique=True)
    op.create_index("heard_of", "heard", ["incident", "decision", "number"])


def _triggers(database: str) -> None:
    """Refuse every change of the rows of `APPEND_ONLY`."""
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
