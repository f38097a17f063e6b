"""What Google remembers of one simulated service: who answered how many requests, and who changed it when.

Before the simulation begins this is what the scenario's `history` says, with users as many as ever; from then on it
is what really happens.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from allclear.simulator.event_log import Clock
from allclear.simulator.revisions import ALL_TO_LATEST, Target
from allclear.simulator.run_service import Edit, RunService, ServiceState
from allclear.simulator.scenario_schema import ALL_TRAFFIC, HistorySpec

KEPT_SECONDS = 2 * 3600
"""Seconds of live counts that are kept."""

Shares = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Write:
    """One accepted write to the service, with what served until then."""

    at: datetime
    by: str
    """The principal's mail address."""
    api: Literal["v1", "v2"]
    generation: int
    asked: tuple[Target, ...]
    serving: Shares
    follows_latest: bool
    """Whether what served until then was there as the latest."""
    latest_ready: str
    latest_created: str


class TrafficHistory:
    """The service's history, from before the simulation began until now."""

    def __init__(
        self,
        history: list[HistorySpec],
        service: RunService,
        clock: Clock,
        *,
        project: str,
        users_per_second: float,
        metrics_lag: timedelta,
    ) -> None:
        self._history, self._service, self._clock = history, service, clock
        self._project, self._users_per_second, self._metrics_lag = project, users_per_second, metrics_lag
        self._began = clock()
        self._seconds: deque[tuple[int, Counter[tuple[str, int]]]] = deque(maxlen=KEPT_SECONDS)
        self._reigns = self._reigns_before()
        self.writes = self._writes_before()
        service.wrote = self._wrote

    # --- requests ------------------------------------------------------------------------------------

    def answered(self, revision: str, status: int) -> None:
        """Count one request that a revision answers now."""
        second = int(self._clock().timestamp())
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, Counter()))
        self._seconds[-1][1][revision, status] += 1

    def requests(self, start: datetime, end: datetime) -> Counter[tuple[str, int]]:
        """Return how many requests each revision answered with each status, as metrics show them at this moment."""
        end = min(end, self._clock() - self._metrics_lag)
        found: Counter[tuple[str, int]] = Counter()
        for since, until, shares in self._reigns:
            seconds = (min(until, end) - max(since, start)).total_seconds()
            for revision, percent in shares:
                count = round(max(0.0, seconds) * self._users_per_second * percent / ALL_TRAFFIC)
                if count:
                    found[revision, 200] += count
        for second, counts in self._seconds:
            if start.timestamp() <= second < end.timestamp():
                found.update(counts)
        return found

    # --- writes --------------------------------------------------------------------------------------

    def _wrote(self, before: ServiceState, after: ServiceState, edit: Edit, *, somebody_else: bool) -> None:
        api: Literal["v1", "v2"] = "v1" if somebody_else else "v2"
        self.writes.append(
            Write(
                at=self._clock(),
                by=self._mail("engineer" if somebody_else else "allclear"),
                api=api,
                generation=after.generation,
                asked=after.traffic,
                serving=tuple(before.serves()),
                follows_latest=before.serving == ALL_TO_LATEST or any(t.revision is None for t in before.serving),
                latest_ready=before.latest_ready,
                latest_created=edit.deploy.name if edit.deploy else before.latest_created,
            )
        )

    def _mail(self, who: str) -> str:
        return f"{who}@{self._project}.iam.gserviceaccount.com"

    # --- before the beginning ------------------------------------------------------------------------

    def _reigns_before(self) -> list[tuple[datetime, datetime, Shares]]:
        """Return who served from when until when; without a history, what serves now did so since it was made."""
        now, history = self._began, self._history
        if not history:
            shares = tuple(self._service.state.serves())
            made = max(self._service.revisions[name].created_at for name, _ in shares)
            return [(made, now, shares)]
        starts = [now - entry.ago for entry in history]
        ends = [*starts[1:], now]
        return [
            (start, end, tuple(entry.serving.items())) for start, end, entry in zip(starts, ends, history, strict=True)
        ]

    def _writes_before(self) -> list[Write]:
        history = self._history
        writes: list[Write] = []
        earlier: HistorySpec | None = None
        for number, entry in enumerate(history):
            first = self._service.state.generation - len(history)
            names = tuple(Target(name, percent) for name, percent in entry.serving.items())
            before = tuple(earlier.serving.items()) if earlier else ()
            writes.append(
                Write(
                    at=self._began - entry.ago,
                    by=self._mail(entry.by),
                    api="v1",
                    generation=max(1, first + number + 1),
                    asked=names if entry.by_name else ALL_TO_LATEST,
                    serving=before,
                    follows_latest=not (earlier and earlier.by_name),
                    latest_ready=before[0][0] if before else "",
                    latest_created=entry.deployed or next(iter(entry.serving)),
                )
            )
            earlier = entry
        return writes


def window(end: datetime, seconds: float) -> tuple[datetime, datetime]:
    """Return the time of that length that ends then."""
    return end - timedelta(seconds=seconds), end
