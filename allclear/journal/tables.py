"""The journal's tables. A change here needs a migration in `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, text

METADATA = MetaData()

INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("id", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("short", String, nullable=False),
    Column("company", String, nullable=False),
    Column("service", String, nullable=False),
    Column("key", String),
    Column("opened_at", String, nullable=False),
    Column("ended_at", String),
    Column("length", Integer, nullable=False),
    Column("head", String, nullable=False),
)
"""A list of the incidents, kept beside the entries in the same transaction; every field follows from them."""
Index("incidents_number", INCIDENTS.c.short, INCIDENTS.c.number, unique=True)
Index(
    "incidents_open_key",
    INCIDENTS.c.key,
    unique=True,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)

ENTRIES = Table(
    "entries",
    METADATA,
    Column("incident", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("by", Text, nullable=False),
    Column("kind", String, nullable=False),
    Column("record", Text, nullable=False),
    Column("before", String, nullable=False),
    Column("hash", String, nullable=False),
    Column("act", String),
    Column("resource", String),
)
"""The record itself: rows are added and never changed; triggers refuse anything else."""
Index("entries_resource", ENTRIES.c.resource, ENTRIES.c.incident)
Index(
    "entries_one_outcome",
    ENTRIES.c.incident,
    ENTRIES.c.act,
    unique=True,
    sqlite_where=text("kind = 'act.finished'"),
    postgresql_where=text("kind = 'act.finished'"),
)

CLAIMS = Table(
    "claims",
    METADATA,
    Column("resource", String, primary_key=True),
    Column("incident", String, nullable=False),
    Column("act", String, nullable=False),
    Column("holder", String, nullable=False),
    Column("token", String, nullable=False),
    Column("until", String, nullable=False),
)
"""Who is changing what right now: one open change for each resource."""

INBOX = Table(
    "inbox",
    METADATA,
    Column("id", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("source", String, nullable=False),
    Column("delivery_key", String, nullable=False, unique=True),
    Column("received_at", String, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("incident", String),
    Column("why", Text, nullable=False),
)
"""What monitoring sent, byte for byte."""

ERRANDS = Table(
    "errands",
    METADATA,
    Column("key", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("incident", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", String, nullable=False),
    Column("done", Integer, nullable=False, index=True),
    Column("why", Text, nullable=False),
)
"""What Prefect is to be told."""

WAITS = Table(
    "waits",
    METADATA,
    Column("run", String, primary_key=True),
    Column("ask", String, primary_key=True),
    Column("incident", String, nullable=False),
)
"""Which flow runs wait for which answer."""

BASELINES = Table(
    "baselines",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("resource", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("at", String, nullable=False),
    Column("said_by", Text, nullable=False),
)
"""Which revision had all users and was healthy, and when: rows are added and never changed, as entries are."""
Index("baselines_newest", BASELINES.c.resource, BASELINES.c.at)
