"""The tables of the journal. A change here needs a migration in `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, text

METADATA = MetaData()

TEXT = String().with_variant(String(collation="C"), "postgresql")
"""Text that is ordered by its bytes, as SQLite does it, so that times as ISO 8601 are ordered as times."""

INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("id", TEXT, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("short", TEXT, nullable=False),
    Column("scope", TEXT, nullable=False),
    Column("service", TEXT, nullable=False),
    Column("key", TEXT),
    Column("opened_at", TEXT, nullable=False),
    Column("ended_at", TEXT),
    Column("length", Integer, nullable=False),
    Column("head", TEXT, nullable=False),
)
"""One row for each incident and each mere ticket, written in the transaction of its entries.

Every field follows from them. `short` is the beginning of the id: VS of VS-12, VS-T of the ticket VS-T3.
"""
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
    Column("incident", TEXT, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", TEXT, nullable=False),
    Column("by", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("record", TEXT, nullable=False),
    Column("previous_hash", TEXT, nullable=False),
    Column("hash", TEXT, nullable=False),
    Column("act", TEXT),
    Column("resource", TEXT),
)
"""The record of incidents. Rows are only ever added; triggers refuse anything else."""
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
    Column("scope", TEXT, primary_key=True),
    Column("resource", TEXT, primary_key=True),
    Column("incident", TEXT, nullable=False),
    Column("act", TEXT, nullable=False),
    Column("holder", TEXT, nullable=False),
    Column("token", TEXT, nullable=False),
    Column("until", TEXT, nullable=False),
)
"""Which act is changing which resource: at most one for each resource."""

INBOX = Table(
    "inbox",
    METADATA,
    Column("id", TEXT, primary_key=True),
    Column("number", Integer, nullable=False, index=True),
    Column("scope", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("delivery_key", TEXT, nullable=False, unique=True),
    Column("received_at", TEXT, nullable=False),
    Column("headers", TEXT, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("state", TEXT, nullable=False, index=True),
    Column("incident", TEXT),
    Column("reason", TEXT, nullable=False),
    Column("taken_in", Integer, nullable=False),
    Column("read_again", Integer, index=True),
)
"""Requests of monitoring systems, byte for byte. While one is `new`, its first `taken_in` alerts are processed.

`number` is its place in the order of arrival, in which deliveries are read. `read_again` is its next place, if the same
request came again behind later deliveries while it was unread.
"""

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("key", TEXT, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("incident", TEXT, nullable=False),
    Column("detail", TEXT, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", TEXT, nullable=False),
    Column("done", Integer, nullable=False, index=True),
    Column("reason", TEXT, nullable=False),
)
"""The requests to Prefect."""

WAITING_RUNS = Table(
    "waiting_runs",
    METADATA,
    Column("run", TEXT, primary_key=True),
    Column("ask", TEXT, primary_key=True),
    Column("incident", TEXT, nullable=False),
)
"""Which flow runs wait for which answer."""

OVERRIDES = Table(
    "overrides",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("scope", TEXT, nullable=False),
    Column("role", TEXT, nullable=False),
    Column("layer", TEXT, nullable=False),
    Column("person", TEXT, nullable=False),
    Column("at", TEXT, nullable=False),
)
"""Who took over which turn of a rota. Rows are only ever added."""

REVOCATIONS = Table(
    "revocations",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("scope", TEXT, nullable=False),
    Column("person_key", TEXT, nullable=False),
    Column("person", TEXT, nullable=False),
    Column("incident", TEXT, nullable=False),
    Column("by", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("at", TEXT, nullable=False),
)
"""Whose links, sign-ins and tokens are refused if they were signed before. Rows are only ever added."""
Index("revocations_of_person", REVOCATIONS.c.scope, REVOCATIONS.c.person_key)

REQUESTS = Table(
    "requests",
    METADATA,
    Column("scope", TEXT, primary_key=True),
    Column("key", TEXT, primary_key=True),
    Column("digest", TEXT, nullable=False),
    Column("at", TEXT, nullable=False),
)
"""What each idempotency key of a sender was used for first: the digest of what was sent. Rows are only ever added."""

CHANNEL_TESTS = Table(
    "channel_tests",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("scope", TEXT, nullable=False),
    Column("at", TEXT, nullable=False),
    Column("way", TEXT, nullable=False),
    Column("person", TEXT, nullable=False),
    Column("result", TEXT, nullable=False),
    Column("sentence", TEXT, nullable=False),
)
"""What became of the test messages to people. Rows are only ever added."""

BASELINES = Table(
    "baselines",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("scope", TEXT, nullable=False),
    Column("resource", TEXT, nullable=False),
    Column("revision", TEXT, nullable=False),
    Column("at", TEXT, nullable=False),
    Column("noted_by", TEXT, nullable=False),
)
"""Which revision served all users while it was healthy. Rows are only ever added."""
Index("baselines_newest", BASELINES.c.scope, BASELINES.c.resource, BASELINES.c.at)

ALERTS = Table(
    "alerts",
    METADATA,
    Column("scope", TEXT, primary_key=True),
    Column("key", TEXT, primary_key=True),
    Column("incident", TEXT, nullable=False, index=True),
    Column("source", TEXT, nullable=False),
    Column("title", TEXT, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("source_state", TEXT, nullable=False),
    Column("source_time", TEXT),
    Column("changed_at", TEXT, nullable=False),
    Column("last_seen_at", TEXT, nullable=False),
    Column("transitions", TEXT, nullable=False),
    Column("count", Integer, nullable=False),
    Column("source_order", TEXT),
    Column("source_end", TEXT),
)
"""The state of every alert that has an incident, written in the transaction of the entry that changes it."""

ALERT_DECISIONS = Table(
    "alert_decisions",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("delivery", TEXT, nullable=False),
    Column("position", Integer, nullable=False),
    Column("decision", TEXT, nullable=False),
    Column("incident", TEXT, nullable=False),
    Column("at", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("key", TEXT, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("title", TEXT, nullable=False),
    Column("severity", TEXT, nullable=False),
    Column("service", TEXT, nullable=False),
    Column("source_time", TEXT),
    Column("reason", TEXT, nullable=False),
    Column("count", Integer, nullable=False),
)
"""The decision on each alert of each delivery, with its reason; `incident` is empty if there is none."""
Index(
    "alert_decisions_once",
    ALERT_DECISIONS.c.delivery,
    ALERT_DECISIONS.c.position,
    ALERT_DECISIONS.c.decision,
    ALERT_DECISIONS.c.incident,
    unique=True,
)
Index("alert_decisions_of_incident", ALERT_DECISIONS.c.incident, ALERT_DECISIONS.c.decision, ALERT_DECISIONS.c.number)
