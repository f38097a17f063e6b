"""States of an incident that can change back: contained, recovered, acknowledged, and who has a role.

Each state has its history, which `allclear.domain.replay` builds from the journal's entries. A state that a probe
proved is *outdated* from the moment production is changed until the next good probe: it is not lost, and not claimed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Self

from allclear.domain.action import Finding


@dataclass(frozen=True)
class Period:
    """A time in which a state held."""

    since: datetime
    number: int
    """The number of the entry that began it."""
    by: str = ""
    """What began it: the measure that contained, or the person who acknowledged or took the role."""
    act: str = ""
    """The id of the act that contained; empty if no act did."""
    finding: Finding | None = None
    """What proved it, if a probe or a person did."""
    cause: str = ""
    """Why a person began it, in that person's words; empty if no reason was asked for."""
    by_health_check: bool = True
    """Whether the runbook's health check can disprove it; not for maintenance mode, or if only people can tell."""
    until: datetime | None = None
    """When it ended; None while it lasts."""
    ended_by: int = 0
    """The number of the entry that ended it; 0 while it lasts."""
    reason: str = ""
    """Why it ended."""


@dataclass(frozen=True)
class StateHistory:
    """One state over time: the periods in which it held, in order."""

    periods: tuple[Period, ...] = ()
    outdated_by: int = 0
    """The number of the entry that changed production after the last proof; 0 if the proof is up to date."""

    @property
    def current(self) -> Period | None:
        """Return the period that has not ended, also if its proof is outdated; None if the state does not hold."""
        return self.periods[-1] if self.periods and self.periods[-1].until is None else None

    @property
    def proven(self) -> Period | None:
        """Return the period that has not ended and whose proof is up to date, or None."""
        return None if self.outdated_by else self.current

    @property
    def first_at(self) -> datetime | None:
        """Return when the state held first, or None."""
        return self.periods[0].since if self.periods else None

    @property
    def lost(self) -> tuple[Period, ...]:
        """Return the periods that have ended, in order."""
        return tuple(period for period in self.periods if period.until is not None)

    @property
    def last_lost(self) -> int:
        """Return the number of the entry that ended its last period that has ended; 0 without one."""
        return max((period.ended_by for period in self.lost), default=0)

    def held_since(self, start: datetime) -> bool:
        """Return whether the state has held at any time since `start`."""
        return any(period.until is None or period.until >= start for period in self.periods)

    def ended_by(self, number: int) -> Period | None:
        """Return the period that entry `number` ended, or None."""
        return next((period for period in self.periods if period.ended_by == number), None)

    def held_at(self, number: int) -> bool:
        """Return whether the state held when entry `number` was written."""
        return any(period.number < number and not 0 < period.ended_by <= number for period in self.periods)

    def is_again(self, number: int) -> bool:
        """Return whether entry `number` began the state anew, after it had ended."""
        return number in {period.number for period in self.periods[1:]}

    def begun(self, period: Period) -> Self:
        """Return the history in which `period` begins. If a period has not ended, it goes on, and is proven anew."""
        if self.current:
            return replace(self, outdated_by=0)
        return replace(self, periods=(*self.periods, period), outdated_by=0)

    def ended(self, at: datetime, number: int, reason: str) -> Self:
        """Return the history in which the present period ended."""
        if self.current is None:
            return self
        last = replace(self.current, until=at, ended_by=number, reason=reason)
        return replace(self, periods=(*self.periods[:-1], last), outdated_by=0)

    def outdated(self, number: int) -> Self:
        """Return the history in which entry `number` changed production, so that the present proof no longer counts."""
        return replace(self, outdated_by=number) if self.current else self

    def proven_again(self, begun: int) -> Self:
        """Return the history after a good probe that began when entry `begun` was the last one."""
        return replace(self, outdated_by=0) if begun >= self.outdated_by else self


@dataclass(frozen=True)
class Recheck:
    """The reason why a contained or recovered incident must be probed again."""

    number: int
    """The number of the entry that gives the reason."""
    at: datetime


@dataclass(frozen=True)
class Loss:
    """The end of containment or recovery, while neither holds again."""

    number: int
    """The number of the entry that ended it."""
    at: datetime
    sentence: str
    """What the probe found."""


@dataclass(frozen=True)
class Check:
    """One probe that decides about containment or recovery."""

    at: datetime
    number: int
    begun: int
    """The number of the last entry when the probe began."""
    health_check: bool
    finding: Finding


class Turn(NamedTuple):
    """A turn that the team reads about at once: an answer, containment, its loss, recovery, the end."""

    number: int
    """The number of the entry that is the turn."""
    at: datetime
    calls: bool = False
    """Whether the people who are on call are mentioned."""
    person: str = ""
    """The one person who is mentioned; empty for none."""
