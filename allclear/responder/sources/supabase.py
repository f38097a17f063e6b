"""Supabase's database webhooks: a row of a table that the company keeps its own alerts in.

*Source:* Supabase's documentation, "Database Webhooks", 2026-11: `type` (INSERT, UPDATE, DELETE), `table`, `schema`,
`record`, `old_record`; nothing is signed, headers can be added. It is sent once: what is lost stays lost.

What a row means is the company's own, so the columns are ours: `key` or `id` (what the trouble is known by), `status`
(a word of `shape.FIRING` or `shape.RESOLVED`; a new row without one fires), `title`, `severity`, `service`,
`environment`, `created_at`, `updated_at`. A deleted row says nothing.

Labels: every column with a text, a number or a truth value, `alertname` (its column, else the table), `table`,
`schema`. Key: the table with the row's key; without one, with the row's hash.
"""

from __future__ import annotations

from typing import Any, Literal

from allclear.domain.alert import Alert
from allclear.domain.base import digest
from allclear.responder.sources.payload import FIRING, RESOLVED, Body, Labels, fit, key, labels, moment
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import Nothing, Reading, SecretSource


class Change(Body):
    """The body that Supabase posts."""

    type: Literal["INSERT", "UPDATE", "DELETE"]
    table: str
    record: dict[str, Any] | None = None


class Row(Body):
    """What can be shown of a row."""

    columns: Labels = {}


class Supabase(SecretSource):
    """Supabase."""

    name = "supabase"
    title = "Supabase database webhooks"

    def parse(self, request: RawRequest) -> Reading:
        """Return the row as an alert."""
        body = request.json()
        change = fit(Change, body)
        schema = body.get("schema") if isinstance(body.get("schema"), str) else "public"
        if change.type == "DELETE" or change.record is None:
            return Nothing("A deleted row says nothing of a recovery.")
        columns = fit(Row, {"columns": change.record}).columns
        status = columns.get("status", "").strip().lower()
        if not status and change.type == "UPDATE":
            return Nothing("The row has no status: it says neither that a trouble began nor that it is over.")
        if status and status not in FIRING and status not in RESOLVED:
            return Nothing(f"The status {columns['status']!r} says neither that a trouble began nor that it is over.")
        over = status in RESOLVED
        identity = columns.get("key") or columns.get("id") or digest(change.record)
        own = labels(alertname=columns.get("alertname") or change.table, table=change.table, schema=schema)
        title = columns.get("title") or columns.get("message") or f"a row in {change.table}"
        # A row that fires again was created before it was over.
        at = moment(columns.get("created_at" if change.type == "INSERT" and not over else "updated_at"))
        state = "resolved" if over else "firing"
        return [Alert(self.name, key(schema, change.table, identity), state, title, {**columns, **own}, at=at)]
