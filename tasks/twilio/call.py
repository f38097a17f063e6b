"""Calling people: the text is said twice, and only a key that a person presses acknowledges it.

A call cannot be found by our key. After a lost answer it is not known whether a phone rang, and a call that is placed
again says that it may be a repeat. `completed` says that something answered; a mailbox does, too. The key is posted to
the responder, which records it (`allclear.responder.routes.phone`), and is read here from the record.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Params
from allclear.domain.notify.delivery import MAY_BE_REPEAT, Delivery
from allclear.domain.requests import pressed_key
from allclear.domain.text import plain
from allclear.vendors.lengths import shortened
from allclear.vendors.twilio import KEYS_PATH, LONGEST_TWIML, PhoneCall
from tasks.twilio.messages import PhoneAction, PhoneMessage, PhoneParams, Reached

_NOT_REACHED = {
    "busy": "the line was busy",
    "no-answer": "no one answered",
    "failed": "the number could not be called",
    "canceled": "the call was cancelled",
}
_NO_KEY = "This call cannot be acknowledged. Open the incident, and acknowledge it there."
_KEY_ACKNOWLEDGES = (
    "acknowledge {incident}",
    "No key was pressed, so nothing is acknowledged. The next way or person of the plan is tried, if there is one.",
    _NO_KEY,
)
_KEY_HEARD = (
    "confirm that you have heard this",
    "No key was pressed, so it is not known that you have heard this.",
    "This call asks for no key. Open the incident, and read what is to be done.",
)
_KEY_TEST = ("confirm that this test call has arrived", "", _NO_KEY)
"""What a key does, what is said if none is pressed, and what is said at the end of a call that asks for none."""
_SPOKEN = (1_500, 700, 250)
"""The longest texts that are tried, in characters: what is escaped takes more room."""


class CallParams(PhoneParams):
    """What people hear, who they are, and what a key means."""

    acknowledges: bool = Field(
        default=True,
        description="Whether a key acknowledges the incident; otherwise it only shows that a person heard the call.",
    )


class CallPeople(PhoneAction[CallParams]):
    """Calls each person, says the text twice, and asks for a key."""

    name = "twilio.call"
    title = "Call people"
    params: ClassVar[type[Params]] = CallParams
    usual_risk = "It wakes the people that it is for. A mailbox may answer, and keeps the text."
    shows_late = True
    verb = "call"
    family = "call"
    good = Delivery.ACKNOWLEDGED
    within = timedelta(seconds=120)

    @override
    async def send(self, params: CallParams, address: str, number: str) -> str:
        repeated = self.context.record.may_be_sent(self.resource(params))
        text = f"{MAY_BE_REPEAT} {params.text}" if repeated else params.text
        twiml = twiml_of(text, self._keys_address(params), _incident(params), acknowledges=params.acknowledges)
        return (await self.twilio.call(number, twiml)).sid

    @override
    async def find(self, params: CallParams, address: str, number: str, sid: str) -> Reached | None:
        sid = sid or self._recorded(params).get(address, "")
        if not sid:
            return None
        call = await self.twilio.phone_call(sid)
        pressed = self.context.record.was_requested(pressed_key(call.sid, number))
        return _reached(call, pressed=pressed, asked=bool(self._keys_address(params)))

    def _recorded(self, params: CallParams) -> dict[str, str]:
        """Return the ids of the calls as another process has recorded them."""
        state = self.context.record.last_state(self.resource(params), "sids")
        return PhoneMessage.model_validate(state).sids if state else {}

    def _keys_address(self, params: CallParams) -> str:
        """Return where a pressed key is posted; empty if Twilio cannot reach the responder."""
        incident = _incident(params)
        query = {"message": params.message} | ({"incident": incident} if incident else {})
        query |= {} if params.acknowledges else {"heard": "only"}
        return self.context.links.from_outside(f"{KEYS_PATH}?{urlencode(query)}")


def _incident(params: CallParams) -> str:
    return params.link.incident if params.link else ""


def _reached(call: PhoneCall, *, pressed: bool, asked: bool) -> Reached:
    if pressed:
        return Reached(Delivery.ACKNOWLEDGED, call.sid)
    if call.status in _NOT_REACHED:
        return Reached(Delivery.FAILED, call.sid, _NOT_REACHED[call.status])
    if call.status != "completed":
        return Reached(Delivery.ACCEPTED, call.sid, f"the call is {call.status}")
    if (call.answered_by or "").startswith(("machine", "fax")):
        return Reached(Delivery.UNKNOWN, call.sid, "a machine answered the call")
    if not asked:
        why = "the call was answered, and asks for no key because ALLCLEAR_PAGE_URL gives Twilio no address"
        return Reached(Delivery.UNKNOWN, call.sid, why)
    return Reached(Delivery.UNKNOWN, call.sid, "it was answered and no key was pressed, so it may have been a mailbox")


def twiml_of(text: str, address: str, incident: str, *, acknowledges: bool = True) -> str:
    """Return what a call says, as TwiML: the text twice, and what to press if there is an `address` to post it to."""
    said = plain(text.replace("\n", ". "), _SPOKEN[0])
    tried = (shortened(said, limit) for limit in _SPOKEN)
    what, otherwise, without = _KEY_TEST
    if incident:
        what, otherwise, without = _KEY_ACKNOWLEDGES if acknowledges else _KEY_HEARD
    key = f"Press 1 to {what.format(incident=incident)}."
    made = [_with_key(words, address, key, otherwise) if address else _without_key(words, without) for words in tried]
    return next((twiml for twiml in made if len(twiml) <= LONGEST_TWIML), made[-1])


def _with_key(words: str, address: str, key: str, otherwise: str) -> str:
    once = _say(words) + _say(key)
    gather = f'<Gather numDigits="1" timeout="10" method="POST" action={quoteattr(address)}>'
    end = _say(otherwise) if otherwise else ""
    return f'<Response>{gather}{once}<Pause length="1"/>{once}</Gather>{end}<Hangup/></Response>'


def _without_key(words: str, end: str) -> str:
    return f'<Response>{_say(words)}<Pause length="1"/>{_say(words)}{_say(end)}<Hangup/></Response>'


def _say(words: str) -> str:
    return f"<Say>{escape(words)}</Say>"
