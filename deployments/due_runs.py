"""Asks Prefect for the runs that are due, without a write each time.

The request with which Prefect's runner polls also marks every deployment as served: a task in Prefect's server that
takes the database's one write lock. With 36 deployments it took a third of an idle server's processor time. A
deployment counts as served for a minute, so one poll in MARK_SECONDS is made that way, and the others only read.

*Source:* Prefect 3.8, `prefect/server/api/deployments.py` (`get_scheduled_flow_runs_for_deployments`), and the setting
`server.services.foreman.deployment_last_polled_timeout_seconds`, 60 by default.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

MARK_SECONDS = 15.0
"""Seconds between two polls that mark the deployments as served."""

_SCHEDULED = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))


class DueRuns:
    """What a runner's client asks in place of Prefect's own request."""

    def __init__(self, client: PrefectClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._marking = client.get_scheduled_flow_runs_for_deployments
        self._client = client
        self._clock = clock
        self._marked: float | None = None

    async def read(self, deployment_ids: list[UUID], scheduled_before: datetime | None = None) -> list[FlowRun]:
        """Return the scheduled runs of these deployments that start before `scheduled_before`, the first one first."""
        now = self._clock()
        if self._marked is None or now - self._marked >= MARK_SECONDS:
            found = await self._marking(deployment_ids, scheduled_before)
            self._marked = now
            return found
        due = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=deployment_ids),
            state=_SCHEDULED,
            next_scheduled_start_time=FlowRunFilterNextScheduledStartTime.model_validate({"before_": scheduled_before}),
        )
        return await self._client.read_flow_runs(flow_run_filter=due, sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC)
