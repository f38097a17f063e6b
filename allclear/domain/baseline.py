"""What was seen to serve well: our own memory of healthy revisions, which outlives incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pydantic import Field

from allclear.domain.base import Model, Moment

SERVING_ALL = "serving_all"
"""Where a probe's facts, and those of a healthy look, name what has all users: a list of `ServingAll`."""


class ServingAll(Model):
    """One revision that had all users of something when it was looked at."""

    resource: str = Field(description="What it serves for, as family:name, as actions name what they change.")
    revision: str


class Baseline(ServingAll):
    """A revision that had all users, while a look from outside was healthy."""

    at: Moment
    noted_by: str = Field(description="What saw it: an incident's look, or the nightly readiness check.")


class OwnRecord(Protocol):
    """What actions may read of our own record."""

    def baselines(self, resource: str, before: datetime) -> Sequence[Baseline]:
        """Return the baselines of `resource` up to the moment `before`, the newest first. Raises JournalError."""
        ...

    def onset(self, service: str) -> datetime | None:
        """Return when the trouble of `service` began, by its newest open incident; None without one."""
        ...
