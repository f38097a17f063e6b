"""Durations as people write them: `90s`, `10m`, `1h 30m`, `2d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])", re.ASCII)

LONGEST = timedelta(days=3660)
"""The longest duration that is accepted. A longer one is a typing error, and could exceed the range of dates."""

_SHOWN = 40
"""How many characters of an unreadable text an error shows."""


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` states, as `1h 30m`. Raises ValueError for any other text."""
    rest = _PART.sub("", text).strip()
    parts = _PART.findall(text)
    if rest or not parts:
        msg = f"{_short(text)} is not a duration: write it as 90s, 10m, 1h 30m or 2d"
        raise ValueError(msg)
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError as error:
        msg = f"{_short(text)} is too long for a duration"
        raise ValueError(msg) from error


def plausible(span: timedelta) -> timedelta:
    """Return `span`; raises ValueError for one that is negative or longer than `LONGEST`."""
    if span > LONGEST:
        msg = "a duration cannot be longer than ten years"
        raise ValueError(msg)
    if span < timedelta(0):
        msg = "a duration cannot be negative"
        raise ValueError(msg)
    return span


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def short_duration(span: timedelta) -> str:
    """Return `span` in its two largest units, as `1h 30m`; under a minute in seconds, as `4.2s`."""
    seconds = span.total_seconds()
    if seconds < 0:
        return f"-{short_duration(-span)}"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    whole = round(seconds)
    words: list[str] = []
    for unit, size in _UNITS.items():
        count, whole = divmod(whole, size)
        if count:
            words.append(f"{count}{unit}")
    return " ".join(words[:2])


def write_duration(span: timedelta) -> str:
    """Return `span` in all its units, so that reading it gives `span` again; it must not be negative."""
    seconds, words = span.days * _UNITS["d"] + span.seconds, list[str]()
    for unit, size in _UNITS.items():
        count, seconds = divmod(seconds, size)
        if unit == "s" and span.microseconds:
            words.append(f"{count}.{span.microseconds:06d}".rstrip("0") + "s")
        elif count:
            words.append(f"{count}{unit}")
    return " ".join(words) or "0s"


def in_words(span: timedelta) -> str:
    """Return `span` in words: `1 hour 5 minutes`; under a minute in seconds."""
    seconds = round(span.total_seconds())
    hours, minutes = divmod(seconds // 60, 60)
    units = {"hour": hours, "minute": minutes} if seconds >= 60 else {"second": max(seconds, 0)}  # noqa: PLR2004
    if seconds >= 60:  # noqa: PLR2004 - a minute
        units = {unit: count for unit, count in units.items() if count}
    return " ".join(counted(count, unit) for unit, count in units.items())


def counted(number: int, unit: str) -> str:
    """Return `1 alert`, `2 alerts`."""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _from_yaml(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


DURATION_PATTERN = r"^\s*([0-9]+(\.[0-9]+)?\s*[dhms]\s*)+$"
"""The pattern by which editors check a duration."""

Duration = Annotated[
    timedelta,
    BeforeValidator(_from_yaml, json_schema_input_type=Annotated[str, Field(pattern=DURATION_PATTERN)]),
    AfterValidator(plausible),
    PlainSerializer(write_duration, return_type=str, when_used="json"),
]
"""A `timedelta` that reads and writes as `10m`, of ten years at most."""
