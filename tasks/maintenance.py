"""Putting a service into maintenance and out of it: with a flag, or with a revision that was deployed for it.

The service's `maintenance` in systems.yaml decides which, and `by` if it has both. A flag takes effect faster; a
revision works even if the application does not start, or its database is down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    Action,
    ActionContext,
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
    Verdict,
)
from allclear.domain.approval import ONE_PERSON, ONE_PERSON_WITH_REASON
from allclear.domain.base import JsonDict
from allclear.domain.errors import ConfigError, Refused
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.cloud_run.handle import CloudRunHandle
from allclear.vendors.supabase import SupabaseFlags
from tasks import feature_flags
from tasks.cloud_run import traffic_state
from tasks.cloud_run.evidence import ALL
from tasks.cloud_run.location import CloudRunParams, check_region, locate
from tasks.cloud_run.preflights import CloudRunPreflight
from tasks.cloud_run.traffic_checks import traffic_refusals
from tasks.cloud_run.traffic_state import TrafficState, restored, sending_all, traffic_finding, traffic_reached, unfit
from tasks.feature_flags import FlagState
from tasks.maintenance_handle import MaintenanceHandle
from tasks.permissions import CLOUD_RUN_WRITE, FLAGS_WRITE
from tasks.service_params import handle_of
from tasks.switches import switched_news, switched_since

_HANDLE_CHANGED = "The `maintenance` in systems.yaml was changed since the proposal."


class MaintenanceParams(CloudRunParams):
    """Which service, in which region, and by what it is closed."""

    by: Literal["flag", "revision"] | None = Field(
        default=None, description="For a service that has both: `flag` (the one that is used without it) or `revision`."
    )


class MaintenanceState(State):
    """Whether a service is in maintenance, and the flag or the traffic that decides it."""

    on: bool
    flag: FlagState | None = None
    traffic: TrafficState | None = None

    @override
    def matters(self) -> JsonDict:
        """Return the fields that an approval signs: those of the flag or the traffic, without incidental ones."""
        decides = self.flag or self.traffic
        return {"on": self.on, "handle": decides.matters() if decides else None}

    @override
    def in_words(self) -> str:
        return "in maintenance" if self.on else "open to users"

    @override
    def fence_token(self) -> str:
        return self.traffic.fence_token() if self.traffic else ""

    @override
    def last_changed(self) -> str:
        return self.traffic.last_changed() if self.traffic else ""


class _Maintenance(Action[MaintenanceParams, MaintenanceState]):
    """The base of both directions."""

    params: ClassVar[type[Params]] = MaintenanceParams
    state: ClassVar[type[State]] = MaintenanceState
    needs: ClassVar[tuple[type[Client], ...]] = (CloudRun, SupabaseFlags)
    handles: ClassVar[tuple[type[Handle], ...]] = (MaintenanceHandle,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (CloudRunPreflight, feature_flags.SupabasePreflight)
    fence: ClassVar[Fence] = Fence.VERSION

    @classmethod
    @override
    def works_for(cls, service: Service) -> bool:
        handle = service.handle(MaintenanceHandle)
        return handle is not None and (handle.flag is not None or service.handle(CloudRunHandle) is not None)

    @classmethod
    @override
    def needs_for(cls, params: Mapping[str, Any], services: Mapping[str, Service]) -> tuple[type[Client], ...]:
        service = services.get(str(params.get("service")))
        handle = service.handle(MaintenanceHandle) if service else None
        by = params.get("by")
        mode = handle.only(str(by) if by else None) if handle else None
        if mode is None:
            return cls.needs
        return (SupabaseFlags,) if mode.flag else (CloudRun,)

    @override
    def clients(self, params: MaintenanceParams) -> tuple[type[Client], ...]:
        return (SupabaseFlags,) if self.mode(params).flag else (CloudRun,)

    def mode(self, params: MaintenanceParams) -> MaintenanceHandle:
        """Return the flag or the revision of the service's maintenance. Raises ConfigError if systems.yaml has none."""
        next_step = "Give it a flag, or the tag of a revision deployed for it."
        mode = handle_of(self.context, params.service, MaintenanceHandle, next_step).only(params.by)
        if mode is None:
            field = "flag" if params.by == "flag" else "revision_tag"
            raise ConfigError(f"The `maintenance` of {params.service} has no `{field}` in systems.yaml.", next_step)
        return mode

    @classmethod
    @override
    def check_params(cls, params: MaintenanceParams, services: Mapping[str, Service]) -> Iterable[ParamProblem]:
        service = services.get(params.service)
        handle = service.handle(MaintenanceHandle) if service else None
        mode = handle.only(params.by) if handle else None
        if handle and mode is None:
            sentence = f"The `maintenance` of {params.service} has no {params.by}."
            return (ParamProblem(param="by", sentence=sentence, known=("flag" if handle.flag else "revision",)),)
        # A flag has no regions.
        return () if mode and mode.flag else check_region(params, services)

    def located(self, params: MaintenanceParams) -> tuple[CloudRun, str]:
        """Return the client of the service's region, and its name in Cloud Run. Raises Refused, ConfigError."""
        return locate(self.context, params)

    @override
    def resource(self, params: MaintenanceParams) -> str:
        mode = self.mode(params)
        if mode.flag:
            return f"flag:{mode.flag}"
        run, name = self.located(params)
        return f"traffic:{run.path(name)}"

    @override
    async def observe(self, params: MaintenanceParams) -> MaintenanceState:
        mode = self.mode(params)
        if mode.flag:
            flag = await feature_flags.read_flag(self.context.client(SupabaseFlags), mode.flag)
            return MaintenanceState(on=flag.enabled, flag=flag)
        traffic = await traffic_state.read_traffic(*self.located(params))
        return _by_traffic(traffic, mode.revision_tag)

    @override
    async def observe_result(self, params: MaintenanceParams) -> MaintenanceState:
        mode = self.mode(params)
        if mode.flag:
            return await self.observe(params)
        return _by_traffic(await traffic_state.read_service(*self.located(params)), mode.revision_tag)

    @override
    def news_of(self, done: Change[MaintenanceState], now: MaintenanceState) -> News | None:
        if done.before.traffic and done.after.traffic and now.traffic:
            return traffic_state.pinned_news(done.before.traffic, done.after.traffic, now.traffic)
        if now.on != done.after.on:
            return switched_news("Maintenance", feature_flags.word(enabled=now.on))
        return None

    @override
    async def precheck(self, params: MaintenanceParams, change: Change[MaintenanceState]) -> list[Refusal]:
        before, after = change.before.traffic, change.after.traffic
        if before is None or after is None:
            return []
        return await traffic_refusals(*self.located(params), before, after)

    @override
    async def apply(self, params: MaintenanceParams, change: Change[MaintenanceState], key: str) -> Receipt:
        # The etag, or the old value of the flag, makes a second write impossible.
        before, after = change.before, change.after
        if before.flag and after.flag:
            return await feature_flags.write_flag(self.context.client(SupabaseFlags), before.flag, after.flag)
        if before.traffic and after.traffic:
            run, name = self.located(params)
            return await traffic_state.write_traffic(run, name, before.traffic, after.traffic, change.deadline)
        raise Refused(
            _HANDLE_CHANGED,
            "Propose it again.",
        )

    @override
    def verify(self, change: Change[MaintenanceState], after: MaintenanceState, receipt: Receipt | None) -> Finding:
        if change.after.traffic and after.traffic:
            return traffic_finding(change.after.traffic, after.traffic, receipt, change.before.traffic)
        if after.matters() == change.after.matters():
            return Finding(verdict=Verdict.SUCCESS, sentence=f"Maintenance is {feature_flags.word(enabled=after.on)}.")
        return Finding(verdict=Verdict.FAILURE, sentence=f"Maintenance is {feature_flags.word(enabled=after.on)}.")

    @override
    def target_reached(self, change: Change[MaintenanceState], now: MaintenanceState) -> bool:
        if change.after.traffic and now.traffic:
            return traffic_reached(change.after.traffic, now.traffic)
        return now.matters() == change.after.matters()

    @override
    def undo(
        self, params: MaintenanceParams, done: Change[MaintenanceState], now: MaintenanceState
    ) -> Change[MaintenanceState]:
        if done.before.traffic and done.after.traffic and now.traffic:
            traffic = restored(done.before.traffic, done.after.traffic, now.traffic)
            return self.change(params, now, _by_traffic(traffic, self.mode(params).revision_tag))
        if now.matters() != done.after.matters():
            raise switched_since(f"Maintenance of {params.service}", feature_flags.word(enabled=now.on))
        return self.change(params, now, done.before)

    def change(
        self, params: MaintenanceParams, before: MaintenanceState, after: MaintenanceState, reason: str = ""
    ) -> Change[MaintenanceState]:
        """Return the change from `before` to `after`, with the sentences for the approver."""
        direction = "into" if after.on else "out of"
        risk = "Every user gets the maintenance page." if after.on else "Users reach the service again."
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Take {params.service} {direction} maintenance: {_change(before, after)}.",
            before=before,
            after=after,
            risk=f"{risk} {reason}".strip(),
            undo=f"Restores what it was: {_say(before)}, unless it was changed in the meantime.",
            deadline=traffic_state.DEADLINE if after.traffic else feature_flags.DEADLINE,
        )


class EnableMaintenance(_Maintenance):
    """Shows the maintenance page to every user of a service."""

    name = "maintenance.enable"
    title = "Go into maintenance"
    permissions = (CLOUD_RUN_WRITE, FLAGS_WRITE)
    usual_risk = "Every user gets the maintenance page."
    usual_undo = "Restores what it was, unless it was changed in the meantime."
    approval = ONE_PERSON_WITH_REASON
    leaves = "maintenance on"
    closes_service = True

    @override
    def plan(self, params: MaintenanceParams, before: MaintenanceState) -> Change[MaintenanceState]:
        if before.flag:
            after = MaintenanceState(on=True, flag=before.flag.model_copy(update={"enabled": True}))
            return self.change(params, before, after)
        traffic, tag = _traffic(before), self.mode(params).revision_tag
        page = traffic.tagged(tag)
        if page is None:
            raise Refused(
                f"No revision of {params.service} carries the tag {tag}.",
                "Deploy the maintenance page with that tag and no traffic.",
            )
        return self.change(params, before, _by_traffic(sending_all(traffic, page), tag), f"It is the revision {page}.")


class DisableMaintenance(_Maintenance):
    """Lets users reach a service again."""

    name = "maintenance.disable"
    title = "End maintenance"
    permissions = (CLOUD_RUN_WRITE, FLAGS_WRITE)
    usual_risk = "Users reach the service again, in whatever state it is."
    usual_undo = "Goes into maintenance again."
    approval = ONE_PERSON
    reverses = "maintenance.enable"

    @override
    def plan(self, params: MaintenanceParams, before: MaintenanceState) -> Change[MaintenanceState]:
        if before.flag:
            after = MaintenanceState(on=False, flag=before.flag.model_copy(update={"enabled": False}))
            return self.change(params, before, after)
        traffic, tag = _traffic(before), self.mode(params).revision_tag
        if not before.on:
            return self.change(params, before, before)
        page, latest = traffic.tagged(tag), traffic.latest_ready
        if latest and latest != page:
            opened, reason = sending_all(traffic, latest, latest=True), f"They get the latest revision, {latest}."
        else:
            names = [r.name for r in traffic.revisions if r.name != page and unfit(traffic, r.name) is None]
            if not names:
                raise Refused(
                    f"No revision of {params.service} can serve, except the maintenance page.",
                    "Deploy the service again.",
                )
            opened, reason = sending_all(traffic, names[0]), f"They get {names[0]}, the newest revision that can serve."
        # Cloud Run does not know which revision served before; the undo of maintenance.enable does.
        reason += " If traffic was pinned before the maintenance, undo maintenance.enable instead."
        return self.change(params, before, _by_traffic(opened, tag), reason)


async def is_closed(context: ActionContext, service: str, mode: MaintenanceHandle) -> bool:
    """Return whether the service is in maintenance by its one mode, in all its regions. Raises VendorError."""
    if mode.flag:
        return (await feature_flags.read_flag(context.client(SupabaseFlags), mode.flag)).enabled
    handle = handle_of(context, service, CloudRunHandle, "Add its Cloud Run name there.")
    run = context.client(CloudRun)
    traffic = [
        await traffic_state.read_service(run.at(region), name) for region, name in handle.by_region(run.region).items()
    ]
    return all(_by_traffic(one, mode.revision_tag).on for one in traffic)


def _traffic(state: MaintenanceState) -> TrafficState:
    if state.traffic is None:
        raise Refused(_HANDLE_CHANGED, "Propose it again.")
    return state.traffic


def _by_traffic(traffic: TrafficState, tag: str | None) -> MaintenanceState:
    page = traffic.tagged(tag)
    return MaintenanceState(on=page is not None and traffic.shares() == {page: ALL}, traffic=traffic)


def _change(before: MaintenanceState, after: MaintenanceState) -> str:
    """Return the change in words: which flag is switched, or how the traffic moves."""
    if before.flag and after.flag and before.flag.flag == after.flag.flag:
        was, becomes = (feature_flags.word(enabled=state.flag.enabled) for state in (before, after) if state.flag)
        return f"the flag {after.flag.flag} is switched from {was} to {becomes}"
    return f"from {_say(before)} to {_say(after)}"


def _say(state: MaintenanceState) -> str:
    if state.flag:
        return f"the flag {state.flag.flag} {feature_flags.word(enabled=state.flag.enabled)}"
    return state.traffic.in_words() if state.traffic else "nothing"
