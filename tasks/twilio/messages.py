"""What texts and calls have in common: a message of ours to the phones of people, and how far it got at each.

Twilio has no idempotency key, and taking a message is no delivery. What Twilio has answered to each recipient is kept
in this process until the message is read; another process finds it as each action says.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, TypeVar

from pydantic import Field, field_validator
from typing_extensions import override

from allclear.domain.action import (
    Action,
    ActionContext,
    Change,
    Client,
    Fence,
    Finding,
    LinkedParams,
    ParamProblem,
    Receipt,
    State,
    Verdict,
)
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import JsonDict
from allclear.domain.errors import AllclearError, AnswerLost, Refused, VendorRefused
from allclear.domain.notify.delivery import ON_THE_WAY, Delivery, Sent, from_command_line
from allclear.domain.plan.phone_numbers import WANTED, e164, not_a_number
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Service
from allclear.domain.text import bare, enumerated
from allclear.vendors.twilio import Twilio
from tasks.permissions import TWILIO_SEND
from tasks.read_together import read_together
from tasks.twilio.preflight import TwilioPreflight

_ARRIVED = frozenset({Delivery.DELIVERED, Delivery.ACKNOWLEDGED})
_REMEMBERED = 500
"""Messages whose answers are kept in this process."""


class PhoneParams(LinkedParams):
    """What people read or hear, who they are, and the key by which the message is known."""

    message: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$", description="Our key for the message, as VS-12/told/3."
    )
    people: list[str] = Field(
        min_length=1, description="The phone numbers of the people, with the country, as +4915112345678."
    )
    text: str = Field(min_length=1, description="What they read or hear, the most important part first.")

    _from_command_line = field_validator("people", mode="before")(from_command_line)


class PhoneMessage(Sent):
    """A message of ours to phones, as Twilio knows it."""

    incidental: ClassVar[frozenset[str]] = frozenset({"sids", "reasons"})

    key: str
    sids: dict[str, str] = Field(default={}, description="Twilio's id for each recipient.")
    reasons: dict[str, str] = Field(
        default={}, description="For each recipient, why it did not or may not have arrived."
    )

    @override
    def matters(self) -> JsonDict:
        """Return the fields without the recipients whom it has not reached: nothing is changed for these."""
        on_the_way = {one: how for one, how in self.deliveries.items() if how in ON_THE_WAY}
        return super().matters() | {"deliveries": {one: how.value for one, how in sorted(on_the_way.items())}}

    @override
    def in_words(self) -> str:
        found = [f"{how.value} for {address}" for address, how in self.deliveries.items()]
        return "; ".join(found) or "nothing sent"


@dataclass(frozen=True)
class Told:
    """What Twilio has answered when the message was handed over for one recipient."""

    sid: str = ""
    refusal: str = ""
    """Why Twilio, or we, did not take it."""


@dataclass(frozen=True)
class Reached:
    """How far the message got with one recipient."""

    delivery: Delivery
    sid: str = ""
    reason: str = ""


P = TypeVar("P", bound=PhoneParams)


class PhoneAction(Action[P, PhoneMessage]):
    """The base of what is sent to phones."""

    state: ClassVar[type[State]] = PhoneMessage
    needs: ClassVar[tuple[type[Client], ...]] = (Twilio,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (TwilioPreflight,)
    fence: ClassVar[Fence] = Fence.NONE
    approval: ClassVar[ApprovalPolicy | None] = None
    permissions = (TWILIO_SEND,)
    text_params = ("text",)
    reaches: ClassVar[str | None] = "phone"
    tells = True
    personal = True
    reads_every = timedelta(seconds=2)
    usual_undo = "It cannot be undone: send a correction."

    verb: ClassVar[str]
    """What it does to a person, within a sentence: `text`."""
    family: ClassVar[str]
    """The family of its resources."""
    good: ClassVar[Delivery]
    """How far it is meant to get."""
    within: ClassVar[timedelta]
    """How long it may take until that is known."""

    def __init__(self, context: ActionContext) -> None:
        super().__init__(context)
        self._answers: OrderedDict[str, dict[str, Told]] = OrderedDict()
        """Message -> what Twilio has answered for each recipient."""

    @property
    def twilio(self) -> Twilio:
        """Return the client."""
        return self.context.client(Twilio)

    # --- what a subclass adds ------------------------------------------------------------------------------

    @abstractmethod
    async def send(self, params: P, address: str, number: str) -> str:
        """Hand the message over for one recipient, and return Twilio's id of it. Raises VendorError."""

    @abstractmethod
    async def find(self, params: P, address: str, number: str, sid: str) -> Reached | None:
        """Return how far it got with one recipient; None if nothing shows that it was sent.

        `sid` is Twilio's id, empty if this process does not know it. Raises VendorError.
        """

    # --- what all share ------------------------------------------------------------------------------------

    @classmethod
    @override
    def check_params(cls, params: P, services: Mapping[str, Service]) -> Iterable[ParamProblem]:
        for address in params.people:
            if not e164(address):
                yield ParamProblem(param="people", sentence=not_a_number(address), next_step=WANTED)

    @override
    def resource(self, params: P) -> str:
        return f"{self.family}:{params.message}"

    @override
    async def observe(self, params: P) -> PhoneMessage:
        addresses = list(dict.fromkeys(params.people))
        found = await read_together(*(self._reached(params, address) for address in addresses))
        reached = {address: one for address, one in zip(addresses, found, strict=True) if one}
        return PhoneMessage(
            key=params.message,
            deliveries={address: one.delivery for address, one in reached.items()},
            sids={address: one.sid for address, one in reached.items() if one.sid},
            reasons={address: one.reason for address, one in reached.items() if one.reason},
        )

    async def _reached(self, params: P, address: str) -> Reached | None:
        told, number = self._told(params).get(address, Told()), e164(address)
        if not number:
            return Reached(Delivery.FAILED, reason=told.refusal) if told.refusal else None
        found = await self.find(params, address, number, told.sid)
        if found is None and told.refusal:
            return Reached(Delivery.FAILED, reason=told.refusal)
        return found

    @override
    def plan(self, params: P, before: PhoneMessage) -> Change[PhoneMessage]:
        if not any(e164(address) for address in params.people):
            raise Refused(" ".join(not_a_number(address) for address in params.people), WANTED)
        first = params.text.strip().partition("\n")[0].rstrip(": ")
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"{self.verb.capitalize()} {enumerated(params.people)}: {first}",
            before=before,
            after=PhoneMessage(key=params.message, deliveries=dict.fromkeys(params.people, self.good)),
            risk=self.usual_risk,
            undo=self.usual_undo,
            deadline=self.within,
        )

    @override
    async def apply(self, params: P, change: Change[PhoneMessage], key: str) -> Receipt:
        """Hand the message over for each recipient who does not have it. One who cannot be reached stops no other."""
        before = change.before.deliveries
        missing = [one for one in change.after.deliveries if before.get(one) not in ON_THE_WAY]
        results = await asyncio.gather(*(self._hand_over(params, address) for address in missing))
        errors = [one for one in results if isinstance(one, AllclearError)]
        if errors and len(errors) == len(results):
            raise next((one for one in errors if isinstance(one, AnswerLost)), errors[0])
        return Receipt(
            facts={"sids": {to: one for to, one in zip(missing, results, strict=True) if isinstance(one, str)}}
        )

    async def _hand_over(self, params: P, address: str) -> str | AllclearError:
        number, told = e164(address), self._told(params)
        try:
            if not number:
                raise Refused(not_a_number(address), WANTED)
            sid = await self.send(params, address, number)
        except AnswerLost as error:
            told.pop(address, None)
            return error
        except AllclearError as error:
            told[address] = Told(refusal=bare(str(error)))
            # A message does not wait for a rate limit to end: the next way is used.
            passes = isinstance(error, VendorRefused) and error.passes
            return VendorRefused(error.message, error.next_step) if passes else error
        told[address] = Told(sid=sid)
        return sid

    @override
    def verify(self, change: Change[PhoneMessage], after: PhoneMessage, receipt: Receipt | None) -> Finding:
        wanted = change.after.deliveries
        reached = {address: after.deliveries.get(address) for address in wanted}
        lost = [address for address, how in reached.items() if how is Delivery.FAILED]
        open_ = [address for address, how in reached.items() if how not in _ARRIVED and address not in lost]
        pending = [address for address in open_ if reached[address] is not Delivery.UNKNOWN]
        verdict = Verdict.FAILURE if lost else Verdict.INCONCLUSIVE if open_ else Verdict.SUCCESS
        sentence = " ".join(self._words(address, how, after) for address, how in reached.items())
        final = verdict is not Verdict.SUCCESS and not pending
        return Finding(verdict=verdict, sentence=sentence, facts={"sids": after.sids}, final=final)

    def _words(self, address: str, how: Delivery | None, after: PhoneMessage) -> str:
        reason = after.reasons.get(address, "")
        if how is Delivery.ACKNOWLEDGED:
            return f"{address} has acknowledged it."
        if how is Delivery.DELIVERED:
            return f"It was delivered to {address}."
        if how is Delivery.FAILED:
            return f"It did not reach {address}: {bare(reason)}."
        unknown = "no read shows whether Twilio has it"
        return f"It is not known whether it reached {address}: {bare(reason) or unknown}."

    @override
    def target_reached(self, change: Change[PhoneMessage], now: PhoneMessage) -> bool:
        return all(now.deliveries.get(address) in ON_THE_WAY for address in change.after.deliveries)

    @override
    def undo(self, params: P, done: Change[PhoneMessage], now: PhoneMessage) -> Change[PhoneMessage]:
        raise Refused(f"A {self.verb} cannot be taken back: it is {now.in_words()}.", "Send a correction.")

    def _told(self, params: P) -> dict[str, Told]:
        """Return what Twilio has answered for each recipient of a message, which apply adds to."""
        known = self._answers.setdefault(params.message, {})
        self._answers.move_to_end(params.message)
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return known
