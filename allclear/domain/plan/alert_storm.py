"""What is done when alerts come in masses."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from allclear.domain.base import Model
from allclear.domain.durations import Duration


class Limit(Model):
    """So many in so long."""

    times: int = Field(ge=1, description="How many.")
    within: Duration = Field(description="In how long.")


class Storm(Model):
    """The storm policy. Its numbers are defaults of ours; a plan may change each."""

    enabled: bool = Field(
        default=True,
        description="False: each new alert opens an incident of its own, and nothing is held, collapsed or gathered.",
    )
    joins_within: Duration = Field(
        default=timedelta(minutes=10), description="A new alert joins an incident on its service this young."
    )
    renotify_after: Duration = Field(
        default=timedelta(hours=4), description="When people hear again of an alert that fires still."
    )
    flapping: Limit = Field(
        default=Limit(times=3, within=timedelta(minutes=15)),
        description="Turns of an alert from which on its state is held, and nothing acts by itself.",
    )
    clear_for: Duration = Field(
        default=timedelta(minutes=10), description="How long every alert is clear before the service is looked at."
    )
    per_source: Limit = Field(
        default=Limit(times=300, within=timedelta(minutes=5)),
        description="Alerts of one source that stand in the record one by one; of more, it counts the firing ones.",
    )
    summary_every: Duration = Field(
        default=timedelta(seconds=10), description="How often the record of an incident says how many more there were."
    )
    umbrella: Limit = Field(
        default=Limit(times=20, within=timedelta(minutes=5)),
        description="New incidents from which on one is opened that new troubles join, and people approve every act.",
    )
    stale_after: Duration = Field(
        default=timedelta(hours=6), description="Silence about a firing alert after which it is shown as stale."
    )

    @property
    def flapping_noted_every(self) -> timedelta:
        """Return how often the record says that an alert flaps still."""
        return self.flapping.within / 3
