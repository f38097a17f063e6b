"""Texting people once, and reading until each text was delivered.

Our key stands at the end of each text, so that a text whose answer was lost is found in Twilio's list before anything
is sent again. A text has reached a person only when Twilio says `delivered`; `sent` means that the carrier has it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from typing_extensions import override

from allclear.domain.action import Params
from allclear.domain.notify.delivery import Delivery
from allclear.vendors.lengths import shortened
from allclear.vendors.twilio import LONGEST_TEXT, Text, meaning_of, next_step_for
from tasks.twilio.messages import PhoneAction, PhoneParams, Reached

_NEWEST = timedelta(days=1)
"""An older text with our key is of an earlier journal, whose incidents had the same ids."""
_ARRIVED, _LOST = frozenset({"delivered", "read"}), frozenset({"undelivered", "failed", "canceled"})
_WAITING = {
    "sent": "the carrier has it, and has not confirmed that it arrived",
    "partially_delivered": "a part of it has arrived",
}


class SendText(PhoneAction[PhoneParams]):
    """Sends a text to each person."""

    name = "twilio.text"
    title = "Text people"
    params: ClassVar[type[Params]] = PhoneParams
    usual_risk = "Each recipient reads it on the phone; texts can be read on a locked screen."
    found_again = True
    verb = "text"
    family = "text"
    good = Delivery.DELIVERED
    within = timedelta(seconds=60)

    @override
    async def send(self, params: PhoneParams, address: str, number: str) -> str:
        link = self.context.links.href(params.link) if params.link else ""
        return (await self.twilio.send_text(number, body_of(params.text, params.message, link))).sid

    @override
    async def find(self, params: PhoneParams, address: str, number: str, sid: str) -> Reached | None:
        if sid:
            return _reached(await self.twilio.text(sid))
        listed = await self.twilio.texts_to(number)
        now = self.context.clock()
        return next((_reached(text) for text in listed if _is_ours(text, params.message, now)), None)


def body_of(text: str, key: str, link: str) -> str:
    """Return a text as it is sent: what fits of `text`, the link, and our key."""
    tail = "\n".join([*([link] if link else []), f"({key})"])
    return f"{shortened(text.strip(), LONGEST_TEXT - len(tail) - 1)}\n{tail}"


def _is_ours(text: Text, key: str, now: datetime) -> bool:
    recent = text.created_at is None or now - text.created_at < _NEWEST
    return recent and (text.body or "").rstrip().endswith(f"({key})")


def _reached(text: Text) -> Reached:
    if text.status in _ARRIVED:
        return Reached(Delivery.DELIVERED, text.sid)
    if text.status in _LOST:
        return Reached(Delivery.FAILED, text.sid, f"{meaning_of(text.error)}. {next_step_for(text.error)}")
    return Reached(Delivery.ACCEPTED, text.sid, _WAITING.get(text.status, f"Twilio shows it as {text.status}"))
