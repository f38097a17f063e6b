"""The simulated account at Twilio: the texts and calls to people's phones, and the keys that people press.

*Source:* Twilio's "TwiML for Programmable Voice", "Gather" and "Validating requests", 2026-11: a key is posted to the
`action` of Gather as a form, signed with the account's auth token over the address and the sorted fields.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import httpx

from allclear.simulator.event_log import Clock, EventLog, iso
from allclear.simulator.scenario_schema import PhoneSpec, TwilioSpec

_SECONDS = 15.0
"""How long Twilio waits for an answer."""
_ENDS = {"busy": "busy", "no-answer": "no-answer", "failed": "failed"}


@dataclass
class SimulatedText:
    """A text to a phone."""

    sid: str
    to: str
    body: str
    phone: PhoneSpec
    at: datetime
    status: str = "queued"
    error: int | None = None

    def as_facts(self) -> dict[str, Any]:
        """Return it as the drill reads it."""
        return {"to": self.to, "body": self.body, "status": self.status, "at": iso(self.at)}


@dataclass
class SimulatedCall:
    """A call to a phone."""

    sid: str
    to: str
    twiml: str
    phone: PhoneSpec
    at: datetime
    status: str = "queued"
    answered_by: str | None = None
    heard: list[str] = field(default_factory=list[str])
    """What was said, first by the call, then in the answer to a key."""
    pressed: str = ""

    def as_facts(self) -> dict[str, Any]:
        """Return it as the drill reads it."""
        facts = {"to": self.to, "heard": self.heard, "status": self.status, "pressed": self.pressed}
        return {**facts, "at": iso(self.at)}


class TwilioAccount:
    """All texts and calls of the account, and the phones that they reach."""

    def __init__(self, spec: TwilioSpec, clock: Clock, event_log: EventLog) -> None:
        self.spec, self._clock, self._event_log = spec, clock, event_log
        self.token = ""
        """The account's auth token, which signs what is posted."""
        self.texts: list[SimulatedText] = []
        self.calls: list[SimulatedCall] = []
        self._phones = {phone.number: phone for phone in spec.phones}
        self._tasks: set[asyncio.Task[None]] = set()

    def phone(self, number: str) -> PhoneSpec:
        """Return the phone with a number; one that is not listed gets every text, and its person presses 1."""
        return self._phones.get(number) or PhoneSpec(number=number)

    # --- texts ---------------------------------------------------------------------------------------------

    def send(self, to: str, body: str) -> SimulatedText:
        """Accept a text, which is queued."""
        text = SimulatedText(f"SM{secrets.token_hex(16)}", to, body, self.phone(to), self._clock())
        self.texts.append(text)
        self._event_log.record("text", to=to, body=body)
        return text

    def move_on(self) -> None:
        """Set the status of each text whose time on the way has passed."""
        for text in self.texts:
            if text.status == "queued" and self._clock() - text.at >= self.spec.takes and text.phone.text != "queued":
                text.status = text.phone.text
                text.error = text.phone.text_error if text.status in ("undelivered", "failed") else None
                self._event_log.record("text_status", to=text.to, status=text.status)

    # --- calls ---------------------------------------------------------------------------------------------

    def place(self, to: str, twiml: str) -> SimulatedCall:
        """Accept a call, and start ringing the phone."""
        call = SimulatedCall(f"CA{secrets.token_hex(16)}", to, twiml, self.phone(to), self._clock())
        self.calls.append(call)
        self._event_log.record("call", to=to)
        task = asyncio.get_running_loop().create_task(self._ring(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    def close(self) -> None:
        """End every call."""
        for task in list(self._tasks):
            task.cancel()

    async def _ring(self, call: SimulatedCall) -> None:
        await asyncio.sleep(self.spec.takes.total_seconds())
        if call.phone.call in _ENDS:
            call.status = _ENDS[call.phone.call]
        else:
            call.status = "in-progress"
            call.answered_by = "machine_start" if call.phone.call == "mailbox" else "human"
            address = gather_address(call.twiml)
            if call.phone.call == "presses" and address:
                call.heard = spoken(call.twiml, until_key=True)
                await self.press(call, address, call.phone.key)
            else:
                call.heard = spoken(call.twiml)
            call.status = "completed"
        self._event_log.record("call_ended", to=call.to, status=call.status)

    async def press(self, call: SimulatedCall, address: str, key: str, **fields: str) -> httpx.Response | None:
        """Press a key in a call: it is posted to `address`. Returns the answer; None if there was none."""
        call.pressed = key
        form = {
            "AccountSid": self.spec.account,
            "ApiVersion": "2010-04-01",
            "CallSid": call.sid,
            "CallStatus": call.status,
            "Called": call.to,
            "Caller": self.spec.number,
            "Digits": key,
            "Direction": "outbound-api",
            "From": self.spec.number,
            "To": call.to,
            "msg": "Gather End",
            **fields,
        }
        headers = {"x-twilio-signature": self.signature(address, form)}
        try:
            async with httpx.AsyncClient(timeout=_SECONDS) as client:
                answer = await client.post(address, data=form, headers=headers)
        except httpx.HTTPError as error:
            self._event_log.record("key_pressed", to=call.to, key=key, failed=type(error).__name__)
            return None
        self._event_log.record("key_pressed", to=call.to, key=key, status=answer.status_code)
        call.heard += spoken(answer.text) if answer.is_success else ["An application error has occurred."]
        return answer

    def signature(self, address: str, form: dict[str, str]) -> str:
        """Return what proves that a request is Twilio's."""
        signed = address + "".join(name + form[name] for name in sorted(form))
        return base64.b64encode(hmac.new(self.token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def spoken(twiml: str, *, until_key: bool = False) -> list[str]:
    """Return what TwiML says, in order; with `until_key` only while it waits for one.

    Raises ValueError for what is no TwiML.
    """
    try:
        root = ET.fromstring(twiml)  # noqa: S314 - our own responder's, in a simulation
    except ET.ParseError as error:
        raise ValueError(str(error)) from None
    if root.tag != "Response":
        raise ValueError(f"<{root.tag}> is no <Response>")
    gather = root.find("Gather") if until_key else None
    return [one.text or "" for one in (root if gather is None else gather).iter("Say")]


def gather_address(twiml: str) -> str:
    """Return where a pressed key is posted; empty if the call asks for none, or if it is on another machine."""
    gather = ET.fromstring(twiml).find("Gather")  # noqa: S314 - as above
    address = gather.get("action", "") if gather is not None else ""
    return address if urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1") else ""
