"""Helpers for a whole response in one process: a quick simulated production, an engine, and people who answer at once.

`Mortal` is a journal that kills its process at a chosen write. `die` leaves the process's files as a kill does.
"""

# ruff: noqa: ANN401 - arguments that are passed on to the journal
from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company, load_company
from allclear.domain.alert import Alert
from allclear.domain.approval import Ask
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError
from allclear.domain.records import ActIntended, By, IncidentOpened, NoteAdded
from allclear.domain.recovery import RecoveryRule
from allclear.domain.runbook import Phase
from allclear.engine.actions.registry import Registry
from allclear.engine.response.moves import Over, Wait
from allclear.journal.ports import Journal
from allclear.journal.rows import Acquired, Claim, NewDelivery, OutboxKind, OutboxMessage
from allclear.journal.sql_journal import SqlJournal
from allclear.settings import Settings
from allclear.simulator.scenario import Production
from allclear.simulator.scenario_schema import OutbreakSpec, RevisionSpec, Trouble
from allclear.simulator.world import World
from tests.contract.simulator_support import REPOSITORY, Simulated, quick
from tests.patience import HUNG, patient
from tests.scopes import DRILL, REAL

MACHINE = By(actor="allclear", via="test")
GOOD, BAD, FIX = "vintstreet-00041-wex", "vintstreet-00042-qoz", "vintstreet-00043-fix"
ALERT = Alert(
    source="alertmanager",
    key="payments",
    state="firing",
    title="Payment processing fails",
    labels={"alertname": "PaymentProcessingFailures"},
    at=utc_now(),
)
OPENED = IncidentOpened(
    company="vintstreet",
    title="Payments fail",
    severity="P0",
    service="storefront",
    runbook="bad-deployment",
    reported="declared by Ana",
)
ONE_CHECK = RecoveryRule(checks=1, over=timedelta(0))
WRITES = frozenset(
    {
        "open_incident",
        "append",
        "claim",
        "renew",
        "finish",
        "receive_all",
        "set_delivery_state",
        "set_taken_in",
        "message_done",
        "message_failed",
        "add_waiting_run",
        "add_baselines",
        "add_override",
        "claim_request",
    }
)
"""The journal's methods that write."""


@cache
def vintstreet(requests: int = 4) -> Company:
    """Return VintStreet with a short smoke test: one request for each path, which is enough to decide here.

    One good check proves recovery, so that no test waits. More requests are needed for a check that makes a revision
    known good.
    """
    company = load_company(REPOSITORY / "runbooks" / "vintstreet")
    short = {"requests": requests, "p95": None, "timeout": timedelta(seconds=20)}
    services = {
        name: service.model_copy(update={"smoke": service.smoke.model_copy(update=short)})
        for name, service in company.systems.services.items()
    }
    systems = company.systems.model_copy(update={"services": services})
    plan = company.plan.model_copy(update={"recovery": ONE_CHECK})
    return Company(
        company.name, company.folder, plan, systems, company.runbooks, company.templates, company.post_mortem
    )


def notifying_no_one() -> Company:
    """Return VintStreet without notices and the incident's ticket, for tests of other messages.

    Its plan names no one yet, so a message would say at once that no one can be notified.
    """
    company = vintstreet()
    return replace(company, plan=company.plan.model_copy(update={"notifications": [], "incident_tickets": None}))


@cache
def installed() -> Registry:
    """Return the installed actions and probes, patient ones; they are looked up once."""
    return patient(Registry.installed())


@cache
def broken() -> Production:
    """Return the drill's production: every checkout fails at once, operations are quick, and there are few users."""
    scenario = quick(operation_takes=timedelta(milliseconds=10))
    bad = RevisionSpec(name=BAD, faults=[Trouble(path="/api/checkout", error_rate=1.0)])
    few = scenario.users.model_copy(update={"per_second": 2.0})
    return scenario.model_copy(update={"outbreak": OutbreakSpec(deploy=bad), "users": few})


@cache
def _empty_journal() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        SqlJournal(f"sqlite:///{path}", REAL).close()
        return path.read_bytes()


def new_journal(folder: Path) -> str:
    """Return the URL of a new, empty journal in `folder`; it is migrated once and then copied, to save time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "journal.db"
    path.write_bytes(_empty_journal())
    return f"sqlite:///{path}"


def received(journal: Journal, source: str, headers: dict[str, str], body: bytes, key: str) -> tuple[str, bool]:
    """Put a delivery into the inbox, and return its id and whether there is new work."""
    return journal.receive_all([NewDelivery(source, headers, body, key)])[0]


def announced(sim: Simulated, folder: Path) -> Path:
    """Write the simulation's addresses to a file, as `allclear simulate --json` does, and return the file."""
    path = folder / "simulation.json"
    path.write_text(json.dumps(sim.announcement()))
    return path


def engine_on(
    url: str, simulation: Path | None, journal: Journal | None = None, company: Company | None = None
) -> Engine:
    """Return an engine on that journal and that simulation, for VintStreet unless `company` is given."""
    settings = Settings(company="vintstreet", journal_url=url, simulation=simulation)
    return make_engine(settings, environ={}, company=company or vintstreet(), registry=installed(), journal=journal)


# --- a process that dies --------------------------------------------------------------------------------


class Killed(BaseException):
    """The process was killed."""


class Mortal:
    """A journal (by delegation) whose process is killed at the `at`-th write."""

    def __init__(
        self,
        inner: SqlJournal,
        at: int = 0,
        when: Literal["before", "after"] = "after",
        vendor_writes: Callable[[], int] = lambda: 0,
    ) -> None:
        self.inner = inner
        self.writes: list[str] = []
        self.vendor_writes: list[int] = []
        """How many writes the vendors had received at each write to the journal."""
        self._at, self._when, self._count = at, when, vendor_writes

    def kill_at(self, at: int, when: Literal["before", "after"]) -> None:
        """Kill the process at the `at`-th write from now on."""
        self._at, self._when = len(self.writes) + at, when

    def __getattr__(self, name: str) -> Any:
        """Return the journal's attribute; a method that writes is counted, and may kill the process."""
        own = getattr(self.inner, name)
        if name not in WRITES:
            return own

        def mortal(*args: Any, **more: Any) -> Any:
            self.writes.append(name)
            self.vendor_writes.append(self._count())
            if len(self.writes) == self._at and self._when == "before":
                raise Killed
            done = own(*args, **more)
            if len(self.writes) == self._at:
                raise Killed
            return done

        return mortal


async def die(engine: Engine, journal: SqlJournal) -> None:
    """Leave behind what a killed process leaves: a liveness file without its lock, and closed connections."""
    await engine.context.close()
    journal.close()
    _leave_file(engine.settings.journal_url, journal)


def release(url: str, journal: SqlJournal) -> None:
    """Release a process's lock, as the kernel does at the moment of a kill. Its journal stays open until `die`."""
    # Only a kill does this apart from closing the journal.
    journal._liveness.leave()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    _leave_file(url, journal)


def _leave_file(url: str, journal: SqlJournal) -> None:
    if url.startswith("sqlite:///"):
        (Path(f"{url.removeprefix('sqlite:///')}.holders") / f"{journal.holder}.alive").touch()


# --- another process -------------------------------------------------------------------------------------


class Held:
    """A journal that blocks after each claim, so that a process can be killed between intent and write."""

    def __init__(self, inner: SqlJournal) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        """Return the journal's attribute; `claim` never returns."""
        own = getattr(self.inner, name)
        if name != "claim":
            return own

        def hold(*args: Any, **more: Any) -> Any:
            own(*args, **more)
            threading.Event().wait()

        return hold


def other_processes() -> ForkServerContext:
    """Return how other processes are started: as forks of one that has this module imported, which takes 2 s.

    That one is started once for each test process, as Prefect's runner has its own; it opens nothing.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.scenario.response_support"])
    return context


def start_process(engine: Engine, incident: str, act: str, *, held: bool = False) -> BaseProcess:
    """Start another process, which carries out one act."""
    settings = engine.settings
    arguments = (settings.journal_url, str(settings.simulation), incident, act, held)
    process = other_processes().Process(target=_run_process, args=arguments)
    process.start()
    return process


def _run_process(url: str, simulation: str, incident: str, act: str, held: bool) -> None:  # noqa: FBT001 - from above
    asyncio.run(_carry_out(url, simulation, incident, act, held=held))


async def _carry_out(url: str, simulation: str, incident: str, act: str, *, held: bool) -> None:
    journal: Any = Held(SqlJournal(url, DRILL)) if held else None
    engine = engine_on(url, Path(simulation), journal)
    await engine.executor.carry_out(incident, act, MACHINE)
    await engine.close()


def claim_all(url: str, folder: str, incident: str, count: int, me: str) -> list[int]:
    """Claim `count` resources as fast as possible, beside one other claimer, and return those that were acquired."""
    journal = SqlJournal(url, REAL)
    try:
        _meet(folder, "ready", me)
        got = [number for number in range(count) if isinstance(_claim(journal, incident, number), Acquired)]
        _meet(folder, "done", me)  # a journal that closes earlier counts as dead, and its claims would be taken over
        return got
    finally:
        journal.close()


def append_all(url: str, folder: str, incidents: list[str], count: int, me: str) -> None:
    """Append `count` notes to each incident in turn, as fast as possible, beside one other writer."""
    journal = SqlJournal(url, REAL)
    try:
        _meet(folder, "ready", me)
        for number in range(count):
            for incident in incidents:
                message = OutboxMessage(OutboxKind.START, incident, f"{incident}/{number}", {})
                journal.append(incident, [NoteAdded(text=f"{me} {number}")], MACHINE, outbox=[message])
            received(journal, "json", {}, b"{}", str(number))
            journal.open_incident("VS", OPENED, MACHINE, key=str(number))
        _meet(folder, "done", me)
    finally:
        journal.close()


def open_all(urls: list[str], folder: str, me: str) -> list[str]:
    """Open each new journal at the same moment as one other process, open an incident in it, and return the errors."""
    wrong: list[str] = []
    for number, url in enumerate(urls):
        _meet(folder, f"ready-{number}", me)
        try:
            journal = SqlJournal(url, REAL)
            journal.open_incident("VS", OPENED, MACHINE)
            journal.close()
        except AllclearError as error:
            wrong.append(f"round {number}: {error}")
    return wrong


def hold_claim(url: str, incident: str, claimed: str) -> None:
    """Claim a resource, touch the file `claimed`, and block until the process is killed."""
    journal = SqlJournal(url, REAL)
    assert isinstance(_claim(journal, incident, 1), Acquired)
    Path(claimed).touch()
    threading.Event().wait()


def _claim(journal: SqlJournal, incident: str, number: int) -> Claim:
    act = f"contain/{number}"
    intent = ActIntended(act=act, digest="", change={}, holder=journal.holder)
    return journal.claim(f"dial:{number}", incident, act, timedelta(seconds=30), intent, MACHINE)


def _meet(folder: str, place: str, me: str) -> None:
    """Wait until both participants have reached that place."""
    (Path(folder) / f"{place}-{me}").touch()
    while len(list(Path(folder).glob(f"{place}-[ab]"))) < 2:
        time.sleep(0.001)


# --- people --------------------------------------------------------------------------------------------

Answerer = Callable[[Engine, World, Ask], None]


def person_for(ask: Ask) -> By:
    """Return a person who may answer."""
    role = ask.policy.roles[0]
    return By(actor=f"Ana ({role})", role=role, via="cli")


def say_yes(engine: Engine, world: World, ask: Ask) -> None:
    """Answer yes; before the answer about the fix, deploy it once."""
    if ask.step == "fix" and FIX not in world.service.revisions:
        world.deploy(RevisionSpec(name=FIX), by="an engineer")
    engine.people.answer(ask.id, person_for(ask), yes=True, reason="It is so.")


def report(engine: Engine) -> str:
    """Take in the alert, unless it was taken in before, and return its incident."""
    for row in engine.journal.incidents():
        return row.id
    taken = engine.intake.take(ALERT, "delivery-1")
    assert taken.incident is not None
    return taken.incident


async def run_phase(engine: Engine, world: World, incident: str, phase: Phase, answer: Answerer = say_yes) -> None:
    """Carry one phase to its end; every ask is answered at once, also one that the phase does not wait for."""
    while True:
        move = await engine.conductor.run(incident, phase, MACHINE)
        asked = [state.ask for state in engine.conductor.incident(incident).open_asks if state.ask.phase == phase.value]
        if isinstance(move, Over) and not asked:
            return
        assert isinstance(move, Wait | Over)
        for ask in asked:
            answer(engine, world, ask)


async def respond(engine: Engine, world: World, answer: Answerer = say_yes) -> str:
    """Carry the whole response on to its end, and return the incident's id."""
    incident = report(engine)
    async with asyncio.timeout(HUNG):
        for phase in Phase:
            await run_phase(engine, world, incident, phase, answer)
    return incident


# --- what the simulator received -----------------------------------------------------------------------


def writes(world: World, api: str | None = None, method: str | None = None) -> list[dict[str, Any]]:
    """Return the writes that the simulated vendors received, in order."""
    return [
        entry
        for entry in world.event_log.entries()
        if entry["kind"] == "write" and api in (None, entry["api"]) and method in (None, entry["method"])
    ]
