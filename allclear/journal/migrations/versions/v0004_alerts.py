"""Alerts by their key, and what became of each that was heard."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make both tables, and writes down the alerts of the incidents that are open."""
    alerts = op.create_table(
        "alerts",
        sa.Column("company", WORD, primary_key=True),
        sa.Column("key", WORD, primary_key=True),
        sa.Column("incident", WORD, nullable=False, index=True),
        *(sa.Column(name, WORD, nullable=False) for name in ("source", "title", "state", "said")),
        sa.Column("source_time", WORD),
        *(sa.Column(name, WORD, nullable=False) for name in ("changed_at", "last_seen_at", "turns")),
        sa.Column("times", sa.Integer, nullable=False),
    )
    op.create_table(
        "heard",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("delivery", WORD, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        *(
            sa.Column(name, WORD, nullable=False)
            for name in ("decision", "incident", "at", "source", "key", "state", "title", "severity", "service")
        ),
        sa.Column("source_time", WORD),
        sa.Column("reason", WORD, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
    )
    op.create_index("heard_once", "heard", ["delivery", "position", "decision", "incident"], unique=True)
    op.create_index("heard_of", "heard", ["incident", "decision", "number"])
    op.create_index("incidents_newest", "incidents", ["company", "opened_at"])
    op.create_index("inbox_number", "inbox", ["number"])
    if known := _known():
        op.bulk_insert(alerts, known)


def _known() -> list[dict[str, object]]:
    """Return a row for the last word of each alert in the incidents that are open."""
    joined = sa.text(
        "SELECT i.company, e.incident, e.at, e.record FROM entries e JOIN incidents i ON i.id = e.incident"
        " WHERE e.kind = 'alert.joined' AND i.ended_at IS NULL ORDER BY i.opened_at, e.number"
    )
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for company, incident, at, stored in op.get_bind().execute(joined).all():
        said = json.loads(stored)
        rows[company, said["key"]] = {
            "company": company,
            "key": said["key"],
            "incident": incident,
            "source": said["source"],
            "title": said["title"],
            "state": said["state"],
            "said": said["state"],
            "source_time": said.get("at"),
            "changed_at": at,
            "last_seen_at": at,
            "turns": "[]",
            "times": 1,
        }
    return list(rows.values())
