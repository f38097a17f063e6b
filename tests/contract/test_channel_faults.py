"""Slack, Teams, PagerDuty and Twilio, each fault on the way: one sentence, the next step, and no second write."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from allclear.domain.errors import AllclearError, AnswerLost, Denied, Unreachable, VendorRefused
from allclear.vendors.http import RETRIES
from allclear.vendors.pagerduty import PagerDuty
from allclear.vendors.pagerduty_rest import PagerDutyRest, PagerDutyRestOptions
from allclear.vendors.slack import Slack, SlackMessage, SlackOptions
from allclear.vendors.teams import Teams, TeamsOptions
from allclear.vendors.twilio import Twilio, TwilioOptions
from tests.unit.fakes_http import Answer, FakeVendor, Pauses

SECRET = "canary-3141592653"
POSTED = SlackMessage(channel="C0123456789", ts="1.000001", text="")
OWNER = {"id": "POWNER1", "email": "ana@example.com"}
TRIES = RETRIES.attempts or 1


class SlowBody(httpx.AsyncByteStream):
    """An answer whose body does not arrive in time."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the first byte, and then nothing before the deadline."""
        yield b"{"
        raise httpx.ReadTimeout("the body")


def _connect(cause: Exception) -> httpx.ConnectError:
    error = httpx.ConnectError(str(cause))
    error.__cause__ = cause
    return error


@dataclass(frozen=True)
class Case:
    """A fault: what is answered, and how a read and a write end."""

    answer: Answer
    read: type[AllclearError]
    write: type[AllclearError]
    words: str
    writes: int = 1
    """How often a write is sent: again only if the vendor has said that it did nothing."""


FAULTS = {
    "refused": Case(_connect(ConnectionRefusedError()), Unreachable, Unreachable, "no connection"),
    "dns": Case(_connect(socket.gaierror("no such host")), Unreachable, Unreachable, "no connection"),
    "tls": Case(
        _connect(ssl.SSLCertVerificationError("bad certificate")), Unreachable, Unreachable, "its certificate is not"
    ),
    "hang": Case(httpx.ReadTimeout("hang"), Unreachable, AnswerLost, "no answer in time"),
    "slow body": Case(lambda _: httpx.Response(200, stream=SlowBody()), Unreachable, AnswerLost, "no answer in time"),
    "429": Case(
        httpx.Response(429, headers={"retry-after": "2"}), VendorRefused, VendorRefused, "limiting our requests", TRIES
    ),
    "429 for long": Case(
        httpx.Response(429, headers={"retry-after": "600"}), VendorRefused, VendorRefused, "another 600 s"
    ),
    "500": Case(httpx.Response(500), Unreachable, AnswerLost, "500"),
    "HTML": Case(
        httpx.Response(200, html="<title>Sign in</title>"), Unreachable, AnswerLost, "a proxy or a login page"
    ),
    "answer lost": Case(httpx.RemoteProtocolError("lost"), Unreachable, AnswerLost, "the connection broke"),
    "wrong key": Case(httpx.Response(401), Denied, Denied, "(does not allow our key|the flow is off or gone)"),
}


def slack(vendor: FakeVendor, pauses: Pauses) -> Slack:
    """Return a client of Slack."""
    options = SlackOptions(channel="C0123456789")
    return Slack("https://slack.com/api", SECRET, options, transport=vendor, pause=pauses)


def teams(vendor: FakeVendor, pauses: Pauses) -> Teams:
    """Return a client of Teams."""
    return Teams(f"https://x.logic.azure.com/workflows/1?sig={SECRET}", TeamsOptions(), vendor, pauses)


def rest(vendor: FakeVendor, pauses: Pauses) -> PagerDutyRest:
    """Return a client of PagerDuty's REST API."""
    options = PagerDutyRestOptions(service="PSERVICE", requester=OWNER["email"])
    return PagerDutyRest("https://api.pagerduty.com", SECRET, options, vendor, pauses)


def events(vendor: FakeVendor, pauses: Pauses) -> PagerDuty:
    """Return a client of PagerDuty's Events API."""
    return PagerDuty("https://events.pagerduty.com", SECRET, vendor, pauses)


def twilio(vendor: FakeVendor, pauses: Pauses) -> Twilio:
    """Return a client of Twilio."""
    options = TwilioOptions(account=f"AC{'5' * 32}", number="+15005550006")
    return Twilio("https://api.twilio.com", SECRET, options, vendor, pauses)


Call = Callable[[Any], Awaitable[object]]
CALLS: dict[str, tuple[Callable[[FakeVendor, Pauses], Any], str, Call]] = {
    "Slack posts": (slack, "write", lambda it: it.post("C0123456789", "text", {"key": "VS-1"})),
    "Slack updates": (slack, "write", lambda it: it.update(POSTED, "text", {"key": "VS-1"})),
    "Slack reads": (slack, "read", lambda it: it.find("C0123456789", "VS-1")),
    "Slack opens a form": (slack, "write", lambda it: it.open_view("1.2", {})),
    "Teams posts": (teams, "write", lambda it: it.post({"type": "message"})),
    "PagerDuty pages": (events, "repeatable", lambda it: it.trigger("k", "t", source="s", severity="info", details={})),
    "PagerDuty acknowledges": (events, "repeatable", lambda it: it.acknowledge("k")),
    "PagerDuty finds a page": (rest, "read", lambda it: it.find("k")),
    "PagerDuty opens a page": (rest, "repeatable", lambda it: it.open("k", "t", people=["PBEN123"], details="")),
    "PagerDuty sets a status": (rest, "repeatable", lambda it: it.change("P123456", "acknowledged")),
    "PagerDuty asks people": (rest, "repeatable", lambda it: it.ask("P123456", "t", people=["PBEN123"], policy=None)),
    "PagerDuty reads alerts": (rest, "read", lambda it: it.alert_keys("P123456")),
    "Twilio texts": (twilio, "write", lambda it: it.send_text("+4915112345678", "text")),
    "Twilio calls": (twilio, "write", lambda it: it.call("+4915112345678", "<Response/>")),
    "Twilio lists texts": (twilio, "read", lambda it: it.texts_to("+4915112345678")),
    "Twilio reads a call": (twilio, "read", lambda it: it.phone_call("CA1")),
    "PagerDuty says who is on call": (rest, "read", lambda it: it.on_call("PPOLICY")),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
async def test_each_fault_on_the_way_out_is_one_sentence_and_no_second_write(call: str, fault: str) -> None:
    """A refused request did nothing, a lost answer may have; the secret is in no sentence."""
    make, kind, send = CALLS[call]
    case = FAULTS[fault]

    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/users"):  # who asks is looked up first
            return httpx.Response(200, json={"users": [OWNER]})
        if isinstance(case.answer, Exception):
            raise case.answer
        return case.answer(request) if callable(case.answer) else case.answer

    vendor = FakeVendor(answered)
    client = make(vendor, Pauses())
    expected = case.read if kind == "read" else case.write
    if fault == "HTML" and kind == "repeatable":
        expected = VendorRefused  # it may be sent again without harm, so that the next way is used at once
    with pytest.raises(expected) as failed:
        await send(client)
    await client.close()
    error = failed.value
    assert type(error) is expected
    assert re.search(case.words, error.message)
    assert error.message.startswith(call.split(" ", maxsplit=1)[0])
    assert error.message.endswith(".")
    assert error.next_step
    assert SECRET not in f"{error}"
    sent = [one for one in vendor.requests if not one.url.path.endswith("/users")]
    if kind != "read":
        assert len(sent) == case.writes
