"""Actions on dials in memory: one for each kind of fence, with every failure that a vendor can cause.

`Dials` are the simulated target. `Desk` is one process: its journal on a shared file, an executor and a proposer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from typing import Any, ClassVar, Self, TypeVar

from typing_extensions import override

from allclear.domain.act import Act
from allclear.domain.action import (
    Action,
    Change,
    Client,
    Fence,
    Finding,
    News,
    Params,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.base import Clock, Model, utc_now
from allclear.domain.baseline import OwnRecord
from allclear.domain.errors import AnswerLost, Conflict, Refused
from allclear.domain.incident import Incident
from allclear.domain.links import Links, NoLinks
from allclear.domain.probe import Probe
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
"""What goes wrong at a call: gets the dials and a dial's name, and may turn a dial or raise an error."""

ANA = By(actor="Ana", role="tech_lead", via="cli")


class DialState(State):
    """Where a dial points. Its version changes with every write, which is incidental."""

    incidental: ClassVar[frozenset[str]] = frozenset({"version"})

    dial: str
    points: int
    version: int = 1

    @override
    def fence_token(self) -> str:
        return str(self.version)

    @override
    def last_changed(self) -> str:
        return "by Eve"


@dataclass
class Dials:
    """The dials, and what goes wrong at the next calls."""

    system: ClassVar[str] = "dials"
    options: ClassVar[type[Model]] = Model

    points: dict[str, int] = field(default_factory=lambda: {"main": 1})
    version: dict[str, int] = field(default_factory=lambda: {"main": 1})
    keys: set[str] = field(default_factory=set[str])
    sent: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    """Every write that was received: the dial, its new position and the idempotency key."""
    last_turn: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """The writes that had an effect."""
    at_check: list[Misfortune] = field(default_factory=list[Misfortune])
    """One for each of the next checks."""
    before_write: list[Misfortune] = field(default_factory=list[Misfortune])
    after_write: list[Misfortune] = field(default_factory=list[Misfortune])
    hidden: int = 0
    """How many of the next checks do not show the last write."""
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    shown: dict[str, DialState] = field(default_factory=dict[str, DialState])

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Raise NotImplementedError: tests pass their own dials."""
        raise NotImplementedError(access.name)

    async def close(self) -> None:
        """Do nothing."""

    def turn(self, dial: str, to: int) -> None:
        """Turn a dial, which gives it a new version."""
        self.points[dial], self.version[dial] = to, self.version[dial] + 1

    def touch(self, dial: str) -> None:
        """Give a dial a new version without turning it."""
        self.version[dial] += 1

    def state(self, dial: str) -> DialState:
        """Return the true state of a dial."""
        return DialState(dial=dial, points=self.points[dial], version=self.version[dial])

    async def check(self, dial: str) -> DialState:
        """Return the visible state of a dial: while the last write is hidden, the state before it."""
        if self.at_check:
            await self.at_check.pop(0)(self, dial)
        if self.hidden:
            self.hidden -= 1
            return self.shown.get(dial, self.state(dial))
        return self.state(dial)


async def nothing(_: Dials, __: str) -> None:
    """Let this call succeed."""


def raising(error: Exception) -> Misfortune:
    """Return the misfortune that a call raises `error`."""

    async def happen(_: Dials, __: str) -> None:
        raise error

    return happen


def turned_to(points: int) -> Misfortune:
    """Return the misfortune that another writer turns the dial at that moment."""

    async def happen(dials: Dials, dial: str) -> None:
        dials.turn(dial, points)

    return happen


async def touched(dials: Dials, dial: str) -> None:
    """Give the dial a new version at that moment, as another writer's unrelated change does."""
    dials.touch(dial)


LOST = raising(AnswerLost("The dial did not answer.", "Check the dial."))


class DialParams(Params):
    """The dial, and its new position."""

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
        """Return the dials."""
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
            raise Refused("A dial has no such position.", "Name a position from 0 on.")
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
            raise Conflict("Another writer was first.", "Read the dial again.")
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
    def news_of(self, done: Change[DialState], now: DialState) -> News | None:
        if now.points == done.after.points:
            return None
        return News(key=f"moved:{now.points}", sentence=f"The dial was turned to {now.points} by Eve.", moved=True)

    @override
    def undo(self, params: DialParams, done: Change[DialState], now: DialState) -> Change[DialState]:
        if now.points != done.after.points:
            raise Refused(f"The dial was turned to {now.points} since.", "Ask who turned it, and why.")
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


class BlindDial(TurnDial):
    """Turns a dial that cannot be read and knows no key, as a webhook: its answer is all that is ever known."""

    name = "dial.blind"
    fence: ClassVar[Fence] = Fence.NONE
    shows_late = True

    @override
    async def observe(self, params: DialParams) -> DialState:
        return DialState(dial=params.dial, points=-1)

    @override
    def state_after(self, change: Change[DialState], seen: DialState, receipt: Receipt | None) -> DialState:
        return change.after if receipt else seen


class PatientDial(TurnDial):
    """Turns a dial whose deadline is never reached in a test, also on a slow machine."""

    name = "dial.patient"
    deadline: ClassVar[timedelta] = timedelta(seconds=60)


class PlainDial(TurnDial):
    """Turns a dial whose checks are final: a change that is not visible has failed."""

    name = "dial.plain"

    @override
    def verify(self, change: Change[DialState], after: DialState, receipt: Receipt | None) -> Finding:
        return Action.verify(self, change, after, receipt)


class RestoredDial(TurnDial):
    """Turns a dial and leaves nothing that has to be undone, as a restore; a person may undo it all the same."""

    name = "dial.restored"
    leaves = None
    undone_on_request = True


class UnaskedDial(TurnDial):
    """Turns a dial without an approval."""

    name = "dial.unasked"
    approval = None


class CheckDialParams(Params):
    """The dial to check, and its healthy position."""

    healthy: int
    dial: str = "main"


class CheckDial(Probe[CheckDialParams]):
    """Checks whether a dial has its healthy position."""

    name = "dial.check"
    title = "Check the dial"
    params = CheckDialParams

    @override
    async def check(self, params: CheckDialParams) -> Finding:
        points = self.context.client(Dials).points[params.dial]
        good = points == params.healthy
        return Finding(verdict=Verdict.SUCCESS if good else Verdict.FAILURE, sentence=f"It points to {points}.")


KINDS = Registry.of(
    [TurnDial, SetDial, CallDial, BlindDial, PatientDial, PlainDial, RestoredDial, UnaskedDial, CheckDial]
)


class DialContext:
    """An action context with nothing but dials."""

    def __init__(self, dials: Dials) -> None:
        self.dials = dials
        self.record: OwnRecord = FakeRecord()
        self.links: Links = NoLinks()
        self.clock: Clock = utc_now
        self.zone: tzinfo = UTC

    def service(self, name: str) -> Service:  # noqa: ARG002 - the port
        """Return the only service."""
        return a_service()

    def client(self, vendor: type[C]) -> C:  # noqa: ARG002 - the port
        """Return the dials."""
        dials: Any = self.dials
        return dials


class Desk:
    """One process: its journal, its executor, its proposer, and short methods for tests."""

    def __init__(self, journal: Journal, dials: Dials, clock: Clock = utc_now) -> None:
        self.journal, self.dials = journal, dials
        self.executor = Executor(journal, KINDS, DialContext(dials))
        self.proposer = Proposer(journal, self.executor, plan(), clock)

    def opened(self) -> str:
        """Open an incident, and return its id."""
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
        """Return the incident as it is now."""
        incident = replay(self.journal.entries(incident_id))
        assert incident is not None
        return incident

    def act(self, incident_id: str, act: str) -> Act:
        """Return the act as it is now."""
        return self.incident(incident_id).acts[act]

    async def proposed(self, incident_id: str, kind: type[TurnDial], to: int, key: str = "turn") -> str:
        """Propose to turn the dial, and return the act's id."""
        request = ActionRequest("contain", key, kind.name, {"to": to}, kind.title)
        return await self.proposer.propose(self.incident(incident_id), request, MACHINE)

    def answered(self, incident_id: str, act: str, *, yes: bool = True) -> None:
        """Answer every question about the act, as Ana."""
        for ask in self.act(incident_id, act).asks:
            self.journal.append(incident_id, [AskAnswered(ask=ask, yes=yes)], ANA)

    async def approved(self, incident_id: str, kind: type[TurnDial], to: int, key: str = "turn") -> str:
        """Propose to turn the dial, approve it, and return the act's id."""
        act = await self.proposed(incident_id, kind, to, key)
        self.answered(incident_id, act)
        return act

    async def undo_approved(self, incident_id: str, act: str) -> str:
        """Propose to undo the act, approve it, and return the undo's id."""
        done = self.act(incident_id, act)
        key = f"undo-{act.replace('/', '-')}"
        request = ActionRequest("resolve", key, done.proposed.action, done.proposed.params, "Undo", undoes=done)
        undo = await self.proposer.propose(self.incident(incident_id), request, MACHINE)
        self.answered(incident_id, undo)
        return undo
