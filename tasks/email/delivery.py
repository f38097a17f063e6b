"""What every e-mail of ours has in common: how it is found again, who was reached, and what a lost answer means.

A mail server cannot be asked later what it took. What is known of a message is what the server said when it was sent,
which the record of the last act holds. If its answer was lost, no read can tell: the outcome is indeterminate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar, Generic, TypeVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, Finding, Params, Receipt, Verdict
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.errors import Refused
from allclear.domain.notify.delivery import ON_THE_WAY, Delivery, Sent
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.domain.text import enumerated
from allclear.vendors.smtp import Smtp, Taken
from tasks.email.addresses import People, Subject
from tasks.permissions import EMAIL_SEND

DEADLINE = timedelta(seconds=20)
_REFUSED, _ACCEPTED = "refused", "accepted"


class MessageParams(Params):
    """To whom an e-mail goes, and the key by which it is found again."""

    message: str = Field(min_length=1, max_length=200, description="Our key for the message, as VS-1-stakeholders.")
    people: People = Field(description="The e-mail addresses of those who get it.")
    subject: Subject = Field(min_length=1, description="The subject. If it is longer than 300 characters, it is cut.")
    thread: str | None = Field(
        default=None, min_length=1, max_length=200, description="The key of the message that this one follows."
    )


class EmailState(Sent):
    """An e-mail of ours, as the mail server has answered to it."""

    incidental: ClassVar[frozenset[str]] = frozenset({"refusals"})

    message: str
    fingerprint: str = Field(default="", description="That of its content; empty before it was sent.")
    refusals: dict[str, str] = Field(default={}, description="The recipients whom the server refused, and why.")

    @property
    def maybe_sent(self) -> bool:
        """Return whether a recipient has the message, or may have it."""
        return any(one in ON_THE_WAY or one is Delivery.UNKNOWN for one in self.deliveries.values())

    def still_to_send(self, people: list[str]) -> list[str]:
        """Return those of `people` for whom the server has not accepted the message yet."""
        return [one for one in people if self.deliveries.get(one) not in ON_THE_WAY]

    @override
    def in_words(self) -> str:
        if not self.deliveries:
            return "not sent"
        return "; ".join(
            f"{how.value} for {enumerated([one for one, state in self.deliveries.items() if state is how])}"
            for how in Delivery
            if how in self.deliveries.values()
        )


class EmailPreflight(Preflight):
    """Connects to the mail server, logs in, and asks whether the sender's address is accepted. Sends nothing."""

    client: ClassVar[type[Client]] = Smtp

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        smtp = self.context.client(Smtp)
        yield PreflightCheck("login and sender", partial(self._accepted, smtp))

    async def _accepted(self, smtp: Smtp) -> Passed:
        await smtp.check()
        return Passed(f"The mail server accepts the login, and {smtp.sender} as the sender.")


P = TypeVar("P", bound=MessageParams)
S = TypeVar("S", bound=EmailState)


class EmailAction(Action[P, S], Generic[P, S]):
    """The base of the actions that send an e-mail."""

    permissions = (EMAIL_SEND,)
    usual_risk = "Its recipients read it; a message that was sent cannot be taken back."
    usual_undo = "It cannot be undone: send a correction."
    needs: ClassVar[tuple[type[Client], ...]] = (Smtp,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (EmailPreflight,)
    fence: ClassVar[Fence] = Fence.NONE
    approval: ClassVar[ApprovalPolicy | None] = None
    reaches: ClassVar[str | None] = "email"
    tells = True
    shows_late = True

    @property
    def smtp(self) -> Smtp:
        """Return the client."""
        return self.context.client(Smtp)

    @override
    def resource(self, params: P) -> str:
        return f"email:{params.message}"

    async def last(self, params: P) -> S | None:
        """Return what the record says of the message; None if it was not sent."""
        found = await asyncio.to_thread(self.context.record.last_state, self.resource(params), "deliveries")
        return self.state.model_validate(found) if found else None  # pyright: ignore[reportReturnType] - it is of that state

    def to_send(self, params: P, before: S, fingerprint: str) -> S:
        """Return the state after sending. Raises Refused if another content was sent with the same key."""
        if before.fingerprint not in ("", fingerprint) and before.maybe_sent:
            raise Refused(
                f"The e-mail {params.message} was sent already, with another content.",
                "A message that was sent cannot be changed: send the new one with a key of its own, as `message`.",
            )
        deliveries = dict.fromkeys(params.people, Delivery.ACCEPTED)
        return before.model_copy(update={"fingerprint": fingerprint, "deliveries": deliveries, "refusals": {}})

    def planned(self, params: P, before: S, after: S, summary: str) -> Change[S]:
        """Return the change that sends it."""
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=summary,
            before=before,
            after=after,
            risk=self.usual_risk,
            undo=self.usual_undo,
            deadline=DEADLINE,
        )

    @staticmethod
    def recipients(change: Change[S]) -> list[str]:
        """Return whom the message is to be sent to now; a repeat goes to those for whom it was not accepted yet."""
        people = list(change.after.deliveries)
        return change.before.still_to_send(people) if change.before.fingerprint == change.after.fingerprint else people

    @staticmethod
    def receipt(asked: list[str], taken: Taken) -> Receipt:
        """Return what the server said to each of those to whom the message was sent now."""
        accepted = [one for one in asked if one not in taken.refused]
        return Receipt(facts={_ACCEPTED: accepted, _REFUSED: taken.refused, "answer": taken.answer})

    @override
    def state_after(self, change: Change[S], seen: S, receipt: Receipt | None) -> S:
        """Return the state with the server's answer, which no read shows; without one, nothing is known."""
        asked, same = self.recipients(change), change.before.fingerprint == change.after.fingerprint
        # Who is not on the list any more has this message all the same, so that the record must still say so.
        kept = change.before.deliveries if same else {}
        known = {one: how for one, how in kept.items() if one not in asked}
        if receipt is None:
            said = dict.fromkeys(asked, Delivery.UNKNOWN)
            return change.after.model_copy(update={"deliveries": known | said})
        refused: dict[str, str] = receipt.facts.get(_REFUSED) or {}
        said = {one: Delivery.FAILED if one in refused else Delivery.ACCEPTED for one in asked}
        return change.after.model_copy(update={"deliveries": known | said, "refusals": refused})

    @override
    def verify(self, change: Change[S], after: S, receipt: Receipt | None) -> Finding:
        wanted = list(change.after.deliveries)
        if failed := [one for one in wanted if after.deliveries.get(one) is Delivery.FAILED]:
            reasons = "; ".join(f"{one} ({after.refusals.get(one, 'refused')})" for one in failed)
            others = [one for one in wanted if one not in failed]
            rest = f" It accepted the message for {enumerated(others)}." if others else ""
            sentence = f"The mail server did not accept the message for {reasons}.{rest}"
            return Finding(verdict=Verdict.FAILURE, sentence=sentence, final=True)
        if unknown := [one for one in wanted if after.deliveries.get(one) not in ON_THE_WAY]:
            sentence = (
                f"It is not known whether {enumerated(unknown)} got it, because a mail server cannot be asked later."
            )
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=sentence, final=True)
        sentence = f"The mail server accepted the message for {enumerated(wanted)}. Whether they read it is unknown."
        return Finding(verdict=Verdict.SUCCESS, sentence=sentence)

    @override
    def target_reached(self, change: Change[S], now: S) -> bool:
        same = now.fingerprint == change.after.fingerprint
        return same and not now.still_to_send(list(change.after.deliveries))

    @override
    def undo(self, params: P, done: Change[S], now: S) -> Change[S]:
        raise Refused("An e-mail that was sent cannot be taken back.", "Send a correction.")
