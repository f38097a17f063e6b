"""`allclear test-channels`: a marked test by each way to each person who agreed, and what arrived."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from allclear.bootstrap import make_engine
from allclear.cli.channels import print_tests
from allclear.company import Company
from allclear.company.traceability import COMMANDS
from allclear.domain.channel_test import ChannelTest
from allclear.domain.errors import NotFound, Refused
from allclear.domain.plan import MessageAction, Person
from allclear.domain.systems import System
from allclear.settings import Settings
from allclear.simulator.scenario_schema import TwilioSpec
from tests.contract.simulator_support import Simulated, recorded
from tests.contract.twilio_support import ANA, BEN, CHI, at_twilio, phone
from tests.scenario.response_support import announced, broken, installed, new_journal, vintstreet

WAYS: dict[str, dict[str, Any]] = {
    "sms": {"action": "twilio.text", "with": {"message": "{incident}/{number}", "text": "{audience} {name}: {notice}"}},
    "phone": {"action": "twilio.call", "with": {"message": "{incident}/{number}", "text": "{notice}"}},
    "on-call": {"action": "pagerduty.page", "with": {"incident": "{incident}-{number}", "summary": "{notice}"}},
}
PEOPLE: dict[str, dict[str, Any]] = {
    "Ana": {"contacts": {"phone": ANA}, "test_messages": True},
    "Ben": {"contacts": {"phone": BEN}, "test_messages": True},
    "Chi": {"contacts": {"phone": CHI}},
    "Dana": {"contacts": {"slack": "U0DANA00001"}, "test_messages": True},
}


def company() -> Company:
    """Return VintStreet with these ways and people."""
    known = vintstreet()
    people = [Person.model_validate({"name": name, "roles": ["on_call"], **fields}) for name, fields in PEOPLE.items()]
    twilio = System.model_validate({"endpoint": "https://api.twilio.com", "secret": "TWILIO_AUTH_TOKEN"})
    systems = known.systems.model_copy(update={"systems": known.systems.systems | {"twilio": twilio}})
    ways = {name: MessageAction.model_validate(way) for name, way in WAYS.items()}
    return replace(known, plan=known.plan.model_copy(update={"people": people, "ways": ways}), systems=systems)


def shown(tests: list[ChannelTest]) -> list[tuple[str, str, str]]:
    """Return the way, the person and the result of each."""
    return [(one.way, one.person, one.result) for one in tests]


async def test_each_person_who_agreed_gets_a_marked_test_and_no_one_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What arrived is shown and stored: delivered, failed, unknown, or why there was no test."""
    spec = TwilioSpec.model_validate(
        {"phones": [phone(ANA, call="mailbox"), phone(BEN, text="undelivered", text_error=30034, call="busy")]}
    )
    async with Simulated(broken().model_copy(update={"twilio": spec})) as sim:
        url = new_journal(tmp_path)
        settings = Settings(company="vintstreet", journal_url=url, simulation=announced(sim, tmp_path))
        engine = make_engine(settings, environ={}, company=company(), registry=installed())
        tests = await engine.channel_tests.test()
        assert shown(tests) == [
            ("sms", "Ana", "delivered"),
            ("sms", "Ben", "failed"),
            ("sms", "Dana", "not tested"),
            ("phone", "Ana", "unknown"),
            ("phone", "Ben", "failed"),
            ("phone", "Dana", "not tested"),
            ("on-call", "", "not tested"),
        ]
        assert "not registered for texts to the United States" in tests[1].sentence
        assert "no contact `phone`" in tests[2].sentence
        assert "who has not agreed" in tests[6].sentence
        texts = {text.to: text.body for text in at_twilio(sim).texts}
        assert CHI not in texts
        assert texts[BEN].startswith("[TEST] [SIMULATED] Ben: This is a test of `sms`. There is no incident")
        [heard] = [call.heard for call in at_twilio(sim).calls if call.heard]
        assert heard[1] == "Press 1 to confirm that this test call has arrived."
        assert recorded(sim, "write", api="pagerduty") == []

        stored = engine.journal.channel_tests()
        assert sorted(shown(stored)) == sorted(one for one in shown(tests) if one[2] != "not tested")
        print_tests(tests)
        printed = capsys.readouterr().out
        assert "1 delivered, 2 failed, 1 unknown." in printed
        assert any(line.split()[:3] == ["failed", "sms", "Ben"] for line in printed.splitlines())

        assert shown(await engine.channel_tests.test(["sms"], ["Ana"])) == [("sms", "Ana", "delivered")]
        with pytest.raises(NotFound, match="The plan has no way `fax`"):
            await engine.channel_tests.test(["fax"])
        with pytest.raises(Refused, match="No one has agreed"):
            await engine.channel_tests.test(["sms"], ["Chi"])
        await engine.close()


def test_the_commands_that_a_line_can_name_exist() -> None:
    """`lines.yaml` traces a line of a document to them."""
    import allclear.cli.channels  # noqa: PLC0415 - adds its commands
    import allclear.cli.doctor  # noqa: PLC0415 - adds its commands
    from allclear.cli.root import app  # noqa: PLC0415 - they are added to it

    assert allclear.cli.channels.send_tests
    assert allclear.cli.doctor.doctor
    names = {one.name or (one.callback.__name__ if one.callback else "") for one in app.registered_commands}
    assert set(COMMANDS) <= names
