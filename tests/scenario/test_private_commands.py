"""In a private incident every command needs a proven reader; anyone else may only say that they know of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from allclear.bootstrap import Engine, make_engine
from allclear.commands.catalog import BY_NAME, COMMANDS
from allclear.commands.previews import PreviewUndo
from allclear.domain.base import utc_now
from allclear.domain.errors import NotAllowed
from allclear.domain.privacy import NotAReader, is_private, may_read
from allclear.domain.records import Acknowledged, By, NoteAdded
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.people.declare import Declaration
from allclear.settings import Settings
from tests.missing_secrets import VARIABLES
from tests.scenario.private_support import ON_CALL, OUTSIDERS, READER, private
from tests.scenario.response_support import ALERT, installed, new_journal
from tests.scenario.test_commands import BODIES

PROPOSAL = {"action": "maintenance.enable", "reason": "stop the writes"}


@contextmanager
def opened(folder: Path) -> Generator[Engine]:
    """Yield an engine of the company whose incidents are private, and close its journal."""
    settings = Settings(journal_url=new_journal(folder))
    environ = dict.fromkeys(VARIABLES.values(), "a-secret-of-a-test")
    engine = make_engine(settings, environ=environ, company=private(), registry=installed())
    try:
        yield engine
    finally:
        engine.journal.close()


def alerted(engine: Engine) -> str:
    """Return a private incident that an alert opened."""
    taken = engine.intake.take(ALERT, "delivery-1")
    assert taken.incident is not None
    assert is_private(engine.company.plan, engine.conductor.incident(taken.incident))
    return taken.incident


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine of the company whose incidents are private."""
    with opened(tmp_path) as engine:
        yield engine


@pytest.fixture
def incident(engine: Engine) -> str:
    """A private incident of that engine."""
    return alerted(engine)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    """An engine and its private incident for all tests that write nothing."""
    with opened(tmp_path_factory.mktemp("untouched")) as engine:
        yield engine, alerted(engine)


def written(engine: Engine, incident: str) -> list[object]:
    """Return the records of the incident."""
    return [entry.record for entry in engine.journal.entries(incident)]


@pytest.mark.parametrize("name", sorted(command.name for command in COMMANDS if command.needs_reader))
@pytest.mark.parametrize("who", OUTSIDERS)
async def test_no_command_is_carried_out_for_an_outsider(untouched: tuple[Engine, str], name: str, who: str) -> None:
    """Nothing is written, and the refusal names no step, title or alert."""
    engine, incident = untouched
    command = BY_NAME[name].model_validate(PROPOSAL if name == "proposals" else BODIES[name])
    before = written(engine, incident)
    with pytest.raises(NotAllowed) as raised:
        await command.carry_out(engine, incident, OUTSIDERS[who])
    assert isinstance(raised.value, NotAReader) or OUTSIDERS[who].program
    assert "Payment" not in str(raised.value)
    assert written(engine, incident) == before


def test_only_the_acknowledgement_is_for_everyone() -> None:
    """A new command needs a reader, unless its class says that it shows and changes nothing."""
    assert [command.name for command in COMMANDS if not command.needs_reader] == ["acknowledge"]


People = Callable[[Engine, str, By], object]
WRITERS: dict[str, People] = {
    "note": lambda engine, incident, by: engine.people.note(incident, "x", by),
    "decide": lambda engine, incident, by: engine.people.decide(incident, "x", "y", by),
    "told": lambda engine, incident, by: engine.people.told(incident, "cto", "x", by),
    "severity": lambda engine, incident, by: engine.people.severity(incident, "P1", "x", by),
    "assess": lambda engine, incident, by: engine.people.assess(incident, {}, "outage", "x", by),
    "hold": lambda engine, incident, by: engine.people.hold(incident, "x", by),
    "hand_over": lambda engine, incident, by: engine.people.hand_over(incident, "scribe", "Cleo", by),
    "take_role": lambda engine, incident, by: engine.people.take_role(incident, by.role or "scribe", by),
    "resolve": lambda engine, incident, by: engine.people.resolve(incident, "x", by),
    "false_alarm": lambda engine, incident, by: engine.people.false_alarm(incident, "x", by),
    "post_mortem": lambda engine, incident, by: engine.people.write_post_mortem(incident, "root_cause", "x", by),
    "follow_up": lambda engine, incident, by: engine.people.follow_up(incident, "x", "Ben", utc_now(), by),
}
"""What the flows, the drill and the channels call besides commands."""


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("who", [who for who, by in OUTSIDERS.items() if by.role and not by.program])
def test_no_record_of_an_outsider_is_written_whatever_calls(untouched: tuple[Engine, str], name: str, who: str) -> None:
    """The rule holds where the record is written, too: the incident may have become private in between."""
    engine, incident = untouched
    before = written(engine, incident)
    with pytest.raises(NotAllowed):
        WRITERS[name](engine, incident, OUTSIDERS[who])
    assert written(engine, incident) == before


Acts = Callable[[Engine, str, By], Awaitable[object]]
ROLLBACK = ManualRequest("cloud_run.rollback_traffic", {"service": "storefront"}, "it fails")
ACTS: dict[str, Acts] = {
    "do, named": lambda engine, incident, by: engine.manual.do(
        ManualRequest(ROLLBACK.action, ROLLBACK.params, "it fails", incident), by
    ),
    "do, joined": lambda engine, _, by: engine.manual.do(ROLLBACK, by),
    "propose": lambda engine, incident, by: engine.manual.propose(
        ManualRequest(ROLLBACK.action, ROLLBACK.params, "it fails", incident), by
    ),
    "undo": lambda engine, incident, by: engine.manual.undo(incident, "contain/roll-back", "x", by),
    "preview": lambda engine, incident, by: engine.manual.preview_undo(incident, "contain/roll-back", by),
    "show the undo": lambda engine, incident, by: PreviewUndo(act="contain/roll-back").show(engine, incident, by),
}


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("who", OUTSIDERS)
async def test_no_action_by_hand_is_taken_or_shown_to_an_outsider(
    untouched: tuple[Engine, str], name: str, who: str
) -> None:
    """A claimed name cannot change production through a private incident, and cannot read what is in place."""
    engine, incident = untouched
    before = written(engine, incident)
    with pytest.raises(NotAllowed) as raised:
        await ACTS[name](engine, incident, OUTSIDERS[who])
    assert isinstance(raised.value, NotAReader) or OUTSIDERS[who].program
    assert written(engine, incident) == before


async def test_an_action_by_hand_opens_no_private_incident_for_a_claimed_name(engine: Engine) -> None:
    """It could do nothing more in it. A proven person opens one, and may read what that person opened."""
    with pytest.raises(NotAReader, match="would open a private incident"):
        await engine.manual.do(ROLLBACK, OUTSIDERS["a claimed reader"])
    assert engine.journal.incidents() == []


@pytest.mark.parametrize("who", [who for who, by in OUTSIDERS.items() if not by.program])
async def test_who_says_that_they_know_of_it_gains_nothing(engine: Engine, incident: str, who: str) -> None:
    """The acknowledgement is recorded, with its proof. Its author neither leads nor reads the incident by it."""
    by = OUTSIDERS[who]
    sentence = await BY_NAME["acknowledge"]().carry_out(engine, incident, by)
    assert "private" in sentence
    assert "CTO" in sentence
    last = engine.journal.entries(incident)[-1]
    assert (last.record, last.by) == (Acknowledged(), by)
    assert engine.conductor.incident(incident).roles == {}
    assert may_read(engine.company.plan, engine.conductor.incident(incident), by.actor) == (by.actor == "Ben")


async def test_whom_a_reader_asks_to_take_a_role_may_read(engine: Engine, incident: str) -> None:
    """Ben acknowledges and hands a role to Ana, who accepts it and acts."""
    assert "private" not in await BY_NAME["acknowledge"]().carry_out(engine, incident, READER)
    engine.people.hand_over(incident, "incident_commander", "Ana", READER)
    ana = ON_CALL.model_copy(update={"role": "incident_commander"})
    with pytest.raises(NotAReader, match="only claimed"):
        engine.people.take_role(incident, "incident_commander", By(actor="Ana", role="on_call", via="prefect"))
    engine.people.take_role(incident, "incident_commander", ana)
    assert engine.conductor.incident(incident).roles == {"incident_commander": "Ana"}
    engine.people.note(incident, "I see it", ana)


@pytest.mark.parametrize("who", [who for who, by in OUTSIDERS.items() if by.role and not by.program])
def test_what_an_outsider_declares_again_is_kept_as_a_note(engine: Engine, incident: str, who: str) -> None:
    """Nothing that was said is lost, and the incident's facts and severity stay as its readers set them."""
    opened = engine.conductor.incident(incident).opened
    declared = Declaration("Shop empty", "P1", opened.service, opened.runbook, facets={"customer_facing": "yes"})
    before = engine.conductor.incident(incident)
    assert engine.people.declare(declared, OUTSIDERS[who]).incident == incident
    after = engine.conductor.incident(incident)
    last = engine.journal.entries(incident)[-1].record
    assert last == NoteAdded(text="Declared again: Shop empty (P1, customer_facing=yes)")
    assert (after.severity, after.facets, after.roles) == (before.severity, before.facets, {})
