"""What a plan counts as an alert: above which value, over how long, and with how many samples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field

from allclear.domain.base import Slug
from allclear.domain.durations import Duration, parse_duration, short_duration
from allclear.domain.plan.assumptions import MayBeAssumed

_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(%|ms|s)?\s*", re.ASCII | re.IGNORECASE)
_UNITS = {"%": 0.01, "ms": 0.001, "s": 1.0, "": 1.0}


class Threshold(MayBeAssumed):
    """What counts as an alert.

    A rate needs a window and a smallest number of samples: `allclear check` warns if one of them is missing.
    """

    name: Slug = Field(description="A short name, which routes refer to.")
    words: str = Field(description="The plan's own words.")
    above: float | None = Field(
        default=None, description="The value that must be exceeded: a share from 0 to 1, or a time in seconds."
    )
    window: Duration | None = Field(default=None, description="The time over which a rate is counted.")
    samples: int | None = Field(default=None, ge=1, description="The smallest number of samples that counts.")

    def objection(self, labels: Mapping[str, str]) -> str | None:
        """Return the sentence why an alert with these labels does not count, or None if it counts.

        The labels are `samples`, `window` and `value`. A label that is missing or cannot be read counts as enough,
        because the monitoring system has already decided to alert.
        """
        samples, value, window = (
            _number(labels.get("samples")),
            _number(labels.get("value")),
            _span(labels.get("window")),
        )
        if self.samples is not None and samples is not None and samples < self.samples:
            return f"{samples:g} samples are too few: the threshold {self.name!r} needs {self.samples}."
        if self.window is not None and window is not None and window < self.window:
            spans = short_duration(window), short_duration(self.window)
            return f"A window of {spans[0]} is too short: the threshold {self.name!r} needs {spans[1]}."
        if self.above is not None and value is not None and value <= self.above:
            return f"The value {value:g} is not above {self.above:g}, the limit of the threshold {self.name!r}."
        return None


def _number(text: str | None) -> float | None:
    """Return the number in `12`, `1.5%` (a share: 0.015), `730ms` or `0.7s` (seconds); None for any other text."""
    found = _NUMBER.fullmatch(text or "")
    return float(found[1]) * _UNITS[(found[2] or "").lower()] if found else None


def _span(text: str | None) -> timedelta | None:
    """Return the time in `5m`, `1h 30m` or a number of seconds; None for any other text."""
    try:
        return parse_duration(text or "")
    except ValueError:
        seconds = _number(text)
    try:
        return None if seconds is None else timedelta(seconds=seconds)
    except OverflowError:
        return None
