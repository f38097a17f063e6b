"""Actions on dials that stand in memory: one for each fence, with every misfortune that a vendor can bring.

`Dials` is the world. `Desk` is a process at work on it: a journal of its own on a shared file, an executor, a proposer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Self, TypeVar

from typing_extensions import override

from allclear.domain.action import (
    Action,
    Change,
    Client,
    Fence,
    Finding,
    Params,
    Probe,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.base import Clock, Model, utc_now
from allclear.domain.baseline import OwnRecord
from allclear.domain.errors import AnswerLost, Conflict, Refused
from allclear.domain.incident import Act, Incident
from allclear.domain.records import AskAnswered, By, IncidentOpened
from allclear.domain.replay import replay
from allclear.domain.systems import Access, Service
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.actions.registry import Registry
from allclear.journal.ports import Journal
from tests.unit.domain.stories import MACHINE, plan
from tests.unit.fakes_context import FakeRecord, a_service

C = TypeVar("C", bound=Client)

Misfortune = Callable[["Dials", str], Awaitable[None]]
"""What happens at a call: told the world and the dial's name; may change the one or raise."""

ANA = By(actor="Ana", role="tech_lead", via="cli")


class DialState(State):
    """Where a dial points; its version moves with every write, and nobody minds."""

    incidental: ClassVar[frozenset[str]] = frozenset({"version"})

    dial: str
    points: int
    version: int = 1


@dataclass
class Dials:
    """The world: dials that point somewhere, and what is going to go wrong with them."""

    system: ClassVar[str] = "dials"
    options: ClassVar[type[Model]] = Model

    points: dict[str, int] = field(default_factory=lambda: {"main": 1})
    version: dict[str, int] = field(default_factory=lambda: {"main": 1})
    keys: set[str] = field(default_factory=set[str])
    sent: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    """Every write that came in: dial, where to, and under which key."""
    last_turn: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """Those that had an effect."""
    at_check: list[Misfortune] = field(default_factory=list[Misfortune])
    """One for each look to come, then none."""
    before_write: list[Misfortune] = field(default_factory=list[Misfortune])
    after_write: list[Misfortune] = field(default_factory=list[Misfortune])
    hidden: int = 0
    """How many looks do not show the last write yet."""
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    shown: dict[str, DialState] = field(default_factory=dict[str, DialState])

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a world of its own; tests hand theirs in."""
        raise NotImplementedError(access.name)

    async def close(self) -> None:
        """Holds nothing."""

    def turn(self, dial: str, to: int) -> None:
        """Somebody turns it, however: it points elsewhere, under a new version."""
        self.points[dial], self.version[dial] = to, self.version[dial] + 1

    def touch(self, dial: str) -> None:
        """Somebody writes something that is of no matter: only the version moves."""
        self.version[dial] += 1

    def state(self, dial: str) -> DialState:
        """Return what is so."""
        return DialState(dial=dial, points=self.points[dial], version=self.version[dial])

    async def check(self, dial: str) -> DialState:
        """Return what is to be seen: while it is hidden, what was before."""
        if self.at_check:
            await self.at_check.pop(0)(self, dial)
        if self.hidden:
            self.hidden -= 1
            return self.shown.get(dial, self.state(dial))
        return self.state(dial)


async def nothing(_: Dials, __: str) -> None:
    """Let this call go well."""


def raising(error: Exception) -> Misfortune:
    """Return the misfortune that a call ends with `error`."""

    async def happen(_: Dials, __: str) -> None:
        raise error

    return happen


def turned_to(points: int) -> Misfortune:
    """Return the misfortune that somebody else turns the dial at that moment."""

    async def happen(dials: Dials, dial: str) -> None:
        dials.turn(dial, points)

    return happen


async def touched(dials: Dials, dial: str) -> None:
    """Somebody else writes something of no matter at that moment."""
    dials.touch(dial)


LOST = raising(AnswerLost("The dial did not answer.", "Look at it."))


class DialParams(Params):
    """Which dial, and where to."""

    to: int
    dial: str = "main"


class TurnDial(Action[DialParams, DialState]):
    """Turns a dial that compares versions, as Cloud Run does."""

    name = "dial.turn"
    title = "Turn the dial"
    params = DialParams
    state = DialState
    needs: ClassVar[tuple[type[Client], ...]] = (Dials,)
    fence: ClassVar[Fence] = Fence.VERSION
    leaves = "dial turned"
    deadline: ClassVar[timedelta] = timedelta(seconds=0.4)

    @property
    def dials(self) -> Dials:
        """Return the world."""
        return self.context.client(Dials)

    @override
    def resource(self, params: DialParams) -> str:
        return f"{self.name}:{params.dial}"

    @override
    async def observe(self, params: DialParams) -> DialState:
        return await self.dials.check(params.dial)

    @override
    def plan(self, params: DialParams, before: DialState) -> Change[DialState]:
        if params.to < 0:
            raise Refused("A dial has no such place.", "Name one from 0 on.")
        return self._change(params, before, params.to)

    @override
    async def precheck(self, params: DialParams, change: Change[DialState]) -> list[Refusal]:
        return list(self.dials.refusals)

    @override
    async def apply(self, params: DialParams, change: Change[DialState], key: str) -> Receipt:
        dials, dial, to = self.dials, params.dial, change.after.points
        if dials.before_write:
            await dials.before_write.pop(0)(dials, dial)
        dials.sent.append((dial, to, key))
        dials.shown[dial] = dials.state(dial)
        self._write(dials, change, key)
        if dials.after_write:
            await dials.after_write.pop(0)(dials, dial)
        return Receipt(facts={"key": key})

    def _write(self, dials: Dials, change: Change[DialState], key: str) -> None:
        dial = change.after.dial
        if self.fence is Fence.VERSION and change.before.version != dials.version[dial]:
            raise Conflict("Somebody else wrote first.", "Look again.")
        if self.fence is Fence.KEY:
            if f"{key} {change.after.points}" in dials.keys:
                return
            dials.keys.add(f"{key} {change.after.points}")
        dials.turn(dial, change.after.points)
        dials.last_turn.append((dial, change.after.points))

    @override
    def verify(self, change: Change[DialState], after: DialState, receipt: Receipt | None) -> Finding:
        if after.matters() == change.after.matters():
            return Finding(verdict=Verdict.SUCCESS, sentence="It points there.")
        return Finding(verdict=Verdict.INCONCLUSIVE, sentence="It does not point there yet.")

    @override
    def undo(self, params: DialParams, done: Change[DialState], now: DialState) -> Change[DialState]:
        if now.points != done.after.points:
            raise Refused(f"Somebody has turned the dial to {now.points} since.", "Ask who, and why.")
        return self._change(params, now, done.before.points)

    def _change(self, params: DialParams, before: DialState, to: int) -> Change[DialState]:
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"Turn the dial {before.dial} from {before.points} to {to}.",
            before=before,
            after=before.model_copy(update={"points": to}),
            risk="It squeaks.",
            undo=f"Turns it back to {before.points}.",
            deadline=self.deadline,
        )


class SetDial(TurnDial):
    """Turns a dial that takes any write, as Slack does."""

    name = "dial.set"
    fence: ClassVar[Fence] = Fence.NONE


class CallDial(TurnDial):
    """Turns a dial that cannot be read and knows our key, as PagerDuty does."""

    name = "dial.call"
    fence: ClassVar[Fence] = Fence.KEY

    @override
    async def observe(self, params: DialParams) -> DialState:
        return DialState(dial=params.dial, points=-1)

    @override
    def target_reached(self, change: Change[DialState], now: DialState) -> bool:
        return False

    @override
    def verify(self, change: Change[DialState], after: DialState, receipt: Receipt | None) -> Finding:
        if receipt is None:
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence="It cannot be read.")
        return Finding(verdict=Verdict.SUCCESS, sentence="The dial took it.")

    @override
    def undo(self, params: DialParams, done: Change[DialState], now: DialState) -> Change[DialState]:
        return self._change(params, now, 0)


class PlainDial(TurnDial):
    """Turns a dial whose looks are taken at their word: what does not show has failed."""

    name = "dial.plain"

    @override
    def verify(self, change: Change[DialState], after: DialState, receipt: Receipt | None) -> Finding:
        return Action.verify(self, change, after, receipt)


class UnaskedDial(TurnDial):
    """Turns a dial that nobody has to allow."""

    name = "dial.unasked"
    approval = None


class LookParams(Params):
    """Which dial is looked at, and where it should point."""

    well: int
    dial: str = "main"


class LookAtDial(Probe[LookParams]):
    """Says whether a dial points where it should."""

    name = "dial.look"
    title = "Look at the dial"
    params = LookParams

    @override
    async def check(self, params: LookParams) -> Finding:
        points = self.context.client(Dials).points[params.dial]
        good = points == params.well
        return Finding(verdict=Verdict.SUCCESS if good else Verdict.FAILURE, sentence=f"It points to {points}.")


KINDS = Registry.of([TurnDial, SetDial, CallDial, PlainDial, UnaskedDial, LookAtDial])


class DialsAround:
    """Surroundings with nothing but dials."""

    def __init__(self, dials: Dials) -> None:
        self.dials = dials
        self.record: OwnRecord = FakeRecord()

    def service(self, name: str) -> Service:  # noqa: ARG002 - the port
        """Return the one service there is."""
        return a_service()

    def client(self, vendor: type[C]) -> C:  # noqa: ARG002 - the port
        """Return the dials."""
        found: Any = self.dials
        return found


class Desk:
    """One process at work: its journal, its executor, and the words to write a test in."""

    def __init__(self, journal: Journal, dials: Dials, clock: Clock = utc_now) -> None:
        self.journal, self.dials = journal, dials
        self.executor = Executor(journal, KINDS, DialsAround(dials))
        self.proposer = Proposer(journal, self.executor, plan(), clock)

    def opened(self) -> str:
        """Open an incident and returns its id."""
        opened = IncidentOpened(
            company=self.journal.scope.company,
            title="Trouble",
            severity="P0",
            service="shop",
            runbook="outage",
            reported="by Ana",
        )
        return self.journal.open_incident("VS", opened, MACHINE)[0]

    def incident(self, incident_id: str) -> Incident:
        """Return how it stands."""
        incident = replay(self.journal.entries(incident_id))
        assert incident is not None
        return incident

    def act(self, incident_id: str, act: str) -> Act:
        """Return how the act stands."""
        return self.incident(incident_id).acts[act]

    async def proposed(self, incident_id: str, kind: type[TurnDial], to: int, key: str = "turn") -> str:
        """Propose to turn the dial and returns the act's id."""
        request = ActionRequest("contain", key, kind.name, {"to": to}, kind.title)
        return await self.proposer.propose(self.incident(incident_id), request, MACHINE)

    def answered(self, incident_id: str, act: str, *, yes: bool = True) -> None:
        """Ana answers what is asked about the act."""
        for ask in self.act(incident_id, act).asks:
            self.journal.append(incident_id, [AskAnswered(ask=ask, yes=yes)], ANA)

    async def approved(self, incident_id: str, kind: type[TurnDial], to: int, key: str = "turn") -> str:
        """Propose to turn the dial, has it approved, and returns the act's id."""
        act = await self.proposed(incident_id, kind, to, key)
        self.answered(incident_id, act)
        return act

    async def undo_approved(self, incident_id: str, act: str) -> str:
        """Propose to undo the act, has it approved, and returns the undo's id."""
        done = self.act(incident_id, act)
        key = f"undo-{act.replace('/', '-')}"
        request = ActionRequest("resolve", key, done.proposed.action, done.proposed.params, "Undo", undoes=done)
        undo = await self.proposer.propose(self.incident(incident_id), request, MACHINE)
        self.answered(incident_id, undo)
        return undo
