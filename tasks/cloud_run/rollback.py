"""Rolling traffic back to an earlier revision.

A rollback pins the service: later deployments get no users until `cloud_run.restore_latest`. The ledger holds that.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    COMPANY,
    Change,
    Refusal,
)
from allclear.domain.errors import Refused
from tasks.cloud_run import traffic_state
from tasks.cloud_run.evidence import Past
from tasks.cloud_run.evidence_sources import EVIDENCE_CLIENTS, SOURCE_SECONDS, gather_evidence
from tasks.cloud_run.failed_revisions import with_failed
from tasks.cloud_run.location import CloudRunParams
from tasks.cloud_run.previous_revision import Choice, choose_named, choose_previous, passed_over, who_pinned
from tasks.cloud_run.restore_latest import RestoreLatest
from tasks.cloud_run.traffic_action import TrafficAction, refuse_maintenance
from tasks.cloud_run.traffic_state import TrafficState, restored, sending_all
from tasks.permissions import CLOUD_RUN_WRITE, LOGS_READ, METRICS_READ
from tasks.read_together import read_together

PREVIOUS = "previous"


class RollbackParams(CloudRunParams):
    """Which service, in which region, and to which revision."""

    to: str = Field(default=PREVIOUS, description="A revision's name, or `previous`.")


class RollbackTraffic(TrafficAction):
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
        refuse_maintenance(after, now, self.maintenance_tag(params))
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
                f"{failed} is still the latest revision: undo would send users back to the revision that was "
                "rolled back.",
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
            f"The traffic was at {failed} by name: undo would send users back to the revision that was rolled back.",
            way,
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
