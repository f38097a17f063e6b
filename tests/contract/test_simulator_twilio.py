"""The simulated Twilio, judged by Twilio's own client and by its published description."""

# ruff: noqa: ANN401 - the vendor's client has no types
# pyright: reportMissingTypeStubs=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from allclear.vendors.twilio import Twilio, TwilioOptions
from tests.contract.described_transport import Described
from tests.contract.simulator_support import Simulated, specification
from tests.contract.twilio_support import BEN, at_twilio, phone, phones
from tests.patience import until

NUMBER = "+4915111111111"


class ToSimulator(HttpClient):
    """Sends the requests of Twilio's own client to the simulated API."""

    def __init__(self, address: str) -> None:
        super().__init__(None, is_async=False)  # pyright: ignore[reportArgumentType] - it logs nothing
        self._address = address

    def request(self, method: str, url: str, params: Any = None, data: Any = None, **more: Any) -> Response:
        """Send one request."""
        headers, auth = more.get("headers"), more.get("auth")
        with httpx.Client() as client:
            there = self._address + urlsplit(url).path
            answer = client.request(method, there, params=params, data=data, headers=headers, auth=auth)
        return Response(answer.status_code, answer.text)


def own_client(sim: Simulated) -> Any:
    """Return Twilio's own client of the simulation."""
    account = at_twilio(sim).spec.account
    return Client(account, sim.secrets["twilio"], http_client=ToSimulator(sim.endpoints["twilio"]))


async def test_twilios_own_client_sends_lists_and_reads() -> None:
    """Texts, calls, the account's numbers, and a refusal with its code."""
    async with phones(phone(BEN, refuses_with=21610), takes="50ms") as (sim, _):
        client, own = own_client(sim), at_twilio(sim).spec.number

        def use() -> None:
            sent = client.messages.create(to=NUMBER, from_=own, body="Hello", validity_period=300)
            assert (sent.status, sent.to, sent.error_code, sent.date_sent) == ("queued", NUMBER, None, None)
            assert [one.sid for one in client.messages.list(to=NUMBER, limit=5)] == [sent.sid]
            call = client.calls.create(to=NUMBER, from_=own, twiml="<Response><Say>Hello</Say></Response>")
            assert client.calls(call.sid).fetch().to == NUMBER
            [number] = client.incoming_phone_numbers.list(phone_number=own)
            assert number.capabilities["sms"]
            with pytest.raises(TwilioRestException) as refused:
                client.messages.create(to=BEN, from_=own, body="Hello")
            assert (refused.value.status, refused.value.code) == (400, 21610)

        await asyncio.to_thread(use)
        [text], [call] = at_twilio(sim).texts, at_twilio(sim).calls
        await until(lambda: call.status == "completed")
        status = await asyncio.to_thread(lambda: client.messages(text.sid).fetch().status)
        assert status == "delivered"
        assert call.heard == ["Hello"]


async def test_our_requests_and_the_answers_fit_the_published_description() -> None:
    """Every call of our client."""
    described = Described(specification("twilio-2010.openapi.json"))
    async with phones() as (sim, _):
        spec = at_twilio(sim).spec
        options = TwilioOptions(account=spec.account, number=spec.number)
        client = Twilio(sim.endpoints["twilio"], sim.secrets["twilio"], options, described)
        text = await client.send_text(NUMBER, "Hello")
        await client.text(text.sid)
        assert await client.texts_to(NUMBER)
        call = await client.call(NUMBER, "<Response><Say>Hello</Say></Response>")
        await client.phone_call(call.sid)
        assert await client.own_number()
        await client.close()
    assert len(described.calls) == 6
