"""Figures out of measurements, and the rows that hold ours beside the floor's."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """Median, 95th percentile, least and most of some measurements."""

    median: float
    p95: float
    least: float
    most: float
    count: int

    @staticmethod
    def of(values: Sequence[float]) -> Figures:
        """Return the figures of `values`, of which there is one at least."""
        p95 = statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
        return Figures(statistics.median(values), p95, min(values), max(values), len(values))


@dataclass(frozen=True)
class Row:
    """One thing that was measured."""

    what: str
    unit: str
    ours: Figures
    floor: Figures | None = None
    """None where there is nothing to compare with."""
    target: str = ""
    """In words; empty for a row that only explains another."""
    wanted: float | None = None
    """What decides: `reached` must be at most this."""
    reached: float | None = None
    because: str = ""
    """What dominates, as measured in the same run; told where the target is missed."""
    more: bool = False
    """Whether more is better: `reached` must be at least `wanted`."""

    @property
    def met(self) -> bool:
        """Return whether the target was reached, if it has one."""
        if self.wanted is None or self.reached is None:
            return True
        return self.reached >= self.wanted if self.more else self.reached <= self.wanted

    @property
    def ratio(self) -> float | None:
        """Return our median against the floor's."""
        return self.ours.median / self.floor.median if self.floor and self.floor.median else None


@dataclass(frozen=True)
class Group:
    """Rows that were measured together, and how."""

    number: str
    title: str
    how: str
    rows: Sequence[Row]


def milliseconds(seconds: Sequence[float]) -> Figures:
    """Return the figures of times in seconds, in milliseconds."""
    return Figures.of([1000 * one for one in seconds])


def against_floor(
    what: str, ours: Sequence[float], floor: Sequence[float], *, times: float | None = None, because: str = ""
) -> Row:
    """Return the row of times in seconds; `times` is how often the floor's median it may take, and twice its p95."""
    mine, least = milliseconds(ours), milliseconds(floor)
    if times is None:
        return Row(what, "ms", mine, least)
    # Whichever of the two bounds is further away decides.
    reached = max(mine.median / least.median, mine.p95 / least.p95 * times / 2)
    target = f"{times}x the floor's median, 2x its p95"
    return Row(what, "ms", mine, least, target, wanted=times, reached=reached, because=because)
