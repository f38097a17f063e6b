"""The plan's storm policy: how alerts are grouped, held and counted when many of them arrive."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from allclear.domain.base import Model
from allclear.domain.durations import Duration


class Limit(Model):
    """A number of events within a time."""

    times: int = Field(ge=1, description="The number of events.")
    within: Duration = Field(description="The time within which they are counted.")


class Storm(Model):
    """The storm policy. A plan may change each default."""

    enabled: bool = Field(
        default=True,
        description="False: each new alert opens its own incident, and no alert is held, collapsed or grouped.",
    )
    join_within: Duration | None = Field(
        default=None,
        description="A new alert joins the open incident of its service; with a time here, only if that was opened no "
        "longer ago.",
    )
    renotify_after: Duration = Field(
        default=timedelta(hours=4), description="How long after the last news people are reminded of a firing alert."
    )
    flapping: Limit = Field(
        default=Limit(times=3, within=timedelta(minutes=15)),
        description="Changes of state from which on an alert is flapping: it counts as firing, and no action is "
        "automatic.",
    )
    clear_for: Duration = Field(
        default=timedelta(minutes=10), description="How long all alerts must be resolved before the service is probed."
    )
    per_source: Limit = Field(
        default=Limit(times=300, within=timedelta(minutes=5)),
        description="Alerts of one source that are recorded one by one; further firing alerts are counted together.",
    )
    summary_every: Duration = Field(
        default=timedelta(seconds=10),
        description="How often the record of an incident gets a new count of such further alerts.",
    )
    umbrella: Limit = Field(
        default=Limit(times=20, within=timedelta(minutes=5)),
        description="New incidents from which on there is an alert storm: one incident is opened that further alerts "
        "join, and every action needs an approval.",
    )
    stale_after: Duration = Field(
        default=timedelta(hours=6),
        description="How long after its last message a firing alert is shown as stale; it still counts as firing.",
    )

    @property
    def flapping_noted_every(self) -> timedelta:
        """Return how often the record notes that an alert is still flapping."""
        return self.flapping.within / 3
