"""Sending an e-mail to people, once for each key, and marked if it may be a repeat."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Change, LinkedParams, Params, Receipt, State
from allclear.domain.approval import SPEAKERS, ApprovalPolicy
from allclear.domain.base import digest, utc_now
from allclear.domain.links import with_link
from allclear.domain.notify.delivery import MAY_BE_REPEAT, Delivery
from allclear.domain.text import enumerated
from tasks.email.addresses import Readable
from tasks.email.compose import composed
from tasks.email.delivery import EmailAction, EmailState, MessageParams

_NAMED = 3
"""How many recipients a sentence names."""


class TextParams(MessageParams):
    """The text, and to whom it goes."""

    text: Readable = Field(min_length=1, description="The text, without formatting.")


class SendParams(TextParams, LinkedParams):
    """The text, to whom it goes, and where its link leads."""


class _SendText(EmailAction[TextParams, EmailState]):
    """The base of the actions that send a text."""

    state: ClassVar[type[State]] = EmailState
    text_params = ("subject", "text")
    apart: ClassVar[bool] = False
    """Whether its recipients must not read each other's addresses."""

    @override
    async def observe(self, params: TextParams) -> EmailState:
        return await self.last(params) or EmailState(message=params.message)

    @override
    def plan(self, params: TextParams, before: EmailState) -> Change[EmailState]:
        after = self.to_send(params, before, digest([params.subject, params.text]))
        people = before.still_to_send(params.people)
        summary = f"Send an e-mail to {shown(people or params.people)}: {params.subject}"
        change = self.planned(params, before, after, summary)
        # Those who approve it see the whole text.
        return change.model_copy(update={"was": before.in_words(), "becomes": f"{params.subject}\n\n{params.text}"})

    @override
    async def apply(self, params: TextParams, change: Change[EmailState], key: str) -> Receipt:
        people = self.recipients(change)
        text = params.text
        if any(change.before.deliveries.get(one) is Delivery.UNKNOWN for one in people):
            text = f"{MAY_BE_REPEAT}\n\n{text}"
        if isinstance(params, SendParams) and params.link:
            text = with_link(text, params.link, self.context.links)
        message = composed(
            self.smtp,
            params.message,
            people=people,
            subject=params.subject,
            text=text,
            at=utc_now(),
            thread=params.thread,
            apart=self.apart,
        )
        return self.receipt(people, await self.smtp.send(message, people))


class SendEmail(_SendText):
    """Sends an e-mail to people."""

    name = "email.send"
    title = "Send an e-mail"
    params: ClassVar[type[Params]] = SendParams


class WriteToCustomers(_SendText):
    """Sends an e-mail to customers, after those who speak for the company agreed. It has no link to our page.

    No customer reads the address of another one.
    """

    name = "email.customers"
    title = "Write to the customers"
    params: ClassVar[type[Params]] = TextParams
    usual_risk = "Customers read it; a message that was sent cannot be taken back."
    approval: ClassVar[ApprovalPolicy | None] = SPEAKERS
    reaches: ClassVar[str | None] = None
    public = True
    apart = True


def shown(people: list[str]) -> str:
    """Return whom a message is for, as a sentence names them."""
    named = people if len(people) <= _NAMED + 1 else [*people[:_NAMED], f"{len(people) - _NAMED} more"]
    return enumerated(named)
