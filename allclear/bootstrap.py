"""Puts the engine together: journal, clients, actions, executor and all that uses them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import SecretStr

from allclear.company import Company, find_company
from allclear.domain.action import Client
from allclear.domain.base import Clock, utc_now
from allclear.domain.baseline import NoRecord, OwnRecord
from allclear.domain.errors import ConfigError, MissingSecret
from allclear.domain.links import Links, NoLinks
from allclear.domain.scope import Scope
from allclear.domain.systems import Access, Service
from allclear.engine.actions.act_watch import ActWatcher
from allclear.engine.actions.approval_timeouts import ApprovalTimeouts
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.known_good import JournalRecord
from allclear.engine.actions.ledger import Ledger
from allclear.engine.actions.manual import ManualActions
from allclear.engine.actions.meetings import Meetings
from allclear.engine.actions.message_acts import MessageActs
from allclear.engine.actions.proposals import Proposer
from allclear.engine.actions.registry import Registry
from allclear.engine.alerts.intake import Intake
from allclear.engine.alerts.recovery import RecoveryWatcher
from allclear.engine.doctor import Doctor
from allclear.engine.notify.channel_tests import ChannelTester
from allclear.engine.notify.on_call_watch import OnCallWatch
from allclear.engine.notify.reminders import Reminders
from allclear.engine.people.facade import People
from allclear.engine.people.grouped_pages import GroupedPages
from allclear.engine.people.identity import Identity
from allclear.engine.people.personal_links import PersonalLinks
from allclear.engine.people.signed_statements import Signatures
from allclear.engine.people.tokens import Tokens
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.dry_run import DryRun
from allclear.engine.response.earlier_simulation import EarlierSimulation
from allclear.engine.response.step_context import company_with_announcements
from allclear.journal.ports import Journal
from allclear.journal.sql_journal import SqlJournal
from allclear.settings import Settings, Simulation, load_settings

C = TypeVar("C", bound=Client)


class CompanyContext:
    """The services, and one client for each vendor, that actions and probes use."""

    def __init__(
        self,
        company: Company,
        simulation: Simulation | None,
        environ: dict[str, str],
        record: OwnRecord,
        links: Links,
        clock: Clock = utc_now,
    ) -> None:
        self.record = record
        self.links = links
        self.clock = clock
        self.zone = company.plan.zone
        self._company = company
        self._simulation = simulation
        self._environ = environ
        self._clients: dict[str, Any] = {}

    def service(self, name: str) -> Service:
        """Return the service; in a simulation, with the simulated storefront's address."""
        service = self._company.service(name)
        if self._simulation is None:
            return service
        url = self._simulation.endpoints.get(name) or self._simulation.endpoints.get("storefront")
        if url is None:
            raise ConfigError(f"The simulation has no {name}.", "Use a scenario that simulates it.")
        return service.model_copy(update={"url": url})

    def client(self, vendor: type[C]) -> C:
        """Return the one client of `vendor`."""
        if vendor.system not in self._clients:
            self._clients[vendor.system] = vendor.connect(self.access(vendor.system))
        return self._clients[vendor.system]

    def access(self, name: str) -> Access:
        """Return how to reach the system called `name`; in a simulation, only ever the simulated one.

        Raises ConfigError for a system that systems.yaml lacks, MissingSecret for an empty environment variable.
        """
        system = self._company.systems.systems.get(name)
        if system is None and name != "web":
            raise ConfigError(
                f"systems.yaml of {self._company.name} has no `{name}`.",
                f"Add it under `systems:` in {self._company.folder}/systems.yaml.",
            )
        endpoint, variable = (system.endpoint, system.secret) if system else ("", None)
        options, further = system.options if system else {}, system.secrets if system else {}
        if self._simulation is not None and name != "web":
            over_grpc = name == "cloud_run" and options.get("transport", "grpc") == "grpc"
            endpoint = self._simulation.endpoints.get("cloud_run_grpc" if over_grpc else name, "")
            if not endpoint:
                raise ConfigError(f"The simulation has no {name}.", "Use a scenario that simulates it.")
            options = options | self._simulation.options.get(name, {})
            secrets = self._simulation.secrets
            own = {one.removeprefix(f"{name}."): secrets[one] for one in secrets if one.startswith(f"{name}.")}
            return Access(
                name=name,
                endpoint=endpoint,
                secret=self._simulation.secrets.get(name),
                more=own,
                options=options,
                simulated=True,
            )
        secret = self._environ.get(variable, "") if variable else ""
        if variable and not secret:
            raise MissingSecret(
                f"The secret of {name} is missing: {variable} is empty.", f"Set {variable} in the environment."
            )
        return Access(
            name=name,
            endpoint=endpoint,
            secret=SecretStr(secret) if secret else None,
            more={one: SecretStr(self.secret(variable)) for one, variable in further.items() if self.secret(variable)},
            options=options,
            simulated=self._simulation is not None,
        )

    def secret(self, variable: str) -> str:
        """Return what an environment variable holds, without the spaces around it; nothing for one that is not set."""
        return self._environ.get(variable, "").strip()

    def secrets(self) -> list[str]:
        """Return the secrets that systems.yaml names and that are set: of the systems, and of who sends alerts."""
        systems = self._company.systems
        named = [variable for system in systems.systems.values() for variable in system.variables]
        named += [variable for source in systems.alerts.values() for variable in source.variables]
        values = [self.secret(variable) for variable in named]
        if self._simulation is not None:
            values += [secret.get_secret_value() for secret in self._simulation.secrets.values()]
        return [value for value in values if value]

    async def close(self) -> None:
        """Close every client."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()


@dataclass(frozen=True, repr=False)  # asyncio makes the repr of each result, which would be the text of all runbooks
class Engine:
    """Everything that works on incidents, wired to one company and one journal."""

    settings: Settings
    company: Company
    journal: Journal
    registry: Registry
    context: CompanyContext
    executor: Executor
    proposer: Proposer
    conductor: Conductor
    people: People
    links: PersonalLinks
    tokens: Tokens
    manual: ManualActions
    meetings: Meetings
    ledger: Ledger
    dry_run: DryRun
    intake: Intake
    approval_timeouts: ApprovalTimeouts
    reminders: Reminders
    recovery: RecoveryWatcher
    earlier_simulation: EarlierSimulation
    doctor: Doctor
    act_watch: ActWatcher
    on_call_watch: OnCallWatch
    grouped_pages: GroupedPages
    channel_tests: ChannelTester
    clock: Clock = utc_now

    @property
    def simulated(self) -> bool:
        """Return whether the engine works on a simulated production."""
        return self.settings.simulation is not None

    async def close(self) -> None:
        """Close the clients and the journal."""
        await self.context.close()
        self.journal.close()


def make_engine(
    settings: Settings,
    *,
    environ: dict[str, str],
    clock: Clock = utc_now,
    company: Company | None = None,
    registry: Registry | None = None,
    journal: Journal | None = None,
) -> Engine:
    """Return an engine for `settings`; what is handed in is used instead of what they name. Raises AllclearError."""
    company = company or find_company(settings.company)
    if settings.recovery_over is not None and settings.simulation is not None:
        company = company.with_recovery_over(settings.recovery_over)
    if settings.stand_ins and settings.simulation is not None:
        company = company.with_stand_ins(settings.stand_ins)
    registry = registry or Registry.installed()
    company = company_with_announcements(company, registry)
    simulation = settings.simulated
    scope = Scope(company.name, simulated=simulation is not None, simulation=simulation.id if simulation else "")
    journal = journal or SqlJournal(settings.journal_url, scope, clock)
    if journal.scope != scope:
        msg = f"a journal of {journal.scope} was handed to the engine of {scope}"
        raise ValueError(msg)
    signatures, identity = Signatures(settings.link_keys, scope, clock), Identity(company)
    links = PersonalLinks(signatures, journal, identity, settings.public_url, clock, outside_url=settings.outside_url)
    context = CompanyContext(company, simulation, environ, JournalRecord(journal), links, clock)
    executor = Executor(journal, registry, context, company.plan)
    proposer = Proposer(journal, executor, company.plan, clock)
    conductor = Conductor(journal, registry, executor, proposer, company, context, clock)
    people = People(journal, company, clock, links)
    manual = ManualActions(journal, company, executor, proposer, conductor, people)
    meetings = Meetings(journal, company, executor, proposer, manual, clock)
    ledger = Ledger(journal, executor, company.plan)
    dry_run = DryRun(conductor, proposer, MessageActs(proposer, executor), company.plan)
    intake = Intake(journal, company, clock)
    approval_timeouts = ApprovalTimeouts(journal, conductor, company, clock)
    earlier = EarlierSimulation(journal)
    reminders = Reminders(journal, conductor, proposer, executor, company, clock, registry.channels, earlier=earlier)
    recovery = RecoveryWatcher(journal, conductor, company, clock)
    doctor = Doctor(company, registry, context, context.secret, simulated=simulation is not None)
    return Engine(
        settings,
        company,
        journal,
        registry,
        context,
        executor,
        proposer,
        conductor,
        people,
        links,
        Tokens(links, identity),
        manual,
        meetings,
        ledger,
        dry_run,
        intake,
        approval_timeouts,
        reminders,
        recovery,
        earlier,
        doctor,
        ActWatcher(journal, executor, clock),
        OnCallWatch(journal, executor, company.plan, clock),
        GroupedPages(journal, executor, company, people.is_our_page, clock),
        ChannelTester(journal, company, registry, context, clock),
        clock,
    )


@asynccontextmanager
async def open_doctor(settings: Settings) -> AsyncGenerator[Doctor]:
    """Yield the tests of the systems in this process's environment. They need no journal. Raises ConfigError."""
    import os  # noqa: PLC0415 - as in `open_engine`

    company, simulation = find_company(settings.company), settings.simulated
    context = CompanyContext(company, simulation, dict(os.environ), NoRecord(), NoLinks())
    try:
        yield Doctor(company, Registry.installed(), context, context.secret, simulated=simulation is not None)
    finally:
        await context.close()


@asynccontextmanager
async def open_engine(settings: Settings | None = None) -> AsyncGenerator[Engine]:
    """Yield the engine of this process's environment, and close it afterwards."""
    import os  # noqa: PLC0415 - the only place that reads the environment's secrets

    engine = make_engine(settings or load_settings(), environ=dict(os.environ))
    try:
        yield engine
    finally:
        await engine.close()
