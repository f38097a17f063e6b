"""A key that a person presses in a call: who acknowledges by it, and what forged, repeated and late requests change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx

from allclear.bootstrap import make_engine
from allclear.company import Company
from allclear.domain.plan import Person
from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged, Entry
from allclear.domain.requests import pressed_key
from allclear.domain.systems import System
from allclear.domain.timeline import line_of
from allclear.engine.actions.manual import ManualRequest
from allclear.responder.app import make_app
from allclear.simulator.scenario_schema import TwilioSpec
from allclear.simulator.twilio_account import spoken
from allclear.vendors.twilio import KEYS_PATH
from tests.contract.twilio_support import ANA, BEN, CHI, NUMBERS, at_twilio, phone
from tests.scenario.response_support import ALERT, broken, installed, vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scenario.slack_support import TOKEN

HERE = "http://127.0.0.1:8077"
"""The responder's address, over which Twilio signs."""


def company() -> Company:
    """Return VintStreet with Twilio, Ana on call, and two people who share a number."""
    known = vintstreet()
    phones = {"Ana": ("on_call", ANA), "Ben": ("cto", BEN), "Cleo": ("scribe", BEN)}
    people = [
        Person.model_validate({"name": name, "roles": [role], "contacts": {"phone": number}})
        for name, (role, number) in phones.items()
    ]
    twilio = System.model_validate({"endpoint": "https://api.twilio.com", "secret": "TWILIO_AUTH_TOKEN"})
    systems = known.systems.model_copy(update={"systems": known.systems.systems | {"twilio": twilio}})
    plan = known.plan.model_copy(update={"people": [*known.plan.people, *people]})
    return replace(known, plan=plan, systems=systems)


class Phone:
    """Calls from the simulated Twilio, and requests in its name."""

    def __init__(self, it: Scene, client: httpx.AsyncClient, message: str) -> None:
        self.it, self.client, self.message = it, client, message

    async def press(
        self, to: str, *, key: str = "1", call: str = "CA1", signature: str | None = None, **query: str
    ) -> httpx.Response:
        """Post a key as Twilio does; with another `signature` as a stranger does."""
        asked = urlencode({"message": self.message, "incident": self.it.incident_id} | query)
        form = {"CallSid": call, "To": to, "Digits": key, "CallStatus": "in-progress"}
        real = at_twilio(self.it.simulated).signature(f"{HERE}{KEYS_PATH}?{asked}", form)
        headers = {"x-twilio-signature": real if signature is None else signature}
        return await self.client.post(f"{KEYS_PATH}?{asked}", data=form, headers=headers)

    async def said(self, to: str, **more: str) -> str:
        """Press a key, and return what the call says next."""
        answer = await self.press(to, **more)
        assert answer.status_code == 200, answer.text
        return " ".join(spoken(answer.text))

    @property
    def acknowledged(self) -> list[Entry]:
        """Return the acknowledgements."""
        entries = self.it.engine.journal.entries(self.it.incident_id)
        return [one for one in entries if isinstance(one.record, Acknowledged)]


async def test_a_key_acknowledges_as_the_person_whose_number_was_called(tmp_path: Path) -> None:
    """Forged, unsigned, late and foreign requests change nothing, and one that is repeated nothing more."""
    spec = TwilioSpec.model_validate({"phones": [phone(ANA, call="hangs-up"), phone(BEN, call="hangs-up")]})
    production = broken().model_copy(update={"twilio": spec})
    async with scene(tmp_path, company(), production, ALERT) as it:
        theirs = make_engine(
            it.engine.settings, environ={}, clock=it.watch, company=it.engine.company, registry=installed()
        )
        app = make_app(theirs, TOKEN, drives=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inside.test") as client,
        ):
            ana, message = NUMBERS[ANA], f"{it.incident_id}/called/1"
            wanted = {"message": message, "text": "P0: checkout is down.", "people": [ANA, BEN]}
            by = it.engine.people.who("Ana", "on_call", "cli")
            request = ManualRequest("twilio.call", wanted, "we test", it.incident_id)
            called = await it.engine.manual.do(request, by)
            assert called.outcome is not None
            assert "no key was pressed" in called.outcome.sentence
            [heard, _] = [call.heard for call in at_twilio(it.simulated).calls]
            assert heard[1] == f"Press 1 to acknowledge {it.incident_id}."
            there = Phone(it, client, message)

            for forged in ("", "AAAA", at_twilio(it.simulated).signature(HERE, {})):
                assert (await there.press(ana, signature=forged)).status_code == 401
            assert "Only 1 acknowledges" in await there.said(ana, key="5")
            assert "to more than one person" in await there.said(BEN)
            assert "to no one" in await there.said(CHI)
            assert "not one of the last minutes" in await there.said(ana, message="VS-1/called/2")
            assert "Nothing is acknowledged" in await there.said(ana, incident="VS-999")
            it.watch.now += timedelta(minutes=11)
            assert "not one of the last minutes" in await there.said(ana)
            it.watch.now -= timedelta(minutes=10)
            assert "It is recorded that you have heard this" in await there.said(ana, call="CA0", heard="only")
            assert theirs.journal.has_request(pressed_key("CA0", ana))
            assert there.acknowledged == []

            assert "Thank you." in await there.said(ana)
            [taken] = there.acknowledged
            assert (taken.by.actor, taken.by.role, taken.by.via, taken.by.proof) == (
                "Ana",
                "on_call",
                "phone",
                Proof.PHONE,
            )
            line = line_of(taken, it.incident, it.engine.company.plan)
            assert "on this person's phone" in line.identified
            assert "Thank you." in await there.said(ana)
            assert len(there.acknowledged) == 1

            assert "This test call has arrived" in await there.said(ana, call="CA2", incident="")
            assert theirs.journal.has_request(pressed_key("CA2", ana))
            assert "to more than one person" in await there.said(BEN, call="CA3", incident="")
            assert not theirs.journal.has_request(pressed_key("CA3", BEN))
        theirs.journal.close()
