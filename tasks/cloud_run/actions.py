"""The actions and the probe of Cloud Run: rolling traffic back, restoring the latest revision, listing revisions.

A rollback pins the service: later deployments get no users until `cloud_run.restore_latest`. The ledger holds that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    COMPANY,
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
    Verdict,
)
from allclear.domain.baseline import SERVING_ALL, ServingAll
from allclear.domain.errors import AllclearError, Refused
from allclear.domain.preflight import Preflight
from allclear.domain.probe import Probe
from allclear.domain.systems import Handle, Service
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.cloud_run.handle import CloudRunHandle
from tasks.cloud_run import traffic_state
from tasks.cloud_run.evidence import ALL, Past
from tasks.cloud_run.evidence_sources import EVIDENCE_CLIENTS, SOURCE_SECONDS, ServiceIdentity, gather_evidence
from tasks.cloud_run.location import CloudRunParams, check_region, locate
from tasks.cloud_run.preflights import CLOUD_RUN_PREFLIGHTS
from tasks.cloud_run.previous_revision import Choice, choose_named, choose_previous, passed_over, who_pinned
from tasks.cloud_run.rolled_back import with_failed
from tasks.cloud_run.traffic_checks import traffic_refusals
from tasks.cloud_run.traffic_state import TrafficState, restored, sending_all, traffic_finding, traffic_reached
from tasks.maintenance_handle import MaintenanceHandle
from tasks.permissions import CLOUD_RUN_READ, CLOUD_RUN_WRITE, LOGS_READ, METRICS_READ
from tasks.read_together import read_together

PREVIOUS = "previous"


class RollbackParams(CloudRunParams):
    """Which service, in which region, and to which revision."""

    to: str = Field(default=PREVIOUS, description="A revision's name, or `previous`.")


class _TrafficAction(Action[CloudRunParams, TrafficState]):
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


class RollbackTraffic(_TrafficAction):
    """Sends all users of a service to an earlier revision."""

    name = "cloud_run.rollback_traffic"
    title = "Roll back traffic"
    permissions = (CLOUD_RUN_WRITE, METRICS_READ, LOGS_READ)
    usual_risk = "Users get the state of an older revision, and later deployments get no users until the pin ends."
    usual_undo = "Restores the traffic that was there before, once a fix is deployed."
    params = RollbackParams
    leaves = "traffic pinned to a revision"
    chooses = "to"
    uses = EVIDENCE_CLIENTS
    evidence_seconds: ClassVar[float] = SOURCE_SECONDS
    """How long to wait for each source of evidence, in seconds."""

    @override
    async def observe_for_plan(self, params: CloudRunParams) -> TrafficState:
        resource = self.resource(params)
        if _target(params):
            return with_failed(await self.observe(params), self.context, resource)
        # The evidence about the past is gathered while the present is read.
        evidence = gather_evidence(self.context, self.identity(params), seconds=self.evidence_seconds)
        state, past = await read_together(super().observe(params), evidence)
        if state.unlisted:
            named = [piece.revision for piece in past.evidence]
            state = await traffic_state.with_revisions(*self.located(params), state, named)
        return with_failed(state.model_copy(update={"past": past}), self.context, resource)

    @override
    async def observe(self, params: CloudRunParams) -> TrafficState:
        state, named = await super().observe(params), _target(params)
        if state.unlisted and named:
            return await traffic_state.with_revisions(*self.located(params), state, [named])
        return state

    @override
    def plan(self, params: CloudRunParams, before: TrafficState) -> Change[TrafficState]:
        tag = self.maintenance_tag(params)
        named = _target(params)
        choice = choose_named(before, named, tag, before.past) if named else choose_previous(before, tag, before.past)
        after = sending_all(before, choice.target).model_copy(update={"past": Past()})
        return self.change(
            params,
            before,
            after,
            summary=f"Send all traffic of {params.service} from {before.in_words()} to {choice.target}.",
            risk=_risk(choice, before, tag),
            undo=f"Restores the traffic to {before.in_words()}, once a fix is deployed.",
        ).model_copy(update={"known_good": choice.known_good})

    @override
    async def precheck(self, params: CloudRunParams, change: Change[TrafficState]) -> list[Refusal]:
        refusals = await super().precheck(params, change)
        now = change.before
        ahead = passed_over(now, self.maintenance_tag(params), now.past)
        backwards = change.after.intent() != change.before.intent() and not _goes_forward(change)
        if _target(params) is None and ahead and backwards:
            refusals.append(
                Refusal(
                    sentence=f"{params.service} seems to be rolled back already: traffic is {now.in_words()},"
                    f" and the newer {ahead} is ready and gets none. {who_pinned(now, now.past)}".rstrip(),
                    next_step=f"To go back further, name the revision: allclear act {COMPANY} {self.name}"
                    f" service={params.service} to=REVISION --reason WHY --as NAME",
                )
            )
        return refusals

    @override
    def undo(self, params: CloudRunParams, done: Change[TrafficState], now: TrafficState) -> Change[TrafficState]:
        after = restored(done.before, done.after, now)
        left = set(done.before.shares()) - set(done.after.shares())
        failed = _newest_of(left, now)
        if failed in after.shares():
            raise self._back_to_failed(params, failed, after, now)
        _refuse_maintenance(after, now, self.maintenance_tag(params))
        named = sorted(left & set(after.shares()))
        return self.change(
            params,
            now,
            after,
            summary=f"Restore the traffic of {params.service} from {now.in_words()} to {after.in_words()}.",
            risk=f"Users get {', '.join(named)} again, which was rolled back."
            if named
            else "Users get the newer revision again.",
            undo=f"Restores the traffic to {now.in_words()}.",
        )

    def _back_to_failed(self, params: CloudRunParams, failed: str, after: TrafficState, now: TrafficState) -> Refused:
        """Return the refusal of an undo that would send users back to the revision that was rolled back.

        It names the way that works, whether that revision served as the latest one or by its name.
        """
        region = f" region={params.region}" if params.region else ""
        command = f"allclear act {COMPANY} {{}} service={params.service}{region}{{}} --reason WHY --as NAME"
        restore = command.format(RestoreLatest.name, "")
        if any(share.latest and share.revision == failed for share in after.allocation):
            return Refused(
                f"{failed} is still the latest revision: undo would send users back to the revision that failed.",
                f"Deploy the fix first, then undo. To send users to {failed} all the same: {restore}",
            )
        fixed = now.latest_ready
        if fixed and fixed != failed and fixed not in now.shares():
            way = f"To send users to {fixed}, the latest revision, and to each later one: {restore}"
        else:
            named = command.format(self.name, f" to={failed}")
            way = (
                f"Deploy the fix first. Then send users to it: {restore} To send them to {failed} all the same: {named}"
            )
        return Refused(
            f"The traffic was at {failed} by name: undo would send users back to the revision that failed.", way
        )


class RestoreLatest(_TrafficAction):
    """Sends all users of a service to its latest revision, and to each later deployment."""

    name = "cloud_run.restore_latest"
    title = "Send traffic to the latest revision"
    permissions = (CLOUD_RUN_WRITE,)
    usual_risk = "Users get the latest revision, and then each later one, also if it is bad."
    usual_undo = "Pins the traffic to where it was."
    reverses = "cloud_run.rollback_traffic"

    @override
    def plan(self, params: CloudRunParams, before: TrafficState) -> Change[TrafficState]:
        latest = before.latest_ready
        if not latest:
            raise Refused(f"{params.service} has no revision that is ready.", "Deploy a revision that starts.")
        after = sending_all(before, latest, latest=True)
        _refuse_maintenance(after, before, self.maintenance_tag(params))
        if before.tagged(self.maintenance_tag(params)) in before.served():
            raise Refused(f"{params.service} is in maintenance.", "End it with maintenance.disable.")
        pending = before.latest_created if before.latest_created != latest else None
        waiting = f" {pending} is newer and not ready: users will get it as soon as it is." if pending else ""
        return self.change(
            params,
            before,
            after,
            summary=f"Send all traffic of {params.service} from {before.in_words()} to the latest revision, {latest}.",
            risk=f"Users get {latest}, and then each later deployment.{waiting}",
            undo=f"Restores the traffic to {before.in_words()}.",
        )

    @override
    def undo(self, params: CloudRunParams, done: Change[TrafficState], now: TrafficState) -> Change[TrafficState]:
        after = restored(done.before, done.after, now)
        return self.change(
            params,
            now,
            after,
            summary=f"Restore the traffic of {params.service} from {now.in_words()} to {after.in_words()}.",
            risk="The service is pinned again: later deployments get no users.",
            undo="Sends all traffic to the latest revision again.",
        )


class Revisions(Probe[CloudRunParams]):
    """Reports which revision serves, and which one a rollback would choose."""

    name = "cloud_run.revisions"
    title = "List the revisions"
    permissions = (CLOUD_RUN_READ, METRICS_READ, LOGS_READ)
    params = CloudRunParams
    needs = (CloudRun,)
    preflights = CLOUD_RUN_PREFLIGHTS
    uses = EVIDENCE_CLIENTS
    handles = (CloudRunHandle,)
    reports_serving = True
    evidence_seconds: ClassVar[float] = SOURCE_SECONDS
    """How long to wait for each source of evidence, in seconds."""

    @classmethod
    @override
    def check_params(cls, params: CloudRunParams, services: Mapping[str, Service]) -> Iterable[ParamProblem]:
        return check_region(params, services)

    @override
    async def check(self, params: CloudRunParams) -> Finding:
        service = self.context.service(params.service)
        try:
            run, name = locate(self.context, params)
            identity = identity_of(run, params.service, name)
            evidence = gather_evidence(self.context, identity, seconds=self.evidence_seconds)
            state, past = await read_together(traffic_state.read_traffic(run, name), evidence)
        except AllclearError as error:
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=error.message)
        facts = state.model_dump(mode="json", include={"allocation", "serving", "latest_ready", "reconciling"})
        facts["revisions"] = [revision.model_dump(mode="json") for revision in state.revisions[:10]]
        tag = maintenance_tag(service)
        if state.serving == state.shares() and list(state.serving.values()) == [ALL]:
            [only] = state.serving
            if only != state.tagged(tag):
                facts[SERVING_ALL] = [ServingAll(resource=identity.resource, revision=only).model_dump(mode="json")]
        try:
            choice = choose_previous(state, tag, past)
            facts["previous"], previous = choice.target, f"before it {choice.target} served"
        except Refused as refused:
            facts["previous"] = None
            names = ", ".join(candidate.name for candidate in refused.candidates)
            previous = f"which served before is not known (it could be {names})" if names else "none to roll back to"
        pinned = "" if any(share.latest and share.percent for share in state.allocation) else ", pinned"
        sentence = f"Traffic is {state.in_words()}{pinned}; {previous}."
        return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=facts)


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


def _target(params: CloudRunParams) -> str | None:
    """Return the revision that `to` names, without its path; None for `previous`."""
    to = params.to if isinstance(params, RollbackParams) else PREVIOUS
    return None if to == PREVIOUS else to.rsplit("/", 1)[-1]


def _newest_of(names: set[str], state: TrafficState) -> str:
    """Return the newest of these revisions; empty if there are none."""
    found = [revision for revision in state.revisions if revision.name in names]
    if not found:  # the revisions could not be listed
        return min(names, default="")
    return max(found, key=lambda revision: (revision.created, revision.name)).name


def _goes_forward(change: Change[TrafficState]) -> bool:
    """Return whether the change sends users to a newer revision than now, as an undo does."""
    created = {revision.name: revision.created for revision in change.before.revisions}
    now = [created[name] for name in change.before.served() if name in created]
    then = [created[name] for name in change.after.shares() if name in created]
    return any(share.latest and share.percent for share in change.after.allocation) or (
        bool(now and then) and max(then) > max(now)
    )


def _risk(choice: Choice, before: TrafficState, tag: str | None) -> str:
    ahead = passed_over(before, tag, before.past)
    parts = [
        choice.reason,
        *choice.against,
        f"Others that could serve: {', '.join(choice.others)}." if choice.others else "Nothing else could serve.",
        f"{ahead} is newer, ready, and gets no traffic: there may have been a rollback already." if ahead else "",
        "The service is pinned: later deployments get no users until the latest revision is restored.",
        "The database is not rolled back.",
    ]
    return " ".join(part for part in parts if part)


def _refuse_maintenance(after: TrafficState, now: TrafficState, tag: str | None) -> None:
    page = now.tagged(tag)
    if page and page in after.shares():
        raise Refused(
            f"The latest revision is {page}, the maintenance page.", "Deploy the service again, or name a revision."
        )
