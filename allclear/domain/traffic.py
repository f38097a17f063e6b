"""Users' requests over time, as a probe counts them and a post-mortem shows them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from allclear.domain.base import Model, Moment

TRAFFIC = "traffic"
"""The name of the fact under which a probe records a `Traffic`."""

MOST_SPANS = 120
"""The most spans of one count: two hours by the minute."""

_Counts = Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MOST_SPANS)]


class Traffic(Model):
    """How many requests users sent in equal spans of time, and how many failed."""

    source: str = Field(description="Where the numbers come from, as `Cloud Monitoring`.")
    start: Moment
    seconds: int = Field(ge=1, description="The length of a span.")
    requests: _Counts
    failed: _Counts = Field(description="Requests that were answered with a server error.")

    @property
    def end(self) -> datetime:
        """Return when the last span ended."""
        return self.start + timedelta(seconds=self.seconds * len(self.requests))

    @property
    def total(self) -> int:
        """Return how many requests there were."""
        return sum(self.requests)

    @property
    def total_failed(self) -> int:
        """Return how many requests failed."""
        return sum(self.failed)

    @property
    def words(self) -> str:
        """Return how many requests failed: `623 of 3,900 requests from users to the service failed`."""
        return f"{self.total_failed:,} of {self.total:,} requests from users to the service failed"
