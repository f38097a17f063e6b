"""The hash chain: each entry holds the hash of the entry before it, so that a changed row does not go unnoticed."""

from __future__ import annotations

import json

from allclear.domain.base import digest


def link(incident: str, number: int, at: str, by: str, record: str, previous_hash: str) -> str:
    """Return an entry's hash: SHA-256 over its fields as canonical JSON, 64 hex digits.

    `by` and `record` are the JSON texts as stored. A later version of allclear, which may know more fields, then checks
    what was written and not what it would write itself.
    """
    return digest(
        {
            "incident": incident,
            "number": number,
            "at": at,
            "by": json.loads(by),
            "record": json.loads(record),
            "previous_hash": previous_hash,
        }
    )
