"""What every action that blocks addresses shares: its parameters, its checks, and how sentences name ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import ClassVar, Generic, TypeVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    Action,
    Change,
    Fence,
    Finding,
    News,
    ParamProblem,
    Params,
    Receipt,
    Refusal,
    State,
    Verdict,
)
from allclear.domain.address_ranges import NeverBlocked, Range, read_range, read_ranges, shown
from allclear.domain.approval import ONE_PERSON, ONE_PERSON_WITH_REASON
from allclear.domain.base import digest
from allclear.domain.errors import Refused
from allclear.domain.systems import Service
from allclear.domain.text import enumerated
from tasks.service_params import ServiceParams

REVIEWED_AFTER = timedelta(days=1)
"""An address soon belongs to another person: providers hand it out again."""
OURS = "allclear "
"""How the notes of our rules begin."""

_TYPED = "Addresses and ranges, separated by spaces, as 203.0.113.7 198.51.100.0/24"
_NAMED = 4
"""How many ranges a sentence names."""


class AddressParams(ServiceParams):
    """Which service, and which addresses."""

    addresses: str = Field(
        default="",
        max_length=2_000,
        description="Addresses and ranges, separated by spaces: 203.0.113.7 198.51.100.0/24.",
    )

    def ranges(self) -> list[Range]:
        """Return the ranges. Raises Refused, which lets people type others."""
        try:
            return read_ranges(self.addresses)
        except Refused as error:
            raise retyped(error) from None

    @property
    def in_resource(self) -> str:
        """Return the ranges as a part of a resource's name: the first, and a hash of all. Raises Refused."""
        names = [shown(one) for one in self.ranges()] if self.addresses.strip() else ["none"]
        more = f"+{len(names) - 1}-{digest(names)[:8]}" if len(names) > 1 else ""
        return f"{names[0]}{more}"


class BlockedState(State):
    """Which of the addresses a rule denies by name; a vendor adds the rest of what it reads."""

    blocked: tuple[str, ...] = ()
    covered: tuple[str, ...] = ()
    """Those that a rule for a wider range denies."""
    others: str = ""
    """A hash of all other rules."""

    @override
    def in_words(self) -> str:
        return f"{listed(self.blocked)} blocked" if self.blocked else "open to these addresses"


S = TypeVar("S", bound=BlockedState)


class AddressAction(Action[AddressParams, S], Generic[S]):
    """The base of blocking and unblocking addresses at a vendor."""

    params: ClassVar[type[Params]] = AddressParams
    fence: ClassVar[Fence] = Fence.NONE
    chooses: ClassVar[str] = "addresses"
    deadline: ClassVar[timedelta]
    """How long the rules are read until they show the change."""

    console: ClassVar[str]
    """Where a person changes a rule by hand, as `in the project's Firewall at vercel.com`."""

    def place(self, state: S) -> str:
        """Return the name of what holds the rules, as sentences say it."""
        raise NotImplementedError

    def blocking(self, params: AddressParams, before: S, ranges: Iterable[str]) -> Change[S]:
        """Return the change that blocks `ranges` too. Raises Refused."""
        raise NotImplementedError

    def unblocking(self, params: AddressParams, before: S, ranges: Iterable[str]) -> Change[S]:
        """Return the change after which `ranges` are not blocked."""
        raise NotImplementedError

    @classmethod
    @override
    def check_params(cls, params: AddressParams, services: Mapping[str, Service]) -> Iterator[ParamProblem]:
        if not params.addresses:  # people name them in the incident
            return
        try:
            params.ranges()
        except Refused as error:
            yield ParamProblem(param="addresses", sentence=error.message, next_step=error.next_step)

    def never_blocked(self, params: AddressParams) -> Mapping[Range, str]:
        """Return the ranges that systems.yaml forbids to block, each with whose it is."""
        handle = self.context.service(params.service).handle(NeverBlocked)
        return handle.ranges() if handle else {}

    def not_compared(self, params: AddressParams) -> list[Refusal]:
        """Return the warning that systems.yaml names no range which is never blocked; empty if it names one."""
        if self.never_blocked(params):
            return []
        lacks = f"systems.yaml names no address of {params.service} that is never blocked (`{NeverBlocked.key}`)"
        sentence = f"{lacks}, so our own addresses were not compared."
        return [Refusal(sentence=sentence, next_step="", warning=True)]

    @override
    def verify(self, change: Change[S], after: S, receipt: Receipt | None) -> Finding:
        wanted, was, place = set(change.after.blocked), set(change.before.blocked), self.place(after)
        missing = [one for one in change.after.blocked if one not in after.blocked]
        left = [one for one in after.blocked if one in was - wanted]
        refused = receipt.facts.get("refused") if receipt else None
        facts = {"blocked": list(after.blocked), "missing": missing, "left": left}
        if missing or left:
            parts = [f"{listed(missing)} {is_are(missing)} not blocked by {place}."] if missing else []
            parts += [f"{listed(left)} {is_are(left)} still blocked by {place}."] if left else []
            parts += [str(refused)] if refused else []
            return Finding(verdict=Verdict.FAILURE, sentence=" ".join(parts), facts=facts, final=bool(refused))
        changed = [*added(change), *sorted(was - wanted)]
        verb = "blocked" if wanted - was else "no longer blocked"
        sentence = f"{listed(changed)} {is_are(changed)} {verb} by {place}."
        if change.before.others and after.others and after.others != change.before.others:
            sentence += f" Other rules of {place} changed at the same time: find out who changed them."
        return Finding(verdict=Verdict.SUCCESS, sentence=sentence, facts=facts)

    def change(
        self, params: AddressParams, before: S, blocked: Iterable[str], *, summary: str, risk: str, undo: str
    ) -> Change[S]:
        """Return the change after which exactly `blocked` of the addresses are blocked."""
        after = before.model_copy(update={"blocked": tuple(blocked)})
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=after,
            becomes=after.in_words(),
            risk=risk,
            undo=undo,
            deadline=self.deadline,
        )

    @override
    def news_of(self, done: Change[S], now: S) -> News | None:
        gone = [one for one in added(done) if one not in now.blocked]
        if not gone:
            return None
        sentence = f"{listed(gone)} {is_are(gone)} no longer blocked in {self.place(now)}."
        return News(key=f"unblocked:{digest(gone)[:12]}", sentence=sentence, moved=len(gone) == len(added(done)))


class BlockAction(AddressAction[S], Generic[S]):
    """Blocking addresses at a vendor."""

    approval = ONE_PERSON_WITH_REASON
    leaves = "addresses blocked"

    def not_ours(self, now: S, ours: list[str]) -> Refused | None:
        """Return why rules for `ours` are another person's now; None if they are ours."""
        raise NotImplementedError

    @override
    def review_after(self, params: AddressParams) -> timedelta:
        return REVIEWED_AFTER

    @override
    def undo(self, params: AddressParams, done: Change[S], now: S) -> Change[S]:
        ours = added(done)
        if not any(one in now.blocked for one in ours):
            sentence = f"{listed(ours)} {is_are(ours)} not blocked any more."
            raise Refused(sentence, "Nothing is left of this change to undo.")
        if refusal := self.not_ours(now, ours):
            raise refusal
        return self.unblocking(params, now, ours)


class UnblockAction(AddressAction[S], Generic[S]):
    """Unblocking addresses at a vendor."""

    approval = ONE_PERSON

    @override
    def plan(self, params: AddressParams, before: S) -> Change[S]:
        if not params.addresses.strip():
            raise Refused("No address was named.", "Name the addresses that are blocked: addresses=203.0.113.7.")
        wanted = [shown(one) for one in params.ranges()]
        wider = [one for one in wanted if one in before.covered and one not in before.blocked]
        if wider:
            raise Refused(
                f"{listed(wider)} {is_are(wider)} blocked by a rule for a wider range.",
                f"Name that range, or change its rule {self.console}.",
            )
        return self.unblocking(params, before, wanted)

    @override
    def undo(self, params: AddressParams, done: Change[S], now: S) -> Change[S]:
        removed = [one for one in done.before.blocked if one not in done.after.blocked]
        return self.blocking(params, now, removed)


def added(done: Change[S]) -> list[str]:
    """Return what a change has blocked that was not blocked before."""
    return [one for one in done.after.blocked if one not in done.before.blocked]


def retyped(error: Refused) -> Refused:
    """Return the refusal of addresses, which lets people type others in an incident."""
    return Refused(error.message, error.next_step, error.candidates, typed=_TYPED)


def listed(ranges: Iterable[str]) -> str:
    """Return the ranges as a sentence names them: the first few, and how many more."""
    names = list(ranges)
    if len(names) > _NAMED + 1:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return enumerated(names)


def is_are(names: list[str]) -> str:
    """Return `is` for one name and `are` for several."""
    return "is" if len(names) == 1 else "are"


def sizes(ranges: list[str]) -> str:
    """Return how many addresses each range has, in brackets; empty if all are single addresses."""
    counted = [f"{one} has {read_range(one).num_addresses:,} addresses" for one in ranges if "/" in one]
    return f" ({'; '.join(counted[:_NAMED])})" if counted else ""
