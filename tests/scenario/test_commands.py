"""Commands mean the same whichever way they come in, and a command that is sent twice is carried out once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from allclear.bootstrap import Engine, make_engine
from allclear.commands.answers import Answer
from allclear.commands.assess import ChangeSeverity
from allclear.commands.base import Command
from allclear.commands.catalog import BY_NAME, COMMANDS, COMPANY_COMMANDS
from allclear.commands.company import RevokeLinks, TakeOver
from allclear.commands.notes import Note
from allclear.domain.errors import NotAllowed, Refused
from allclear.domain.plan import Rota
from allclear.domain.proof import Proof
from allclear.domain.records import PROGRAM, By, NoteAdded
from allclear.engine.people.declare import Declaration
from allclear.responder.callers import with_request
from tests.scenario.pages.pages_support import asked
from tests.scenario.response_support import vintstreet

ANA = By(actor="Ana", role="on_call", via="api", proof=Proof.TOKEN)


@pytest.fixture
def incident(engine: Engine) -> str:
    """An incident that Ana declared."""
    declared = Declaration(title="Errors", severity="P1", service="storefront", runbook="bad-deployment")
    return engine.people.declare(declared, ANA).incident


def test_each_command_has_a_name_of_its_own() -> None:
    """The name is a part of its route."""
    assert len(BY_NAME) == len(COMMANDS) + len(COMPANY_COMMANDS)
    assert all(command.title and command.__doc__ for command in BY_NAME.values())


async def test_a_command_that_is_sent_again_adds_nothing(engine: Engine, incident: str) -> None:
    """Its answer was lost, and the sender repeats it with the same key."""
    by = ANA.model_copy(update={"request": "ana:1"})
    for _ in range(3):
        await Note(text="Support has 14 tickets").carry_out(engine, incident, by)
    await Note(text="Support has 14 tickets").carry_out(engine, incident, ANA)
    notes = [entry for entry in engine.journal.entries(incident) if isinstance(entry.record, NoteAdded)]
    assert [entry.by.request for entry in notes] == ["ana:1", ""]


async def test_an_answer_names_a_question_of_its_incident(engine: Engine, incident: str) -> None:
    """The route's incident and the question's must be the same."""
    with pytest.raises(NotAllowed, match="no question of"):
        await Answer(ask="VS-999/contain/roll-back", word="approve").carry_out(engine, incident, ANA)


BODIES: dict[str, dict[str, object]] = {
    "answer": {"ask": "VS-1/contain/roll-back", "word": "approve"},
    "acknowledge": {},
    "hand-over": {"role": "incident_commander", "to": "Ben"},
    "take-role": {"role": "tech_lead"},
    "note": {"text": "Support has 14 tickets"},
    "decide": {"text": "We stop the release", "reason": "it fails"},
    "told": {"audience": "incident_commander", "text": "by phone"},
    "severity": {"severity": "P0", "reason": "all users"},
    "assess": {"kind": "outage", "reason": "it is one"},
    "hold": {"reason": "we look first"},
    "release": {"reason": "we have looked"},
    "act": {"action": "maintenance.enable", "reason": "stop the writes"},
    "undo": {"act": "manual/x", "reason": "over"},
    "supersede": {"act": "manual/x", "reason": "over"},
    "resolve": {"reason": "it is well"},
    "false-alarm": {"reason": "it was well"},
    "post-mortem": {"field": "root_cause", "text": "A wrong flag"},
    "move-meeting": {"start": "2026-11-30 14:00"},
    "meeting-people": {"add": "eve@example.com"},
    "cancel-meeting": {"reason": "we have met"},
    "follow-up": {"text": "Test the flag", "owner": "Ben"},
    "follow-up-done": {"number": 1, "note": "tested"},
    "incidents": {"title": "Errors", "service": "storefront", "runbook": "bad-deployment", "severity": "P1"},
    "take-over": {"role": "on_call"},
    "revoke-links": {"person": "Ana", "reason": "her phone is lost"},
}
"""What each command that only people may give says."""

MEETING = {"move-meeting", "meeting-people", "cancel-meeting"}
"""Those that need a meeting: tested in `test_meetings.py`."""
NEEDS_MORE = {"answer", "act", "undo", "supersede", "take-over", *MEETING}
"""Those that need an act or a rota: tested in `test_acts_over_http.py`, except for the rota, which this plan lacks."""


def command(name: str) -> Command:
    """Return the command of that name, with what it says here."""
    return BY_NAME[name].model_validate(BODIES[name])


def test_every_command_that_programs_may_not_give_is_tested() -> None:
    """A new command has to be listed here, so that its refusal is tested."""
    assert {one.name for one in BY_NAME.values() if not one.for_programs} == set(BODIES)
    assert {one.name for one in BY_NAME.values() if one.for_programs} == {"proposals"}


@pytest.mark.parametrize("name", sorted(BODIES))
async def test_a_program_gives_no_command_of_a_person(engine: Engine, incident: str, name: str) -> None:
    """It may not answer, acknowledge, lead, write or decide anything; the record stays as it is."""
    program = By(actor="night-watch", role=PROGRAM, via="api", proof=Proof.TOKEN)
    before = engine.conductor.incident(incident).length
    with pytest.raises(NotAllowed, match="night-watch is a program"):
        await command(name).carry_out(engine, incident, program)
    assert engine.conductor.incident(incident).length == before
    assert engine.journal.overrides("on_call") == []
    assert engine.journal.revocation("Ana", "") is None


@pytest.mark.parametrize("name", sorted(set(BODIES) - NEEDS_MORE))
async def test_each_command_is_carried_out_once_for_its_key(engine: Engine, incident: str, name: str) -> None:
    """Its answer was lost, and it is sent again: nothing is added, and the sentence is one of success."""
    if name == "release":
        await command("hold").carry_out(engine, incident, ANA)
    if name == "follow-up-done":
        await command("follow-up").carry_out(engine, incident, ANA)
    by = ANA.model_copy(update={"request": "ana:7"})
    first = await command(name).carry_out(engine, incident, by)
    length = engine.conductor.incident(incident).length
    assert await command(name).carry_out(engine, incident, by) == first
    assert engine.conductor.incident(incident).length == length
    assert [row.id for row in engine.journal.incidents()] == [incident]


def keyed(body: object, by: By = ANA) -> By:
    """Return the author of a request that says `body`, always with the same idempotency key."""
    return with_request(by, "key-1", body)


@pytest.mark.parametrize("name", sorted(set(BODIES) - NEEDS_MORE))
async def test_a_key_that_was_used_for_something_else_is_refused_everywhere(
    engine: Engine, incident: str, name: str
) -> None:
    """Otherwise its sender reads that it was done. Also if the other request was about no incident, or another one."""
    if name == "release":
        await command("hold").carry_out(engine, incident, ANA)
    if name == "follow-up-done":
        await command("follow-up").carry_out(engine, incident, ANA)
    await RevokeLinks(person="Dev", reason="left").carry_out(engine, "", keyed("revoke Dev"))
    length = engine.conductor.incident(incident).length
    with pytest.raises(Refused, match="Idempotency-Key was used before for another request, so nothing was done"):
        await command(name).carry_out(engine, incident, keyed(name))
    assert engine.conductor.incident(incident).length == length
    assert engine.journal.revocation("Ana", "") is None
    assert [row.id for row in engine.journal.incidents()] == [incident]
    await command(name).carry_out(engine, incident, keyed(name, ANA.model_copy(update={"actor": "Ben"})))


async def test_a_used_key_is_refused_also_if_there_is_nothing_to_do(engine: Engine, incident: str) -> None:
    """Otherwise its sender reads that the other request was carried out."""
    await Note(text="seen").carry_out(engine, incident, keyed("a note"))
    severity = ChangeSeverity(severity=engine.conductor.incident(incident).severity, reason="so")
    with pytest.raises(Refused, match="was used before for another request"):
        await severity.carry_out(engine, incident, keyed("a severity"))
    assert "already" in await severity.carry_out(engine, incident, ANA)


async def test_a_key_of_a_request_that_was_refused_is_free(engine: Engine, incident: str) -> None:
    """Nothing was done for it, so that its sender may correct the request."""
    with pytest.raises(NotAllowed):
        await Note(text=" ").carry_out(engine, incident, keyed("empty"))
    await Note(text="14 tickets").carry_out(engine, incident, keyed("full"))


async def test_links_are_revoked_once_for_a_key(tmp_path: Path) -> None:
    """A late repetition refuses no link that was made since, and takes no shift back."""
    known = vintstreet()
    layer = {"name": "first", "people": ["Ana", "Ben"], "starts": "2026-11-02T09:00"}
    rota = Rota.model_validate({"role": "on_call", "layers": [layer]})
    company = replace(known, plan=known.plan.model_copy(update={"rotas": [rota]}))
    async with asked(tmp_path, company=company) as (at, watch):
        engine, ben = at.engine, ANA.model_copy(update={"actor": "Ben"})
        for name, late in (("revoke-links", keyed("revoke")), ("take-over", keyed("take over", ben))):
            said = await command(name).carry_out(engine, "", late)
            watch.now += timedelta(minutes=5)
            token = engine.tokens.for_person("Ana", "on_call")
            await TakeOver(role="on_call").carry_out(engine, "", ANA)
            watch.now += timedelta(minutes=5)
            assert await command(name).carry_out(engine, "", late) == said
            assert engine.tokens.read(token).person == "Ana"
            assert engine.journal.overrides("on_call")[0].person == "Ana"
        with pytest.raises(Refused, match="was used before"):
            await TakeOver(role="on_call").carry_out(engine, "", keyed("another shift", ben))
        with pytest.raises(Refused, match="was used before"):
            await RevokeLinks(person="Ben", reason="x").carry_out(engine, "", keyed("revoke Ben"))
        assert engine.journal.revocation("Ben", "") is None


@pytest.mark.parametrize("name", ["note", "incidents", "revoke-links"])
async def test_of_two_requests_with_one_key_at_two_responders_one_is_carried_out(tmp_path: Path, name: str) -> None:
    """They come at the same moment, and say different things."""
    async with asked(tmp_path) as (at, watch):
        engines = [at.engine, make_engine(at.engine.settings, environ={}, clock=watch, company=vintstreet())]
        for round_ in range(5):
            start, key = Barrier(2), f"round-{round_}"

            def send(number: int, start: Barrier = start, key: str = key) -> str:
                said = {"note": "text", "incidents": "title", "revoke-links": "reason"}[name]
                one = BY_NAME[name].model_validate(BODIES[name] | {said: f"say {number}"})
                start.wait(10)
                try:
                    return asyncio.run(one.carry_out(engines[number], at.id, with_request(ANA, key, number)))
                except Refused as error:
                    return error.message

            answers = await asyncio.gather(*(asyncio.to_thread(send, number) for number in range(2)))
            assert sum("was used before" in answer for answer in answers) == 1, answers
        await engines[1].close()


async def test_a_declaration_that_is_sent_again_after_the_end_opens_nothing(engine: Engine) -> None:
    """Its answer was lost, and the incident was over before the declaration was sent again."""
    by = ANA.model_copy(update={"request": "ana:8"})
    declared = await command("incidents").carry_out(engine, "", by)
    (row,) = engine.journal.incidents()
    await command("false-alarm").carry_out(engine, row.id, ANA)
    assert await command("incidents").carry_out(engine, "", by) == declared
    assert len(engine.journal.incidents()) == 1
    await command("incidents").carry_out(engine, "", by.model_copy(update={"request": "ana:9"}))
    assert len(engine.journal.incidents()) == 2


async def test_a_follow_up_that_is_sent_again_keeps_its_number(engine: Engine, incident: str) -> None:
    """Another one was added meanwhile."""
    by = ANA.model_copy(update={"request": "ana:1"})
    first = await command("follow-up").carry_out(engine, incident, by)
    await command("follow-up").carry_out(engine, incident, ANA)
    assert await command("follow-up").carry_out(engine, incident, by) == first
