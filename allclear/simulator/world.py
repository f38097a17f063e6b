"""The simulated production: one state behind every API, and the operations that change it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allclear.simulator.armor_policy import ArmorPolicy
from allclear.simulator.convex_deployment import ConvexDeployment
from allclear.simulator.event_log import Clock, EventLog, utc_now
from allclear.simulator.faults import FaultBoard
from allclear.simulator.flag_table import FlagTable
from allclear.simulator.github_repository import GithubRepository
from allclear.simulator.jira_project import JiraProject
from allclear.simulator.mailbox import Mail
from allclear.simulator.pagerduty_pages import PagerDutyPages
from allclear.simulator.regional_services import RegionalServices
from allclear.simulator.scenario import Production
from allclear.simulator.scenario_schema import RevisionSpec, TrafficSpec
from allclear.simulator.shop import Shop
from allclear.simulator.slack_workspace import SlackWorkspace
from allclear.simulator.statuspage_board import StatuspageBoard
from allclear.simulator.supabase_project import SupabaseProject
from allclear.simulator.teams_flow import TeamsFlow
from allclear.simulator.twilio_account import TwilioAccount
from allclear.simulator.users import Users
from allclear.simulator.vercel_project import VercelProject


class World:
    """Everything that is true of the simulated production now.

    Make it and use it inside one running event loop. Nothing here waits: what takes time (an
    operation, the trouble to come) is a timer, and `close` stops them all.
    """

    def __init__(self, scenario: Production, clock: Clock = utc_now) -> None:
        self.scenario, self.clock = scenario, clock
        self.event_log = EventLog(clock)
        self.faults = FaultBoard()
        self.secrets: dict[str, str] = {}
        """The secrets of the APIs, by the API's name; a further one as `slack.signing_secret`."""
        self.mails: list[Mail] = []
        """What the mail server took, in order."""
        self.broken = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._loop = asyncio.get_running_loop()
        self.regional_services = RegionalServices(scenario, later=self.later, clock=clock, event_log=self.event_log)
        self.service = self.regional_services.main.service
        """The service that the scenario describes first; the only one in most."""
        self.flags = FlagTable(scenario.flags, clock, self.event_log)
        self.database = SupabaseProject(scenario.supabase, self.flags, clock, self.later, self.event_log)
        self.convex = ConvexDeployment(scenario.convex, self.flags, clock, self.event_log) if scenario.convex else None
        backends = [self.database, *([self.convex] if self.convex else [])]
        self.shop = Shop(self.regional_services, self.flags, backends, scenario.pages)
        self.users = Users(scenario.users, self.shop, clock, self.event_log)
        self.pagerduty = PagerDutyPages(clock, self.event_log)
        self.workspace = SlackWorkspace(scenario.slack, clock, self.event_log)
        self.teams = TeamsFlow(clock, self.event_log)
        self.status_board = StatuspageBoard(scenario.statuspage, clock, self.event_log)
        self.armor = ArmorPolicy(scenario.armor, scenario.operation_takes, clock) if scenario.armor else None
        self.vercel = VercelProject(scenario.vercel, self.service, clock) if scenario.vercel else None
        self.jira = JiraProject(scenario.jira, clock) if scenario.jira else None
        self.twilio = TwilioAccount(scenario.twilio, clock, self.event_log)
        github = scenario.github
        self.github = GithubRepository(github, clock, self.later, self.deploy) if github else None

    def start(self) -> None:
        """Let time begin: the trouble comes when the scenario says so."""
        self.event_log.record(
            "world_started",
            project=self.scenario.project,
            **self.regional_services.main.place,
            serving=[target.as_facts() for target in self.service.state.serving],
            others=[
                {**site.place, "serving": site.serving()}
                for site in self.regional_services
                if site is not self.regional_services.main
            ],
        )
        after = self.scenario.breaks_after
        if not self.scenario.breaks or after is None:
            return
        if after > timedelta(0):
            self.later(after, self.break_now)
        else:
            self.break_now()

    def close(self) -> None:
        """Stop every timer, and release every call that waits for one."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.pagerduty.webhooks.close()
        self.twilio.close()
        for site in self.regional_services:
            site.service.close()

    def later(self, delay: timedelta, do: Callable[[], object]) -> None:
        """Do something after a while, unless the world is closed before that."""

        def fire() -> None:
            self._timers.discard(timer)
            do()

        timer = self._loop.call_later(delay.total_seconds(), fire)
        self._timers.add(timer)

    def break_now(self) -> bool:
        """Start the scenario's trouble; `False` if it has none, or has started already."""
        if self.broken or not self.scenario.breaks:
            return False
        self.broken = True
        deployed = {site: site.new_revision for site in self.regional_services if site.new_revision}
        flags = self.scenario.outbreak.enable_flags if self.scenario.outbreak else []
        self.event_log.record(
            "trouble_started",
            deploys=[{**site.place, "revision": revision.name} for site, revision in deployed.items()],
            enables=flags,
        )
        for site, revision in deployed.items():
            site.deploy(revision, by="an engineer")
        if flags:
            self.flags.update(flags, {"enabled": True}, by="an engineer")
        if self.scenario.outbreak and self.scenario.outbreak.migrate:
            self.database.migrate(self.scenario.outbreak.migrate)
        if self.scenario.outbreak and self.scenario.outbreak.database_down:
            self.database.go_down()
        return True

    def deploy(self, spec: RevisionSpec, by: str) -> None:
        """Make a new revision of the first service.

        Raises RunError: ALREADY_EXISTS for a name that is taken.
        """
        self.regional_services.main.deploy(spec, by)

    def redirect(self, traffic: list[TrafficSpec], by: str) -> None:
        """Change the traffic of the first service as another person would, at once."""
        self.regional_services.main.redirect(traffic, by)

    def serving(self) -> dict[str, int]:
        """Return the revisions of the first service that get requests now, with their shares in percent."""
        return self.regional_services.main.serving()

    def state(self) -> dict[str, Any]:
        """Return the whole state in plain data, for the drill and for people: the first service's own at the top."""
        maintenance = [flag.name for flag in self.flags.enabled() if flag.maintenance]
        return {
            "broken": self.broken,
            **self.regional_services.main.as_facts(),
            "other_services": [
                site.as_facts() for site in self.regional_services if site is not self.regional_services.main
            ],
            "flags": {row["name"]: row["enabled"] for row in self.flags.rows()},
            "database": {"status": self.database.status, "migrations": [one.spec.name for one in self.database.ran]},
            "maintenance": maintenance + [name for site in self.regional_services for name in site.in_maintenance()],
            "users": self.users.as_facts(),
            "pages": [page.as_facts() for page in self.pagerduty.pages],
            "messages": [
                {"channel": channel.name, **message}
                for channel in self.workspace.channels
                for message in channel.messages
            ],
            "private_messages": self.workspace.private,
            "texts": [text.as_facts() for text in self.twilio.texts],
            "calls": [call.as_facts() for call in self.twilio.calls],
            "mails": [mail.as_facts() for mail in self.mails],
            "status_incidents": self.status_board.incidents,
            "faults": [fault.model_dump() for fault in self.faults.waiting()],
        }
