"""The read-only tests of Cloud Run and of the two systems that tell which revision served before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import ActionContext, Client
from allclear.domain.base import utc_now
from allclear.domain.errors import Denied
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.cloud_logging import CloudLogs
from allclear.vendors.cloud_monitoring import CloudMetrics
from allclear.vendors.cloud_run.client import UPDATE_PERMISSION, CloudRun
from allclear.vendors.cloud_run.handle import CloudRunHandle

_WINDOW = timedelta(hours=1)


class CloudRunPreflight(Preflight):
    """Reads each service in each of its regions, and asks for the permission to change it if the plan does that."""

    client: ClassVar[type[Client]] = CloudRun

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        writes = any(use.writes for use in uses)
        for run, name in _places(self.context, services):
            yield PreflightCheck(f"{name} in {run.region}", partial(self._service, run, name, writes=writes))

    async def _service(self, run: CloudRun, name: str, *, writes: bool) -> Passed:
        await run.service(name)
        await run.revisions(name)
        if not writes:
            return Passed("The service and its revisions can be read.")
        if not await run.may(name, UPDATE_PERMISSION):
            raise Denied(
                f"Our credentials may read {run.path(name)}, and lack {UPDATE_PERMISSION} on it.",
                f"Give their service account roles/run.developer on {run.path(name)}.",
            )
        return Passed(f"The service and its revisions can be read, and {UPDATE_PERMISSION} is granted.")


class MetricsPreflight(Preflight):
    """Counts the requests of each service in the last hour."""

    client: ClassVar[type[Client]] = CloudMetrics

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        metrics = self.context.client(CloudMetrics)
        for run, name in _places(self.context, services):
            yield PreflightCheck(f"{name} in {run.region}", partial(self._requests, metrics, run, name))

    async def _requests(self, metrics: CloudMetrics, run: CloudRun, name: str) -> Passed:
        await metrics.requests(run.project, run.region, name, until=utc_now(), window=_WINDOW)
        return Passed("The requests of each revision can be counted.")


class LogsPreflight(Preflight):
    """Reads the audit log of each service."""

    client: ClassVar[type[Client]] = CloudLogs

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        logs = self.context.client(CloudLogs)
        for run, name in _places(self.context, services):
            yield PreflightCheck(f"{name} in {run.region}", partial(self._moves, logs, run, name))

    async def _moves(self, logs: CloudLogs, run: CloudRun, name: str) -> Passed:
        await logs.traffic_moves(run.project, run.region, name, now=utc_now())
        return Passed("The audit log of its traffic can be read.")


CLOUD_RUN_PREFLIGHTS: tuple[type[Preflight], ...] = (CloudRunPreflight, MetricsPreflight, LogsPreflight)


def _places(context: ActionContext, services: Mapping[str, Service]) -> Iterator[tuple[CloudRun, str]]:
    """Yield the client and the name of each service in each region. Raises ConfigError if there is no client."""
    run = context.client(CloudRun)
    for service in services.values():
        handle = service.handle(CloudRunHandle)
        for region, name in handle.by_region(run.region).items() if handle else ():
            yield run.at(region), name
