"""Calls at the simulated Twilio: only a key acknowledges, a mailbox proves nothing, and no call is placed twice."""

# ruff: noqa: ANN401 - parts of a scenario

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.links import NoLinks
from allclear.domain.notify.delivery import MAY_BE_REPEAT
from allclear.domain.preflight import PlannedUse
from allclear.domain.requests import pressed_key
from allclear.simulator.http_server import HttpServer
from allclear.vendors.twilio import KEYS_PATH, LONGEST_TWIML, is_signed
from tasks.twilio.call import CallPeople, twiml_of
from tasks.twilio.preflight import TwilioPreflight
from tests.contract.actions_support import SimulatedContext, worked_out
from tests.contract.simulator_support import Simulated, fault, recorded
from tests.contract.twilio_support import ANA, BEN, CHI, at_twilio, issued, phone, phones
from tests.patience import until
from tests.unit.fakes_context import FakeRecord

CALL: dict[str, Any] = {
    "message": "VS-1/called/1",
    "text": "P0: checkout is down.",
    "people": [ANA],
    "link": {"incident": "VS-1"},
}


class Reachable(NoLinks):
    """A responder that Twilio reaches."""

    def __init__(self, address: str) -> None:
        self._address = address

    def from_outside(self, path: str) -> str:
        """Return the address of a path."""
        return self._address + path


class Repeats(FakeRecord):
    """A record in which an earlier call may have been placed."""

    def may_be_sent(self, resource: str) -> bool:  # noqa: ARG002 - the port
        """Return that it may."""
        return True


@asynccontextmanager
async def answered(
    *listed: dict[str, Any], **changes: Any
) -> AsyncGenerator[tuple[Simulated, SimulatedContext, list[str]]]:
    """Run a production with a responder that records the keys that people press in calls, and yield these keys."""
    async with phones(*listed, **changes) as (sim, context):
        record, keys = FakeRecord(), list[str]()
        context.record = record

        async def take(request: Request) -> Response:
            fields = dict(parse_qsl((await request.body()).decode()))
            signature = request.headers["x-twilio-signature"]
            assert is_signed(sim.secrets["twilio"], str(request.url), fields, signature)
            keys.append(fields["Digits"])
            if fields["Digits"] == "1":
                record.requested.add(pressed_key(fields["CallSid"], fields["To"]))
            return Response("<Response><Say>Thank you.</Say></Response>", media_type="text/xml")

        server = HttpServer()
        context.links = Reachable(server.add(Starlette(routes=[Route(KEYS_PATH, take, methods=["POST"])])))
        await server.start()
        try:
            yield sim, context, keys
        finally:
            sim.world.close()
            await server.stop()


def delivered(outcome: Outcome) -> dict[str, str]:
    """Return how far it got with each person, as the record has it."""
    assert outcome.after is not None
    return outcome.after["deliveries"]


async def test_only_a_key_acknowledges() -> None:
    """The text is said twice, and the key is posted, signed, to the responder."""
    async with answered() as (sim, context, keys):
        outcome = await issued(CallPeople(context), deadline=20, **CALL)
        assert (outcome.status, outcome.sentence) == (ActStatus.VERIFIED, f"{ANA} has acknowledged it.")
        assert delivered(outcome) == {ANA: "acknowledged"}
        [call] = at_twilio(sim).calls
        assert keys == ["1"]
        said = ["P0: checkout is down.", "Press 1 to acknowledge VS-1."] * 2
        await until(lambda: call.heard == [*said, "Thank you."])


async def test_a_key_only_shows_that_a_call_was_heard_if_nothing_is_to_be_acknowledged() -> None:
    """The address to which the key is posted says so."""
    async with answered() as (sim, context, _keys):
        outcome = await issued(CallPeople(context), deadline=20, **CALL, acknowledges=False)
        assert outcome.status is ActStatus.VERIFIED
        [call] = at_twilio(sim).calls
        assert call.heard[1] == "Press 1 to confirm that you have heard this."
        assert "heard=only" in call.twiml


@pytest.mark.parametrize(
    ("behaves", "status", "delivery", "words"),
    [
        ({"call": "hangs-up"}, ActStatus.UNVERIFIED, "unknown", "no key was pressed, so it may have been a mailbox"),
        ({"call": "mailbox"}, ActStatus.UNVERIFIED, "unknown", "a machine answered the call"),
        ({"key": "5"}, ActStatus.UNVERIFIED, "unknown", "no key was pressed"),
        ({"call": "busy"}, ActStatus.FAILED, "failed", "the line was busy"),
        ({"call": "no-answer"}, ActStatus.FAILED, "failed", "no one answered"),
        ({"call": "failed"}, ActStatus.FAILED, "failed", "the number could not be called"),
    ],
)
async def test_a_call_without_the_key_tells_no_one_for_certain(
    behaves: dict[str, str], status: ActStatus, delivery: str, words: str
) -> None:
    """It is over as soon as the call is, so that the next way is used at once."""
    async with answered(phone(ANA, **behaves)) as (_, context, _keys):
        outcome = await issued(CallPeople(context), deadline=120, **CALL)
        assert (outcome.status, delivered(outcome)) == (status, {ANA: delivery})
        assert words in outcome.sentence


async def test_without_a_public_address_a_call_only_tells_and_says_so() -> None:
    """It asks for no key, because none could be received."""
    async with phones() as (sim, context):
        outcome = await issued(CallPeople(context), deadline=120, **CALL)
        assert (outcome.status, delivered(outcome)) == (ActStatus.UNVERIFIED, {ANA: "unknown"})
        assert "ALLCLEAR_PAGE_URL" in outcome.sentence
        [call] = at_twilio(sim).calls
        assert call.heard[-1] == "This call cannot be acknowledged. Open the incident, and acknowledge it there."
        assert call.pressed == ""


async def test_each_person_is_called_and_the_one_who_is_busy_is_named() -> None:
    """One acknowledges, one is busy, one has a mailbox."""
    async with answered(phone(BEN, call="busy"), phone(CHI, call="mailbox")) as (_, context, _keys):
        outcome = await issued(CallPeople(context), deadline=120, **CALL | {"people": [ANA, BEN, CHI]})
        assert delivered(outcome) == {ANA: "acknowledged", BEN: "failed", CHI: "unknown"}
        assert f"It did not reach {BEN}: the line was busy." in outcome.sentence


@pytest.mark.parametrize("kind", ["answer_lost", "server_error", "login_page"])
async def test_a_call_whose_answer_was_lost_is_unknown_and_a_new_one_says_so(kind: str) -> None:
    """No read finds a call by our key, so nothing is placed again by itself."""
    async with answered() as (sim, context, _keys):
        await fault(sim, "twilio", "place_call", kind)
        outcome = await issued(CallPeople(context), **CALL)
        assert outcome.status is ActStatus.INDETERMINATE
        assert len(recorded(sim, "write", method="place_call")) == 1
        context.record = Repeats()
        await issued(CallPeople(context), **CALL)
        assert at_twilio(sim).calls[-1].heard[0] == f"{MAY_BE_REPEAT} P0: checkout is down."


async def test_another_process_finds_the_call_in_the_record() -> None:
    """Its ids are in the state that was recorded."""
    async with answered() as (sim, context, _keys):
        outcome = await issued(CallPeople(context), deadline=20, **CALL)
        assert isinstance(context.record, FakeRecord)
        assert outcome.after is not None
        context.record.states["call:VS-1/called/1"] = outcome.after
        _, again = await worked_out(CallPeople(context), **CALL)
        assert CallPeople(context).target_reached(again, again.before)
        assert len(at_twilio(sim).calls) == 1


@pytest.mark.parametrize("text", ["x & y < z\n" * 400, "short", "&" * 5_000])
def test_what_is_said_fits_and_is_well_formed(text: str) -> None:
    """TwiML has at most 4,000 characters."""
    twiml = twiml_of(text, "https://ic.example/twilio/keys?message=VS-1&incident=VS-1", "VS-1")
    assert len(twiml) <= LONGEST_TWIML
    gather = ET.fromstring(twiml).find("Gather")  # noqa: S314 - our own
    assert gather is not None
    assert gather.get("action") == "https://ic.example/twilio/keys?message=VS-1&incident=VS-1"
    said = [one.text for one in gather.iter("Say")]
    assert said[:2] == said[2:]
    assert (said[0] or "")[:5] == text[:5]


async def test_the_preflight_wants_a_voice() -> None:
    """For a plan that calls people; and it says if no key can be received."""
    uses = [PlannedUse("twilio.call", {}, writes=True)]
    async with phones(voice=False) as (_, context):
        number, keys = TwilioPreflight(context).checks({}, uses)
        with pytest.raises(Exception, match="cannot place calls"):
            await number.run()
        assert "ALLCLEAR_PAGE_URL" in str(await keys.run())
    async with answered() as (_, context, _keys):
        _, keys = TwilioPreflight(context).checks({}, uses)
        assert "A key that is pressed in a call counts" in str(await keys.run())
