"""When a service counts as recovered: how many good probes in a row, over which time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import Field, model_validator

from allclear.domain.base import Model
from allclear.domain.durations import Duration


class RecoveryRule(Model):
    """How many good probes in a row prove recovery, and over which time. A single good probe can be chance."""

    checks: int = Field(default=3, ge=1, le=60, description="How many probes in a row must be good.")
    over: Duration = Field(
        default=timedelta(minutes=2),
        description="The shortest time between the first and the last of them; only `0s` fits one probe.",
    )

    @model_validator(mode="after")
    def _one_check_takes_no_time(self) -> RecoveryRule:
        if self.checks == 1 and self.over:
            msg = "one probe takes no time: write `over: 0s`, or at least `checks: 2`"
            raise ValueError(msg)
        return self

    @property
    def pause(self) -> timedelta:
        """Return the time between two of the probes."""
        return self.over / (self.checks - 1) if self.checks > 1 else timedelta(0)

    def proven_by(self, good: Sequence[datetime]) -> bool:
        """Return whether good probes at these moments, with no bad one between them, prove recovery."""
        return len(good) >= self.checks and (self.checks == 1 or good[-1] - good[0] >= self.over)

    def next_check(self, good: Sequence[datetime]) -> datetime | None:
        """Return when the next probe is due; None if no probe was good yet, because the first one is due at once."""
        return good[-1] + self.pause if good else None
