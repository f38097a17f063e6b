"""Users who keep arriving at the shop, and the second-by-second count of how it went for them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from datetime import datetime, timedelta
from typing import Any

from allclear.simulator.event_log import Clock, EventLog, iso
from allclear.simulator.scenario_schema import UsersSpec
from allclear.simulator.shop import Shop, Visit

KEPT_SECONDS = 3600
"""Seconds of counts that are kept; the totals are kept for good."""
_TICK = 0.02


class Users:
    """Everybody who visits the shop, seen from outside it."""

    def __init__(self, spec: UsersSpec, shop: Shop, clock: Clock, event_log: EventLog) -> None:
        self._spec, self._storefront, self._clock, self._truth = spec, shop, clock, event_log
        self._random = random.Random(spec.model_dump_json())  # noqa: S311 - the same users each time
        self._seconds: deque[tuple[int, Counter[str]]] = deque(maxlen=KEPT_SECONDS)
        self.totals: Counter[str] = Counter(ok=0, failed=0, maintenance=0)
        self._by_region: dict[str, Counter[str]] = {}
        self.first_failed_at: datetime | None = None
        self.last_failed_at: datetime | None = None
        self._suffering = False

    async def arrive(self) -> None:
        """Let users arrive until cancelled; a slow request delays no other user."""
        paths, weights = list(self._spec.mix), list(self._spec.mix.values())
        loop = asyncio.get_running_loop()
        began, came = loop.time(), 0
        while True:
            due = int((loop.time() - began) * self._spec.per_second)
            for path in self._random.choices(paths, weights, k=due - came):
                self.count(self._storefront.visit(self._storefront.method_for(path), path))
            came = due
            self._notice_quiet()
            await asyncio.sleep(_TICK)

    def count(self, visit: Visit) -> None:
        """Add one user's visit to the counts."""
        now = self._clock()
        second = int(now.timestamp())
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, Counter()))
        self._seconds[-1][1][visit.outcome] += 1
        self.totals[visit.outcome] += 1
        self._by_region.setdefault(visit.region, Counter())[visit.outcome] += 1
        if visit.outcome == "failed":
            self._failed(now, visit)

    def _failed(self, now: datetime, visit: Visit) -> None:
        self.first_failed_at = self.first_failed_at or now
        self.last_failed_at = now
        if not self._suffering:
            self._suffering = True
            self._truth.record(
                "errors_started",
                failed_at=iso(now),
                region=visit.region,
                revision=visit.revision,
                status=visit.status,
                because=visit.because,
            )

    def _notice_quiet(self) -> None:
        if not self._suffering or self.last_failed_at is None:
            return
        if self._clock() - self.last_failed_at >= self._spec.quiet_after:
            self._suffering = False
            self._truth.record("errors_stopped", last_failed_at=iso(self.last_failed_at))

    def as_facts(self) -> dict[str, Any]:
        """Return the counts so far in all and by region, the last minute by the second, and the times of failures."""
        since = self._clock() - timedelta(seconds=60)
        return {
            **_counts(self.totals),
            "regions": {region: _counts(counted) for region, counted in self._by_region.items()},
            "suffering": self._suffering,
            "first_failed_at": iso(self.first_failed_at),
            "last_failed_at": iso(self.last_failed_at),
            "seconds": [
                {"second": second, **_counts(counted)}
                for second, counted in self._seconds
                if second >= since.timestamp()
            ],
        }


def _counts(counted: Counter[str]) -> dict[str, int]:
    return {outcome: counted[outcome] for outcome in ("ok", "failed", "maintenance")}
