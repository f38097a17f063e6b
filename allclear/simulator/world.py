"""The simulated production: one state behind every face, and the hands that can change it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allclear.simulator.faults import FaultBoard
from allclear.simulator.ground_truth import Clock, GroundTruth, utc_now
from allclear.simulator.pager import Pager
from allclear.simulator.past import Past
from allclear.simulator.revisions import ALL_TO_LATEST, Revision, Target
from allclear.simulator.run_service import Edit, RunService
from allclear.simulator.scenario import Production, RevisionSpec, TrafficSpec
from allclear.simulator.status_board import StatusBoard
from allclear.simulator.storefront import Storefront
from allclear.simulator.tables import FlagTable
from allclear.simulator.users import Users
from allclear.simulator.vercel_project import VercelProject
from allclear.simulator.workspace import Workspace


class World:
    """Everything that is true of the simulated production now.

    Make it and use it inside one running event loop. Nothing here waits: what takes time (an
    operation, the trouble to come) is a timer, and ``close`` stops them all.
    """

    def __init__(self, scenario: Production, clock: Clock = utc_now) -> None:
        self.scenario, self.clock = scenario, clock
        self.truth = GroundTruth(clock)
        self.faults = FaultBoard()
        self.storefront_url = ""
        self.broken = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._loop = asyncio.get_running_loop()
        now = clock()
        self.registry = f"{scenario.region}-docker.pkg.dev/{scenario.project}/apps/{scenario.service}"
        self.service = RunService(
            [Revision.from_spec(spec, now, self.registry) for spec in scenario.revisions],
            tuple(Target.from_spec(spec) for spec in scenario.traffic) or ALL_TO_LATEST,
            takes=scenario.operation_takes,
            later=self.later,
            clock=clock,
            truth=self.truth,
        )
        self.service.lags = scenario.traffic_lags
        self.past = Past(scenario, self.service, clock)
        self.flags = FlagTable(scenario.flags, clock, self.truth)
        self.storefront = Storefront(self.service, self.flags, scenario.pages, self.past.answered)
        self.users = Users(scenario.users, self.storefront, clock, self.truth)
        self.pager = Pager(clock, self.truth)
        self.workspace = Workspace(scenario.slack, clock, self.truth)
        self.status_board = StatusBoard(scenario.statuspage, clock, self.truth)
        self.vercel = VercelProject(scenario.vercel, self.service, clock) if scenario.vercel else None

    def start(self) -> None:
        """Let time begin: the trouble comes when the scenario says so."""
        self.truth.record(
            "world_started",
            project=self.scenario.project,
            service=self.scenario.service,
            serving=[target.as_facts() for target in self.service.state.serving],
        )
        after = self.scenario.breaks_after
        if self.scenario.outbreak is None or after is None:
            return
        if after > timedelta(0):
            self.later(after, self.break_now)
        else:
            self.break_now()

    def close(self) -> None:
        """Stop every timer, and let go of whoever waits for one."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.service.close()

    def later(self, delay: timedelta, do: Callable[[], object]) -> None:
        """Do something after a while, unless the world has been closed by then."""

        def fire() -> None:
            self._timers.discard(timer)
            do()

        timer = self._loop.call_later(delay.total_seconds(), fire)
        self._timers.add(timer)

    def break_now(self) -> bool:
        """Start the scenario's trouble; ``False`` if it has none, or has started already."""
        outbreak = self.scenario.outbreak
        if outbreak is None or self.broken:
            return False
        self.broken = True
        self.truth.record(
            "trouble_started",
            deploys=outbreak.deploy.name if outbreak.deploy else None,
            enables=outbreak.enable_flags,
        )
        if outbreak.deploy is not None:
            self.deploy(outbreak.deploy, by="an engineer")
        self.flags.update(outbreak.enable_flags, {"enabled": True}, by="an engineer")
        return True

    def deploy(self, spec: RevisionSpec, by: str) -> None:
        """Make a new revision; it gets traffic only where the traffic goes to the latest.

        :raises RunError: ALREADY_EXISTS for a name that is taken.
        """
        fresh = spec.model_copy(update={"age": timedelta(0), "deleted": False})
        revision = Revision.from_spec(fresh, self.clock(), self.registry)
        self.service.change_at_once(Edit(deploy=revision))
        self.truth.record(
            "deployed",
            revision=revision.name,
            ready=revision.ready,
            faults=[f"{t.path} {t.error_rate:.0%}" for t in revision.faults.values()],
            by=by,
            serving=self.serving(),
        )

    def redirect(self, traffic: list[TrafficSpec], by: str) -> None:
        """Change the traffic as somebody else would, at once."""
        targets = tuple(Target.from_spec(spec) for spec in traffic)
        self.service.change_at_once(Edit(traffic=targets or ALL_TO_LATEST))
        self.truth.record(
            "traffic_changed",
            traffic=[target.as_facts() for target in targets],
            by=by,
            serving=self.serving(),
        )

    def serving(self) -> dict[str, int]:
        """The revisions that get requests now, with their shares in percent."""
        shares: dict[str, int] = {}
        for name, percent in self.service.state.serves():
            shares[name] = shares.get(name, 0) + percent
        return shares

    def state(self) -> dict[str, Any]:
        """The whole state in plain data, for the drill and for people."""
        service = self.service.state
        maintenance = [flag.name for flag in self.flags.enabled() if flag.maintenance]
        maintenance += [n for n in self.serving() if self.service.revisions[n].maintenance]
        return {
            "broken": self.broken,
            "traffic": [target.as_facts() for target in service.traffic],
            "serving": self.serving(),
            "reconciling": service.reconciling,
            "generation": service.generation,
            "etag": service.etag,
            "latest_ready": service.latest_ready,
            "latest_created": service.latest_created,
            "revisions": [self._revision_facts(r) for r in self.service.revisions.values()],
            "flags": {row["name"]: row["enabled"] for row in self.flags.rows()},
            "maintenance": maintenance,
            "users": self.users.as_facts(),
            "pages": [page.as_facts() for page in self.pager.pages],
            "messages": [
                {"channel": channel.name, **message}
                for channel in self.workspace.channels
                for message in channel.messages
            ],
            "status_incidents": self.status_board.incidents,
            "faults": [fault.model_dump() for fault in self.faults.waiting()],
        }

    def _revision_facts(self, revision: Revision) -> dict[str, Any]:
        return {
            "name": revision.name,
            "ready": revision.ready,
            "maintenance": revision.maintenance,
            "created_at": revision.created_at.isoformat(),
            "faults": {path: t.error_rate for path, t in revision.faults.items()},
        }
