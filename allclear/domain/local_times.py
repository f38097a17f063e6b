"""Times that people read and type: in the plan's zone, whatever the zone of the machine.

Records and `--json` hold UTC; `local` is the one way from there to what people read.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from allclear.domain.errors import NotAllowed
from allclear.domain.text import plain

_SHAPES = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S")


def local(at: datetime, zone: tzinfo) -> datetime:
    """Return `at` in the zone of the people who read it."""
    return at.astimezone(zone)


def zone_name(zone: tzinfo, *moments: datetime) -> str:
    """Return the zone's abbreviation, as `CET`; `CEST/CET` if it changes between the moments.

    A zone without an abbreviation is named by its offset, as `UTC-03`.
    """
    names = (local(at, zone).strftime("%Z") for at in moments)
    return "/".join(dict.fromkeys(f"UTC{name}" if name.startswith(("+", "-")) else name for name in names))


def clock(at: datetime, zone: tzinfo) -> str:
    """Return the time of day, as `14:30`: for tables and lists whose heading names the zone."""
    return f"{local(at, zone):%H:%M}"


def named_clock(at: datetime, zone: tzinfo, shape: str = "%H:%M") -> str:
    """Return the time of day with its zone, as `14:30 CET`."""
    return f"{local(at, zone):{shape}} {zone_name(zone, at)}"


def stamp(at: datetime, zone: tzinfo) -> str:
    """Return day and time with the zone, as the plans' messages show them: `2026-11-22 14:30 CET`."""
    return named_clock(at, zone, "%Y-%m-%d %H:%M")


def day(at: datetime, zone: tzinfo) -> str:
    """Return the day, as `2026-11-22`."""
    return f"{local(at, zone):%Y-%m-%d}"


def read_past(text: str, zone: tzinfo, now: datetime) -> datetime | None:
    """Return the time that a person typed, in UTC; None for an empty text.

    A time without an offset is in `zone`, and `UTC` may follow it. Raises NotAllowed for a text that is no time, for
    one that the clocks skip, and for a time after `now`.
    """
    words = text.strip()
    if not words:
        return None
    moment = _read(words, zone)
    if moment is None:
        raise NotAllowed(
            f"{plain(text, 60)!r} is not a day and a time.",
            f"Write it as {now.astimezone(zone):%Y-%m-%d %H:%M} ({zone}).",
        )
    if moment > now:
        raise NotAllowed(f"{stamp(moment, zone)} has not come yet.", f"Write a time up to now, {stamp(now, zone)}.")
    return moment


def read_future(text: str, zone: tzinfo, now: datetime) -> datetime:
    """Return the time to come that a person typed, in UTC.

    A time without an offset is in `zone`, and `UTC` may follow it. Raises NotAllowed for a text that is no time, for
    one that the clocks skip, and for a time that is over.
    """
    moment = _read(text.strip(), zone)
    if moment is None:
        shown = f"{now.astimezone(zone):%Y-%m-%d %H:%M} ({zone})"
        raise NotAllowed(f"{plain(text, 60)!r} is not a day and a time.", f"Write it as {shown}.")
    if moment <= now:
        raise NotAllowed(f"{stamp(moment, zone)} is over.", f"Write a time after {stamp(now, zone)}.")
    return moment


def _read(words: str, zone: tzinfo) -> datetime | None:
    universal = words.upper().endswith(" UTC")
    bare = words[:-4].rstrip() if universal else words
    for shape in _SHAPES:
        try:
            typed = datetime.strptime(bare, shape)  # noqa: DTZ007 - its zone follows
            moment = typed.replace(tzinfo=UTC if universal else zone).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
        if not universal and moment.astimezone(zone).replace(tzinfo=None) != typed:
            raise NotAllowed(
                f"There is no {words} in {zone}: the clocks are put forward then.",
                f"Write a time before or after it, as {moment.astimezone(zone):%Y-%m-%d %H:%M}.",
            )
        return moment
    try:
        moment = datetime.fromisoformat(words)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
