"""A company with many people, each of whom gets a letter, and what lies in the letter box."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.action import Action, Change, Fence, Finding, Params, Receipt, State, Verdict
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import Clock
from allclear.domain.plan import MessageAction, Person
from allclear.domain.records import IncidentOpened, PhaseEntered
from allclear.domain.scope import Scope
from allclear.engine.actions.registry import Registry
from allclear.journal.sql_journal import SqlJournal
from allclear.settings import Settings
from tests.patience import HUNG
from tests.scenario.notice_support import line
from tests.scenario.response_support import MACHINE, OPENED, new_journal, vintstreet

REAL = Scope("vintstreet", simulated=False)


@dataclass
class LetterBox:
    """The letters that were sent, and how often it was asked for one before it was proposed."""

    letters: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """The key and the text of each."""
    planned: Counter[str] = field(default_factory=Counter[str])
    """Address -> how often the change was worked out."""
    opens: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, no change can be worked out."""
    before_sending: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, the last read before a letter is sent does not end."""
    reads_begun: int = 0
    """How often that read, or one after it, has begun."""
    waits: set[str] | None = None
    """The addresses that wait for `opens`; None: all."""


class Letter(Params):
    """A letter to a person."""

    message: str
    text: str
    people: list[str] = []


class LetterState(State):
    """What the box holds under a key."""

    text: str = ""


def sends_to(box: LetterBox, action: str, contact: str) -> type[Action[Letter, LetterState]]:
    """Return the action of that name, which puts letters into `box` for people with that kind of contact."""

    class SendLetter(Action[Letter, LetterState]):
        """Puts a letter into the box."""

        name = action
        title = "Send a letter"
        params = Letter
        state = LetterState
        fence: ClassVar[Fence] = Fence.NONE
        approval: ClassVar[ApprovalPolicy | None] = None
        text_params = ("text",)
        reaches: ClassVar[str | None] = contact
        tells = True

        @override
        def resource(self, params: Letter) -> str:
            return f"letter:{params.message}"

        @override
        async def observe(self, params: Letter) -> LetterState:
            box.reads_begun += 1
            await box.before_sending.wait()
            return LetterState(text=dict(box.letters).get(params.message, ""))

        @override
        async def observe_for_plan(self, params: Letter) -> LetterState:
            box.planned[params.people[0]] += 1
            await asyncio.sleep(0)  # others go on meanwhile, as with a vendor
            if box.waits is None or params.people[0] in box.waits:
                await box.opens.wait()
            return LetterState(text=dict(box.letters).get(params.message, ""))

        @override
        def plan(self, params: Letter, before: LetterState) -> Change[LetterState]:
            return Change(
                action=self.name,
                resource=self.resource(params),
                summary="Send a letter",
                before=before,
                after=LetterState(text=params.text),
                risk="It is read.",
                undo="It cannot be undone.",
                deadline=timedelta(seconds=HUNG),
            )

        @override
        async def apply(self, params: Letter, change: Change[LetterState], key: str) -> Receipt:
            box.letters.append((params.message, params.text))
            return Receipt()

        @override
        def verify(self, change: Change[LetterState], after: LetterState, receipt: Receipt | None) -> Finding:
            good = after == change.after
            return Finding(verdict=Verdict.SUCCESS if good else Verdict.INCONCLUSIVE, sentence="It is in the box.")

        @override
        def undo(self, params: Letter, done: Change[LetterState], now: LetterState) -> Change[LetterState]:
            raise NotImplementedError

    return SendLetter


LETTER = {"message": "{incident}-notice-{number}", "text": "{name}: {notice}"}

WAYS = {
    name: MessageAction.model_validate({"action": f"{name}.letter", "with": LETTER}) for name in ("post", "courier")
}


def addressed(name: str, contact: str = "post") -> Person:
    """Return a person with the CTO's role who is reached by post or by courier, at `Box of NAME`."""
    return Person.model_validate({"name": name, "roles": ["cto"], "contacts": {contact: f"Box of {name}"}})


def staffed(count: int, **changes: Any) -> Company:  # noqa: ANN401 - fields of the plan
    """Return a company in which so many people have the CTO's role and are reached by letter."""
    company = vintstreet()
    people = [
        Person.model_validate({"name": f"Person {number}", "roles": ["cto"], "contacts": {"post": f"Box {number}"}})
        for number in range(count)
    ]
    people.append(Person.model_validate({"name": "Ana", "roles": ["on_call"]}))
    parts = {
        "people": people,
        "rotas": [],
        "ways": {"post": WAYS["post"]},
        "notifications": [line("cto")],
        "updates": [],
        "incident_tickets": None,
    }
    return replace(company, plan=company.plan.model_copy(update=parts | changes))


class Counted:
    """A journal (by delegation) that counts the calls of each method, and the entries that it returns."""

    def __init__(self, inner: SqlJournal) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()
        self.entries_read = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the journal's attributes
        """Return the journal's attribute; a method's calls are counted."""
        own = getattr(self._inner, name)
        if not callable(own):
            return own

        def counted(*args: Any, **more: Any) -> Any:  # noqa: ANN401
            self.calls[name] += 1
            found = own(*args, **more)
            self.entries_read += len(found) if name == "entries" else 0
            return found

        return counted


@dataclass
class Office:
    """An incident of such a company that was found to be real, and the processes that notify people of it."""

    box: LetterBox
    engines: list[Engine]
    journals: list[Counted]
    incident_id: str
    clock: Callable[[], Any]

    async def notify(self) -> None:
        """Send what is due, in all processes at the same time."""
        await asyncio.gather(*(engine.reminders.start_due() for engine in self.engines))
        await asyncio.gather(*(engine.reminders.wait() for engine in self.engines))

    async def close(self) -> None:
        """Close every process."""
        for engine in self.engines:
            await engine.close()


def office(folder: Path, company: Company, clock: Clock, processes: int = 1) -> Office:
    """Return an office whose letter box is open."""
    box = LetterBox()
    box.opens.set()
    box.before_sending.set()
    url = new_journal(folder)
    journals = [Counted(SqlJournal(url, REAL, clock)) for _ in range(processes)]
    registry = Registry.of([sends_to(box, "post.letter", "post"), sends_to(box, "courier.letter", "courier")])
    given: Any = {"company": company, "registry": registry, "clock": clock}
    engines = [
        make_engine(Settings(company="vintstreet", journal_url=url), environ={}, **given, journal=journal)
        for journal in journals
    ]
    opened: IncidentOpened = OPENED.model_copy(update={"title": "Card numbers leak"})
    incident, _ = engines[0].journal.open_incident("VS", opened, MACHINE)
    engines[0].journal.append(incident, [PhaseEntered(phase="contain")], MACHINE)
    return Office(box, engines, journals, incident, clock)
