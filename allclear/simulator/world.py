"""The simulated production: one state behind every face, and the hands that can change it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allclear.simulator.event_log import Clock, GroundTruth, utc_now
from allclear.simulator.faults import FaultBoard
from allclear.simulator.flag_table import FlagTable
from allclear.simulator.pagerduty_pages import Pager
from allclear.simulator.regional_services import Sites
from allclear.simulator.scenario import Production
from allclear.simulator.scenario_schema import RevisionSpec, TrafficSpec
from allclear.simulator.slack_workspace import Workspace
from allclear.simulator.statuspage_board import StatusBoard
from allclear.simulator.users import Users
from allclear.simulator.vercel_project import VercelProject
from allclear.simulator.visits import Storefront


class World:
    """Everything that is true of the simulated production now.

    Make it and use it inside one running event loop. Nothing here waits: what takes time (an
    operation, the trouble to come) is a timer, and ``close`` stops them all.
    """

    def __init__(self, scenario: Production, clock: Clock = utc_now) -> None:
        self.scenario, self.clock = scenario, clock
        self.truth = GroundTruth(clock)
        self.faults = FaultBoard()
        self.broken = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._loop = asyncio.get_running_loop()
        self.sites = Sites(scenario, later=self.later, clock=clock, truth=self.truth)
        self.service = self.sites.main.service
        """The service that the scenario describes first; the only one in most."""
        self.flags = FlagTable(scenario.flags, clock, self.truth)
        self.storefront = Storefront(self.sites, self.flags, scenario.pages)
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
            **self.sites.main.place,
            serving=[target.as_facts() for target in self.service.state.serving],
            others=[{**site.place, "serving": site.serving()} for site in self.sites if site is not self.sites.main],
        )
        after = self.scenario.breaks_after
        if not self.scenario.breaks or after is None:
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
        for site in self.sites:
            site.service.close()

    def later(self, delay: timedelta, do: Callable[[], object]) -> None:
        """Do something after a while, unless the world has been closed by then."""

        def fire() -> None:
            self._timers.discard(timer)
            do()

        timer = self._loop.call_later(delay.total_seconds(), fire)
        self._timers.add(timer)

    def break_now(self) -> bool:
        """Start the scenario's trouble; ``False`` if it has none, or has started already."""
        if self.broken or not self.scenario.breaks:
            return False
        self.broken = True
        deployed = {site: site.new_revision for site in self.sites if site.new_revision}
        flags = self.scenario.outbreak.enable_flags if self.scenario.outbreak else []
        self.truth.record(
            "trouble_started",
            deploys=[{**site.place, "revision": revision.name} for site, revision in deployed.items()],
            enables=flags,
        )
        for site, revision in deployed.items():
            site.deploy(revision, by="an engineer")
        self.flags.update(flags, {"enabled": True}, by="an engineer")
        return True

    def deploy(self, spec: RevisionSpec, by: str) -> None:
        """Make a new revision of the first service.

        :raises RunError: ALREADY_EXISTS for a name that is taken.
        """
        self.sites.main.deploy(spec, by)

    def redirect(self, traffic: list[TrafficSpec], by: str) -> None:
        """Change the traffic of the first service as somebody else would, at once."""
        self.sites.main.redirect(traffic, by)

    def serving(self) -> dict[str, int]:
        """The revisions of the first service that get requests now, with their shares in percent."""
        return self.sites.main.serving()

    def state(self) -> dict[str, Any]:
        """The whole state in plain data, for the drill and for people: the first service's own at the top."""
        maintenance = [flag.name for flag in self.flags.enabled() if flag.maintenance]
        return {
            "broken": self.broken,
            **self.sites.main.as_facts(),
            "other_services": [site.as_facts() for site in self.sites if site is not self.sites.main],
            "flags": {row["name"]: row["enabled"] for row in self.flags.rows()},
            "maintenance": maintenance + [name for site in self.sites for name in site.in_maintenance()],
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
