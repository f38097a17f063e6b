"""`allclear test-channels`: a marked test by each way to each person who agreed, and what arrived."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from allclear.bootstrap import Engine, make_engine
from allclear.cli import doctor
from allclear.cli.channels import all_arrived, print_tests
from allclear.cli.root import app
from allclear.company import Company
from allclear.company.traceability import COMMANDS as OF_LINES
from allclear.domain.base import utc_now
from allclear.domain.errors import NotFound, Refused
from allclear.domain.notify.channel_test import ChannelTest
from allclear.domain.plan import MessageAction, Person
from allclear.domain.systems import System
from allclear.engine.doctor import Problem, SystemReport
from allclear.responder.workers.system_tests import SystemTests
from allclear.settings import Settings
from allclear.simulator.scenario_schema import TwilioSpec
from tests.contract.simulator_support import REPOSITORY, Simulated, recorded
from tests.contract.twilio_support import ANA, BEN, CHI, at_twilio, phone
from tests.scenario.response_support import announced, broken, installed, new_journal, vintstreet

COMMANDS = (doctor,)  # Typer takes the name of a command only if there are several
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

        assert not all_arrived(tests)
        assert ways_of(engine) == {
            "sms": ("unproven", "1 delivered and 1 failed", "allclear test-channels sms"),
            "phone": ("unproven", "1 unknown and 1 failed", "allclear test-channels phone"),
            "on-call": (None, "It pages, so it is tested by a page only", ""),
        }
        later = engine.doctor.ways(engine.journal.channel_tests()[-1:], utc_now() + timedelta(days=32))
        assert [one.target for one in later if "more than 31 days ago" in one.sentence] == ["sms"]

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


def ways_of(engine: Engine) -> dict[str, tuple[str | None, str, str]]:
    """Return what `allclear doctor` says of each way: the problem, what was found, and the command of the next step."""
    return {
        one.target: (
            one.problem and one.problem.value,
            one.sentence.rpartition(": ")[2].rpartition("configured. ")[2].rstrip("."),
            one.next_step.rpartition(": ")[2].rstrip("."),
        )
        for one in engine.doctor.ways(engine.journal.channel_tests(), utc_now())
    }


def test_the_line_of_a_way_says_what_is_missing(tmp_path: Path) -> None:
    """The system, its secret, a person who agreed, or a test."""
    known, environ = company(), {"TWILIO_AUTH_TOKEN": "secret"}
    settings = Settings(company="vintstreet", journal_url=new_journal(tmp_path))

    def line(changed: Company, secrets: dict[str, str]) -> SystemReport:
        engine = make_engine(settings, environ=secrets, company=changed, registry=installed())
        [found] = [one for one in engine.doctor.ways([], utc_now()) if one.target == "sms"]
        engine.journal.close()
        return found

    without = replace(known, systems=known.systems.model_copy(update={"systems": {}}))
    refused = [person.model_copy(update={"test_messages": False}) for person in known.plan.people]
    no_one = replace(known, plan=known.plan.model_copy(update={"people": refused}))
    blank = System.model_validate({"endpoint": "https://YOUR-TWILIO.example", "secret": "TWILIO_AUTH_TOKEN"})
    unfilled = replace(known, systems=known.systems.model_copy(update={"systems": {"twilio": blank}}))
    cases: list[tuple[Company, dict[str, str], Problem, str, str]] = [
        (unfilled, environ, Problem.MISSING, "https://YOUR-TWILIO.example is still a blank", "systems.yaml"),
        (without, environ, Problem.MISSING, "systems.yaml has no `twilio`", "Add it under `systems:`"),
        (known, {}, Problem.MISSING, "TWILIO_AUTH_TOKEN is not set, so it reaches no one", "Set TWILIO_AUTH_TOKEN"),
        (no_one, environ, Problem.UNPROVEN, "No one with a contact `phone` has agreed", "`test_messages: true`"),
        (known, environ, Problem.UNPROVEN, "was never tested", "allclear test-channels sms"),
    ]
    for changed, secrets, problem, sentence, step in cases:
        found = line(changed, secrets)
        assert (found.problem, sentence in found.sentence, step in found.next_step) == (problem, True, True), found


def test_contacts_that_a_way_would_refuse_are_found_before_an_incident(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the doctor's lines and the responder's log at its start: a number, an address, names of Slack and Teams."""
    ways: dict[str, dict[str, Any]] = {
        "sms": WAYS["sms"],
        "email": {"action": "email.send", "with": {"message": "{number}", "subject": "{incident}", "text": "{notice}"}},
        "slack": {"action": "slack.post", "with": {"message": "{number}", "text": "{notice}"}},
        "teams": {"action": "teams.post", "with": {"message": "{number}", "text": "{notice}"}},
    }
    wrong = {"phone": "0151 1234567", "email": "ana at acme.com", "slack": "@ana", "teams": "Ana Ruiz"}
    people = [
        Person.model_validate({"name": "Ana", "roles": ["on_call"], "contacts": wrong}),
        Person.model_validate({"name": "Ben", "roles": ["on_call"], "contacts": {"phone": "12", "email": "[Email]"}}),
        Person.model_validate(
            {"name": "Chi", "roles": ["on_call"], "contacts": {"phone": CHI, "teams": "chi@acme.com"}}
        ),
    ]
    known = company()
    calls = {name: MessageAction.model_validate(way) for name, way in ways.items()}
    changed = replace(known, plan=known.plan.model_copy(update={"people": people, "ways": calls}))
    settings = Settings(company="vintstreet", journal_url=new_journal(tmp_path))
    engine = make_engine(settings, environ={}, company=changed, registry=installed())
    found = {one.target: f"{one.sentence} {one.next_step}" for one in engine.doctor.contacts()}
    SystemTests(engine.doctor)
    engine.journal.close()
    assert list(found) == ["sms", "email", "slack", "teams"]
    assert "cannot reach Ana: `0151 1234567` is no phone number" in found["sms"]
    assert "The same holds for Ben. Write it with the country" in found["sms"]
    assert "'ana at acme.com' is not an e-mail address" in found["email"]
    assert "`@ana` is no user id of Slack" in found["slack"]
    assert "`Ana Ruiz` is no user name in Teams" in found["teams"]
    logged = [one.getMessage() for one in caplog.records if "Not everyone is notified" in one.getMessage()]
    assert len(logged) == 4


def a_folder(folder: Path, people: dict[str, dict[str, Any]]) -> Path:
    """Write VintStreet's folder with these people, and return the folder of all companies."""
    shutil.copytree(REPOSITORY / "runbooks" / "vintstreet", folder / "vintstreet")
    file = folder / "vintstreet" / "plan.yaml"
    plan = yaml.safe_load(file.read_text(encoding="utf-8"))
    plan["people"] = [{"name": name, "roles": ["on_call"], **fields} for name, fields in people.items()]
    file.write_text(yaml.safe_dump(plan), encoding="utf-8")
    return folder


async def test_the_exit_code_and_the_json_tell_scripts_what_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 only if everything that was sent has arrived: not if one failed, is unknown, or if nothing was sent."""
    spec = TwilioSpec.model_validate({"phones": [phone(ANA, call="mailbox"), phone(BEN, text="undelivered")]})
    async with Simulated(broken().model_copy(update={"twilio": spec})) as sim:
        monkeypatch.setenv("ALLCLEAR_RUNBOOKS", str(a_folder(tmp_path / "companies", PEOPLE)))
        monkeypatch.setenv("ALLCLEAR_COMPANY", "vintstreet")
        monkeypatch.setenv("ALLCLEAR_JOURNAL_URL", new_journal(tmp_path))
        monkeypatch.setenv("ALLCLEAR_SIMULATION", str(announced(sim, tmp_path)))

        async def given(*words: str) -> tuple[int, list[tuple[str, str, bool]]]:
            done = await asyncio.to_thread(CliRunner().invoke, app, ["test-channels", *words, "--json"])
            assert done.output, done.exception
            found = json.loads(done.output)
            return done.exit_code, [(one["person"], one["result"], one["arrived"]) for one in found]

        assert await given("sms", "--person", "Ana") == (0, [("Ana", "delivered", True)])
        assert await given("sms", "--person", "Ben") == (1, [("Ben", "failed", False)])
        assert await given("phone", "--person", "Ana") == (1, [("Ana", "unknown", False)])
        assert await given("sms", "--person", "Dana") == (1, [("Dana", "not tested", False)])
        assert await given("pagerduty") == (1, [("", "not tested", False)])


def test_the_commands_that_a_line_can_name_exist() -> None:
    """`lines.yaml` traces a line of a document to them."""
    import allclear.cli.channels  # noqa: PLC0415 - adds its commands
    import allclear.cli.doctor  # noqa: PLC0415 - adds its commands
    from allclear.cli.root import app  # noqa: PLC0415 - they are added to it

    assert allclear.cli.channels.send_tests
    assert allclear.cli.doctor.doctor
    names = {one.name or (one.callback.__name__ if one.callback else "") for one in app.registered_commands}
    assert set(OF_LINES) <= names
