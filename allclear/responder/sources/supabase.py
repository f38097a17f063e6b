"""Supabase's database webhooks: rows of a table in which the company writes its own alerts.

*Source:* Supabase's documentation, "Database Webhooks", 2026-11: `type` (INSERT, UPDATE, DELETE), `table`, `schema`,
`record`, `old_record`; nothing is signed, headers can be added. A request is sent once and never retried.

The company makes the table with these columns: `key` or `id` (identifies the problem), `status` (a word of
`payload.FIRING_WORDS` or `payload.RESOLVED_WORDS`; a new row without one fires), `title`, `severity`, `service`,
`environment`, `created_at`, `updated_at`. A deleted row is ignored.

Order: `updated_at`, or `created_at` of a new row without it. A table whose `updated_at` is not kept has no order.

Labels: every column with a text, a number or a truth value, `alertname` (its column, else the table), `table`,
`schema`. Key: the table with the row's key; without one, with the row's hash.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from allclear.domain.alert import Alert
from allclear.domain.base import digest
from allclear.responder.sources.payload import (
    FIRING_WORDS,
    RESOLVED_WORDS,
    Body,
    Labels,
    iso_time,
    key,
    labels,
    parse_time,
    validate,
)
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.source import MakeSample, NoAlert, ParseResult, SharedSecretSource, unknown_state


class Change(Body):
    """The body that Supabase posts."""

    type: Literal["INSERT", "UPDATE", "DELETE"]
    table: str
    record: dict[str, Any] | None = None


class Row(Body):
    """The columns of a row that can become labels."""

    columns: Labels = {}


def _sample(kind: str, status: str) -> MakeSample:
    def make(at: datetime) -> RawRequest:
        row = {
            "id": 41,
            "status": status,
            "title": "Sample: orders pile up",
            "severity": "high",
            "service": "sample-shop",
            "created_at": iso_time(at),
            "updated_at": iso_time(at),
        }
        before = {**row, "status": "firing"} if kind == "UPDATE" else None
        return json_request({"type": kind, "table": "alerts", "schema": "public", "record": row, "old_record": before})

    return make


class Supabase(SharedSecretSource):
    """Supabase."""

    name = "supabase"
    title = "Supabase database webhooks"
    samples = {"firing": _sample("INSERT", "firing"), "resolved": _sample("UPDATE", "resolved")}

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the row as an alert."""
        body = request.json()
        change = validate(Change, body)
        schema = body.get("schema") if isinstance(body.get("schema"), str) else "public"
        if change.type == "DELETE":
            return NoAlert("A deleted row is ignored.")
        if change.record is None:
            msg = "the record is missing"
            raise ValueError(msg)
        columns = validate(Row, {"columns": change.record}).columns
        status = columns.get("status", "").strip().lower()
        if not status and change.type == "UPDATE":
            msg = "the row has no status, so it is neither firing nor resolved"
            raise ValueError(msg)
        if status and status not in FIRING_WORDS and status not in RESOLVED_WORDS:
            raise unknown_state("the status", columns["status"], ", ".join(sorted(FIRING_WORDS | RESOLVED_WORDS)))
        resolved = status in RESOLVED_WORDS
        identity = columns.get("key") or columns.get("id") or digest(change.record)
        own = labels(alertname=columns.get("alertname") or change.table, table=change.table, schema=schema)
        title = columns.get("title") or columns.get("message") or f"a row in {change.table}"
        # A row that fires again was created before it was resolved.
        at = parse_time(columns.get("created_at" if change.type == "INSERT" and not resolved else "updated_at"))
        order = parse_time(columns.get("updated_at") or columns.get("created_at"))
        state = "resolved" if resolved else "firing"
        identity = key(schema, change.table, identity)
        return [Alert(self.name, identity, state, title, {**columns, **own}, at=at, order=order)]
