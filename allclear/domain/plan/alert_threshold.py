"""What a plan counts as an alert: above which value, over how long, and with how many samples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field

from allclear.domain.base import Slug
from allclear.domain.durations import Duration, parse_duration, say_duration
from allclear.domain.plan.assumptions import MayBeAssumed

_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(%|ms|s)?\s*", re.ASCII | re.IGNORECASE)
_UNITS = {"%": 0.01, "ms": 0.001, "s": 1.0, "": 1.0}


class Threshold(MayBeAssumed):
    """What counts as an alert.

    A rate means something over a window, with enough samples in it: `allclear check` warns where one is missing.
    """

    name: Slug = Field(description="A short name for it; a route names it to be held to it.")
    words: str = Field(description="The plan's own line.")
    above: float | None = Field(default=None, description="A share from 0 to 1, or seconds for a time.")
    window: Duration | None = Field(default=None, description="Over how long a rate is counted.")
    samples: int | None = Field(default=None, ge=1, description="Fewer than these say nothing.")

    def objection(self, labels: Mapping[str, str]) -> str | None:
        """Return why an alert with these labels does not count, as a sentence; None where it does.

        Looked at are `samples`, `window` and `value`. What its source does not tell, or tells in words that cannot be
        read, counts as enough: the monitoring system has decided already.
        """
        samples, value, window = (
            _number(labels.get("samples")),
            _number(labels.get("value")),
            _span(labels.get("window")),
        )
        if self.samples is not None and samples is not None and samples < self.samples:
            return f"{samples:g} samples say nothing yet: the threshold {self.name!r} asks for {self.samples}."
        if self.window is not None and window is not None and window < self.window:
            spans = say_duration(window), say_duration(self.window)
            return f"It was counted over {spans[0]}: the threshold {self.name!r} asks for {spans[1]}."
        if self.above is not None and value is not None and value <= self.above:
            return f"{value:g} is not above {self.above:g}, the threshold {self.name!r}."
        return None


def _number(text: str | None) -> float | None:
    """Return what `12`, `1.5%` (a share: 0.015), `730ms` or `0.7s` (seconds) says; None for anything else."""
    found = _NUMBER.fullmatch(text or "")
    return float(found[1]) * _UNITS[(found[2] or "").lower()] if found else None


def _span(text: str | None) -> timedelta | None:
    """Return a length as `5m` or `1h 30m`, or a number of seconds; None for anything else."""
    try:
        return parse_duration(text or "")
    except ValueError:
        seconds = _number(text)
    try:
        return None if seconds is None else timedelta(seconds=seconds)
    except OverflowError:
        return None
