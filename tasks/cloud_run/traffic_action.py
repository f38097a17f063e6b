"""What all actions on a Cloud Run service's traffic share: what they read, write, verify and refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import (
    Action,
    Change,
    Client,
    Fence,
    Finding,
    News,
    ParamProblem,
    Params,
    Receipt,
    Refusal,
    State,
)
from allclear.domain.errors import Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.cloud_run.handle import CloudRunHandle
from tasks.cloud_run import traffic_state
from tasks.cloud_run.evidence_sources import ServiceIdentity
from tasks.cloud_run.location import CloudRunParams, check_region, locate
from tasks.cloud_run.preflights import CLOUD_RUN_PREFLIGHTS
from tasks.cloud_run.traffic_checks import traffic_refusals
from tasks.cloud_run.traffic_state import TrafficState, traffic_finding, traffic_reached
from tasks.maintenance_handle import MaintenanceHandle


class TrafficAction(Action[CloudRunParams, TrafficState]):
    """The base of all changes of a service's traffic."""

    params: ClassVar[type[Params]] = CloudRunParams
    state: ClassVar[type[State]] = TrafficState
    needs: ClassVar[tuple[type[Client], ...]] = (CloudRun,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = CLOUD_RUN_PREFLIGHTS
    handles: ClassVar[tuple[type[Handle], ...]] = (CloudRunHandle,)
    fence: ClassVar[Fence] = Fence.VERSION
    deadline: ClassVar[timedelta] = traffic_state.DEADLINE

    def located(self, params: CloudRunParams) -> tuple[CloudRun, str]:
        """Return the client of the service's region, and its name in Cloud Run. Raises Refused, ConfigError."""
        return locate(self.context, params)

    def maintenance_tag(self, params: CloudRunParams) -> str | None:
        """Return the tag of the service's maintenance revision, or None."""
        return maintenance_tag(self.context.service(params.service))

    @classmethod
    @override
    def check_params(cls, params: CloudRunParams, services: Mapping[str, Service]) -> Iterable[ParamProblem]:
        return check_region(params, services)

    @override
    def resource(self, params: CloudRunParams) -> str:
        return traffic_of(*self.located(params))

    @override
    async def observe(self, params: CloudRunParams) -> TrafficState:
        return await traffic_state.read_traffic(*self.located(params))

    @override
    async def observe_result(self, params: CloudRunParams) -> TrafficState:
        return await traffic_state.read_service(*self.located(params))

    def identity(self, params: CloudRunParams) -> ServiceIdentity:
        """Return the service with the names by which the evidence sources know it."""
        run, name = self.located(params)
        return identity_of(run, params.service, name)

    @override
    async def precheck(self, params: CloudRunParams, change: Change[TrafficState]) -> list[Refusal]:
        return await traffic_refusals(*self.located(params), change.before, change.after)

    @override
    async def apply(self, params: CloudRunParams, change: Change[TrafficState], key: str) -> Receipt:
        # The etag makes a second write impossible.
        return await traffic_state.write_traffic(*self.located(params), change.before, change.after, change.deadline)

    @override
    def verify(self, change: Change[TrafficState], after: TrafficState, receipt: Receipt | None) -> Finding:
        return traffic_finding(change.after, after, receipt, change.before)

    @override
    def target_reached(self, change: Change[TrafficState], now: TrafficState) -> bool:
        return traffic_reached(change.after, now)

    @override
    def news_of(self, done: Change[TrafficState], now: TrafficState) -> News | None:
        return traffic_state.pinned_news(done.before, done.after, now)

    def change(
        self, params: CloudRunParams, before: TrafficState, after: TrafficState, *, summary: str, risk: str, undo: str
    ) -> Change[TrafficState]:
        """Return the change from `before` to `after`, with the sentences for the approver."""
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=after,
            risk=risk,
            undo=undo,
            deadline=self.deadline,
        )


def maintenance_tag(service: Service) -> str | None:
    """Return the tag of the service's maintenance revision, or None."""
    handle = service.handle(MaintenanceHandle)
    return handle.revision_tag if handle else None


def traffic_of(run: CloudRun, name: str) -> str:
    """Return the resource that a change of this service's traffic claims, as `family:name`."""
    return f"traffic:{run.path(name)}"


def identity_of(run: CloudRun, service: str, name: str) -> ServiceIdentity:
    """Return the service with the names by which the evidence sources know it."""
    return ServiceIdentity(
        service=service, resource=traffic_of(run, name), project=run.project, region=run.region, name=name
    )


def refuse_maintenance(after: TrafficState, now: TrafficState, tag: str | None) -> None:
    """Raise Refused if the change would send users to the maintenance page."""
    page = now.tagged(tag)
    if page and page in after.shares():
        raise Refused(
            f"The latest revision is {page}, the maintenance page.", "Deploy the service again, or name a revision."
        )
