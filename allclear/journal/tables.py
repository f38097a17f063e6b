"""The journal's tables. A change here needs a migration in `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, text

METADATA = MetaData()

WORD = String().with_variant(String(collation="C"), "postgresql")
"""Text is ordered by its bytes, as SQLite does it: times as ISO 8601 must not follow the rules of a language."""

INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("id", WORD, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("short", WORD, nullable=False),
    Column("scope", WORD, nullable=False),
    Column("service", WORD, nullable=False),
    Column("key", WORD),
    Column("opened_at", WORD, nullable=False),
    Column("ended_at", WORD),
    Column("length", Integer, nullable=False),
    Column("head", WORD, nullable=False),
)
"""A list of the incidents, kept beside the entries in the same transaction; every field follows from them."""
Index("incidents_number", INCIDENTS.c.short, INCIDENTS.c.number, unique=True)
Index(
    "incidents_open_key",
    INCIDENTS.c.scope,
    INCIDENTS.c.key,
    unique=True,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)

ENTRIES = Table(
    "entries",
    METADATA,
    Column("incident", WORD, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", WORD, nullable=False),
    Column("by", WORD, nullable=False),
    Column("kind", WORD, nullable=False),
    Column("record", WORD, nullable=False),
    Column("before", WORD, nullable=False),
    Column("hash", WORD, nullable=False),
    Column("act", WORD),
    Column("resource", WORD),
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

Index("incidents_newest", INCIDENTS.c.scope, INCIDENTS.c.opened_at)

CLAIMS = Table(
    "claims",
    METADATA,
    Column("scope", WORD, primary_key=True),
    Column("resource", WORD, primary_key=True),
    Column("incident", WORD, nullable=False),
    Column("act", WORD, nullable=False),
    Column("holder", WORD, nullable=False),
    Column("token", WORD, nullable=False),
    Column("until", WORD, nullable=False),
)
"""Who is changing what right now: one open change for each resource."""

INBOX = Table(
    "inbox",
    METADATA,
    Column("id", WORD, primary_key=True),
    Column("number", Integer, nullable=False, index=True),
    Column("scope", WORD, nullable=False),
    Column("source", WORD, nullable=False),
    Column("delivery_key", WORD, nullable=False, unique=True),
    Column("received_at", WORD, nullable=False),
    Column("headers", WORD, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("state", WORD, nullable=False, index=True),
    Column("incident", WORD),
    Column("reason", WORD, nullable=False),
    Column("read_to", Integer, nullable=False),
)
"""What monitoring sent, byte for byte; until it is settled, its first `read_to` alerts are taken in."""

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("key", WORD, primary_key=True),
    Column("kind", WORD, nullable=False),
    Column("incident", WORD, nullable=False),
    Column("detail", WORD, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", WORD, nullable=False),
    Column("done", Integer, nullable=False, index=True),
    Column("reason", WORD, nullable=False),
)
"""What Prefect is to be told."""

WAITS = Table(
    "waits",
    METADATA,
    Column("run", WORD, primary_key=True),
    Column("ask", WORD, primary_key=True),
    Column("incident", WORD, nullable=False),
)
"""Which flow runs wait for which answer."""

TAKEOVERS = Table(
    "overrides",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("scope", WORD, nullable=False),
    Column("role", WORD, nullable=False),
    Column("layer", WORD, nullable=False),
    Column("person", WORD, nullable=False),
    Column("at", WORD, nullable=False),
)
"""Who took over which turn of a rota: rows are added and never changed."""

BASELINES = Table(
    "baselines",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("scope", WORD, nullable=False),
    Column("resource", WORD, nullable=False),
    Column("revision", WORD, nullable=False),
    Column("at", WORD, nullable=False),
    Column("said_by", WORD, nullable=False),
)
"""Which revision had all users and was healthy, and when: rows are added and never changed, as entries are."""
Index("baselines_newest", BASELINES.c.scope, BASELINES.c.resource, BASELINES.c.at)

ALERTS = Table(
    "alerts",
    METADATA,
    Column("scope", WORD, primary_key=True),
    Column("key", WORD, primary_key=True),
    Column("incident", WORD, nullable=False, index=True),
    Column("source", WORD, nullable=False),
    Column("title", WORD, nullable=False),
    Column("state", WORD, nullable=False),
    Column("said", WORD, nullable=False),
    Column("source_time", WORD),
    Column("changed_at", WORD, nullable=False),
    Column("last_seen_at", WORD, nullable=False),
    Column("turns", WORD, nullable=False),
    Column("times", Integer, nullable=False),
)
"""Every alert that has an incident, and how it stands; written in the transaction that says so in the record."""

HEARD = Table(
    "heard",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("delivery", WORD, nullable=False),
    Column("position", Integer, nullable=False),
    Column("decision", WORD, nullable=False),
    Column("incident", WORD, nullable=False),
    Column("at", WORD, nullable=False),
    Column("source", WORD, nullable=False),
    Column("key", WORD, nullable=False),
    Column("state", WORD, nullable=False),
    Column("title", WORD, nullable=False),
    Column("severity", WORD, nullable=False),
    Column("service", WORD, nullable=False),
    Column("source_time", WORD),
    Column("reason", WORD, nullable=False),
    Column("times", Integer, nullable=False),
)
"""What became of each alert of each delivery, and why; `incident` is empty where it has none."""
Index("heard_once", HEARD.c.delivery, HEARD.c.position, HEARD.c.decision, HEARD.c.incident, unique=True)
Index("heard_of", HEARD.c.incident, HEARD.c.decision, HEARD.c.number)
