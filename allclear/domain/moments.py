"""Times that people type: `2026-11-20 17:00` in the company's zone, or with an offset of their own."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from allclear.domain.errors import NotAllowed
from allclear.domain.text import stamp

_SHAPES = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S")


def read_past(text: str, zone: tzinfo, now: datetime) -> datetime | None:
    """Return the time that a person typed, in UTC; None for an empty text.

    A time without an offset is in `zone`, and `UTC` may follow it. Raises NotAllowed for a text that is no time, and
    for a time after `now`.
    """
    words = text.strip()
    if not words:
        return None
    moment = _read(words, zone)
    if moment is None:
        raise NotAllowed(
            f"{text!r} is not a day and a time.", f"Write it as {now.astimezone(zone):%Y-%m-%d %H:%M} ({zone})."
        )
    if moment > now:
        raise NotAllowed(f"{stamp(moment)} has not come yet.", f"Write a time up to now, {stamp(now)}.")
    return moment


def _read(words: str, zone: tzinfo) -> datetime | None:
    universal = words.upper().endswith(" UTC")
    bare = words[:-4].rstrip() if universal else words
    for shape in _SHAPES:
        try:
            return datetime.strptime(bare, shape).replace(tzinfo=UTC if universal else zone).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    try:
        moment = datetime.fromisoformat(words)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
