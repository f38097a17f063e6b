"""A process that is killed at a write while it notifies two people, and what the vendors' own logs say they received.

A killed process does nothing more: its tasks end at that write, so that no request of it leaves later. Its lock is
released then, as the kernel does it, so that a live process beside it goes on at once.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.notify.delivery import MAY_BE_REPEAT
from allclear.domain.plan import MessageAction, Notification, Person
from allclear.domain.pseudo_phases import NOTICE
from allclear.domain.records import PhaseEntered
from allclear.domain.systems import System
from allclear.journal.sql_journal import SqlJournal
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated
from tests.scenario.response_support import (
    MACHINE,
    OPENED,
    WRITES,
    Killed,
    Mortal,
    announced,
    die,
    installed,
    new_journal,
    release,
    vintstreet,
)
from tests.scenario.scenes import Watch
from tests.scopes import DRILL

At = int | str
"""The number of a write, or the first one of a kind, as `claim`. 0 is none."""
When = Literal["before", "after"]
PEOPLE = {"Cara": "cto", "Theo": "tech_lead"}
WAYS = {
    "email": ("email.send", ("subject",)),
    "sms": ("twilio.text", ()),
    "phone": ("twilio.call", ()),
    "slack": ("slack.post", ()),
    "teams": ("teams.post", ()),
}
"""Way -> its action, and the parameters that it has beside the key and the text."""
_TEXT = "{simulated}{audience} {name}: {notice}"
_TEAMS = {"endpoint": "https://acme.12.environment.api.powerplatform.com", "secret": "TEAMS_WEBHOOK_URL"}
_tasks: ContextVar[set[asyncio.Task[Any]] | None] = ContextVar("the tasks of the process that runs", default=None)


def contacts_of(name: str) -> dict[str, str]:
    """Return how a person is reached."""
    mail = f"{name.lower()}@drill.example"
    number = f"+1500555{list(PEOPLE).index(name):04}"
    return {"email": mail, "phone": number, "slack": f"U{name.upper()}0001", "teams": mail}


def notified_by(*ways: str) -> Company:
    """Return VintStreet with two people, each reached by these ways in this order."""
    known = vintstreet()
    given = {"message": "{incident}-notice-{number}", "text": _TEXT}
    calls = {
        way: MessageAction.model_validate({"action": action, "with": given | dict.fromkeys(more, "{incident}")})
        for way, (action, more) in WAYS.items()
        if way in ways
    }
    people = [
        Person.model_validate({"name": name, "roles": [role], "contacts": contacts_of(name)})
        for name, role in PEOPLE.items()
    ]
    lines = [
        Notification.model_validate({"audience": role, "severities": ["P0"], "by": ways}) for role in PEOPLE.values()
    ]
    parts = {"people": people, "ways": calls, "notifications": lines, "mailing_lists": {}, "incident_tickets": None}
    systems = known.systems.model_copy(
        update={"systems": known.systems.systems | {"teams": System.model_validate(_TEAMS)}}
    )
    return replace(known, plan=known.plan.model_copy(update=parts), systems=systems)


def keep_tasks_apart() -> None:
    """Make each new task of the running loop belong to the process that starts it."""
    asyncio.get_running_loop().set_task_factory(cast("Any", _with_owner))


def _with_owner(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any],
    **more: Any,  # noqa: ANN401 - asyncio's own
) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **more)
    if (tasks := _tasks.get()) is not None:
        tasks.add(task)
    return task


class Process(Mortal):
    """A process's journal, which kills the process at a write, and the tasks that end with it."""

    def __init__(self, url: str, inner: SqlJournal, at: At, when: When, messages: Callable[[], int]) -> None:
        """`messages` returns how many messages the vendors have taken."""
        super().__init__(inner, 0 if isinstance(at, str) else at, when, messages)
        self._first = at
        self.url = url
        self.killed = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the journal's attributes
        """Return the journal's attribute, unless the process is dead."""
        if self.killed:
            raise Killed
        own = super().__getattr__(name)
        if name not in WRITES:
            return own
        if name == self._first and not self._at:
            self._at = len(self.writes) + 1

        def write(*args: Any, **more: Any) -> Any:  # noqa: ANN401
            try:
                return own(*args, **more)
            except Killed:
                self._end()
                raise

        return write

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work in this process, until it is done or the process is killed."""
        outside = _tasks.set(self._tasks)
        try:
            task = asyncio.create_task(work)
        finally:
            _tasks.reset(outside)
        await asyncio.wait({task})
        if self.killed:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        else:
            task.result()

    def _end(self) -> None:
        self.killed = True
        release(self.url, self.inner)
        loop = asyncio.get_running_loop()
        for task in self._tasks:
            begun = inspect.getcoroutinestate(cast("Any", task.get_coro())) != inspect.CORO_CREATED
            if begun:
                task.cancel()
            else:  # anyio's tasks warn if they are cancelled before their first step, which sends nothing
                loop.call_soon(task.cancel)


@dataclass
class Vendors:
    """The simulated vendors and the clock that several incidents share; each has a journal of its own."""

    sim: Simulated
    folder: Path
    company: Company
    watch: Watch
    number: int = 0
    _seen: int = -1
    """The last entry in the vendors' log of earlier incidents."""

    def begin(self) -> None:
        """Begin anew with an empty journal."""
        self.number += 1
        entries = self.sim.world.event_log.entries(self._seen)
        self._seen = entries[-1]["seq"] if entries else self._seen
        for channel in self.sim.world.workspace.channels:
            channel.messages.clear()
        self.settings = Settings(
            company="vintstreet",
            journal_url=new_journal(self.folder / str(self.number)),
            simulation=announced(self.sim, self.folder),
        )

    def engine(self, journal: Any = None) -> Engine:  # noqa: ANN401 - a journal by delegation
        """Return a process's engine."""
        parts: dict[str, Any] = {"company": self.company, "registry": installed(), "journal": journal}
        return make_engine(self.settings, environ={}, clock=self.watch, **parts)

    def process(self, at: At, when: When) -> Process:
        """Return a process that is killed at that write."""
        url = self.settings.journal_url
        return Process(url, SqlJournal(url, DRILL, self.watch), at, when, lambda: sum(1 for _ in self._texts()))

    def open(self, engine: Engine) -> str:
        """Open an incident that was found to be real; no other one has its name."""
        incident, _ = engine.journal.open_incident(
            f"V{self.number}", OPENED.model_copy(update={"simulated": True}), MACHINE
        )
        engine.journal.append(incident, [PhaseEntered(phase="contain")], MACHINE)
        return incident

    async def rounds(self, engine: Engine, count: int, seconds: float = 1) -> None:
        """Let time pass, and send what is due."""
        for _ in range(count):
            self.watch.now += timedelta(seconds=seconds)
            await engine.reminders.start_due()
            await engine.reminders.wait()

    def received(self, name: str, incident: str) -> list[str]:
        """Return the texts that a person got about an incident, in order, from the vendors' logs."""
        return [text for text in self._texts() if f" {name}: " in text and f"{incident} (P0)" in text]

    def _texts(self) -> Iterator[str]:
        for entry in self.sim.world.event_log.entries(self._seen):
            match entry:
                case {"kind": "write", "api": "email", "method": "data", "text": str(text)}:
                    yield text
                case {"kind": "write", "api": "twilio", "method": "place_call", "result": "done", "says": [*said]}:
                    yield " ".join(map(str, said))
                case {"kind": "text", "body": str(text)}:
                    yield text
                case {"kind": "message", "action": "posted", "text": str(text)}:
                    yield text
                case {"kind": "teams_post", "text": str(text)}:
                    yield text
                case _:
                    pass

    def wrong(self, engine: Engine, incident: str) -> list[str]:
        """Return what is wrong with the messages of an incident: one sentence each."""
        texts = {name: self.received(name, incident) for name in PEOPLE}
        forgotten = [f"{name} was forgotten" for name, got in texts.items() if not got]
        unmarked = [text for got in texts.values() for text in got[1:] if not is_repeat(text)]
        acts = engine.conductor.incident(incident).acts.values()
        left = [act.id for act in acts if act.proposed.phase == NOTICE and act.outcome is None]
        return [
            *forgotten,
            *(f"not marked as a repeat: {text}" for text in unmarked),
            *(f"without an outcome: {act}" for act in left),
        ]


def is_repeat(text: str) -> bool:
    """Return whether a message says that it may be a repeat."""
    return MAY_BE_REPEAT in text or "You may have received this already" in text


@dataclass(frozen=True)
class Left:
    """What a process left behind, and another process that is to carry on."""

    incident: str
    process: Process
    other: Engine


@asynccontextmanager
async def killed(vendors: Vendors, at: At, when: When, *, beside: bool = False) -> AsyncGenerator[Left]:
    """Yield what a process leaves that was killed at that write while it notified people.

    `beside`: the other one runs at the same time, and not only afterwards.
    """
    vendors.begin()
    process = vendors.process(at, when)
    first, other = vendors.engine(process), vendors.engine()
    try:
        incident = vendors.open(other)
        work = process.run(vendors.rounds(first, 2))
        await (asyncio.gather(work, vendors.rounds(other, 2)) if beside else work)
        await die(first, process.inner)
        yield Left(incident, process, other)
    finally:
        await other.close()


@dataclass(frozen=True)
class Ran:
    """What became of one incident during which a process was killed."""

    taken: list[int]
    """How many messages the vendors had taken at each write of the process, until it was killed."""
    killed: bool
    wrong: list[str]

    @property
    def points(self) -> list[tuple[int, When]]:
        """Return where to kill a process: after each write, and before each one that follows a message."""
        before = [at for at, (was, now) in enumerate(pairwise([0, *self.taken]), 1) if now > was]
        return [*((at, "after") for at in range(1, len(self.taken) + 1)), *((at, "before") for at in before)]


async def carried_on(vendors: Vendors, at: At, when: When, *, beside: bool = False) -> Ran:
    """Kill a process, have the other one carry on, and return what became of the messages."""
    async with killed(vendors, at, when, beside=beside) as left:
        await vendors.rounds(left.other, 2)
        await vendors.rounds(left.other, 2, seconds=130)  # after two minutes without a result the next way is used
        wrong = vendors.wrong(left.other, left.incident)
        return Ran(left.process.vendor_writes, left.process.killed, wrong)
