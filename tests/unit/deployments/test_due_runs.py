"""The runner asks for due runs without a write each time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from prefect.client.orchestration import PrefectClient

from deployments.due_runs import MARK_SECONDS, DueRuns

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)


class Asked:
    """Prefect's client, which notes what is asked."""

    def __init__(self) -> None:
        self.marked = 0
        self.read: list[dict[str, Any]] = []

    async def get_scheduled_flow_runs_for_deployments(self, *_: object) -> list[object]:
        """Note a poll that marks the deployments as served."""
        self.marked += 1
        return []

    async def read_flow_runs(self, *, flow_run_filter: Any, sort: Any) -> list[object]:  # noqa: ANN401 - Prefect's
        """Note a poll that only reads."""
        self.read.append({**flow_run_filter.model_dump(mode="json", exclude_none=True), "sort": sort.value})
        return []


async def test_one_poll_in_fifteen_seconds_marks_the_deployments_as_served() -> None:
    """The others read the scheduled runs of the same deployments that are due, in the order of their start."""
    asked, deployment, clock = Asked(), uuid4(), [100.0]
    due = DueRuns(cast("PrefectClient", asked), lambda: clock[0])
    for later in (0.0, 0.5, MARK_SECONDS - 0.5, MARK_SECONDS, MARK_SECONDS + 0.5):
        clock[0] = 100.0 + later
        assert await due.read([deployment], NOW) == []
    assert asked.marked == 2
    [first, *others] = asked.read
    assert others == [first, first]
    assert first["deployment_id"]["any_"] == [str(deployment)]
    assert first["state"]["type"]["any_"] == ["SCHEDULED"]
    assert first["next_scheduled_start_time"]["before_"].startswith("2026-11-29T03:00:00")
    assert first["sort"] == "NEXT_SCHEDULED_START_TIME_ASC"
