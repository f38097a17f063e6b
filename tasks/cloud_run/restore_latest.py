"""Sending traffic to the latest revision again, which ends the pin that a rollback leaves."""

from __future__ import annotations

from typing_extensions import override

from allclear.domain.action import (
    Change,
)
from allclear.domain.errors import Refused
from tasks.cloud_run.location import CloudRunParams
from tasks.cloud_run.traffic_action import TrafficAction, refuse_maintenance
from tasks.cloud_run.traffic_state import TrafficState, restored, sending_all
from tasks.permissions import CLOUD_RUN_WRITE


class RestoreLatest(TrafficAction):
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
        refuse_maintenance(after, before, self.maintenance_tag(params))
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
