"""The hash chain: each entry carries the hash of the one before, so that no line can be changed unseen."""

from __future__ import annotations

import json

from allclear.domain.base import digest


def link(incident: str, number: int, at: str, by: str, record: str, before: str) -> str:
    """Return an entry's hash: SHA-256 over its fields as canonical JSON, 64 hex digits.

    `by` and `record` are the JSON texts as stored, so that a later version of allclear, which may know more
    fields, checks what was written and not what it would write today.
    """
    return digest(
        {
            "incident": incident,
            "number": number,
            "at": at,
            "by": json.loads(by),
            "record": json.loads(record),
            "before": before,
        }
    )
