"""A response is killed at every write to its journal, and another process carries it on: nothing is done twice.

Each run is a whole P0 of VintStreet against its own simulated production. A process is killed in each of its stages:
in the first run at the first write of each stage, in the second run at the second write, and so on. Each time another
process carries the response on.

The first series is killed right after a write became durable, the second right before it; everything that a process
does to a vendor lies between the two. If nothing was sent to a vendor, right before a write is the same as right after
the previous one. The second series leaves those out, unless
`ALLCLEAR_CRASH=everywhere pytest tests/property/test_crash_anywhere.py` asks for them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Literal

import pytest

from allclear.bootstrap import Engine
from allclear.domain.action import ActStatus
from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.domain.runbook import Phase
from allclear.journal.sql_journal import SqlJournal
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.simulator.faults import Fault
from allclear.simulator.world import World
from tests.contract.simulator_support import Simulated, recorded
from tests.journal_support import Journals
from tests.patience import HUNG, until
from tests.scenario.response_support import (
    FIX,
    MACHINE,
    Killed,
    Mortal,
    announced,
    broken,
    die,
    engine_on,
    new_journal,
    report,
    respond,
    run_phase,
    say_yes,
    start_process,
    writes,
)
from tests.scopes import DRILL

When = Literal["before", "after"]

EVERYWHERE = os.environ.get("ALLCLEAR_CRASH") == "everywhere"
PORTIONS = 4
"""How many tests a series is split into."""
AT_ONCE = 3
"""Responses that share a test's event loop; each waits for its vendors most of the time."""
STAGES: tuple[Phase | None, ...] = (None, *Phase)
"""What a response goes through: the intake of its alert, and its phases."""


@dataclass(frozen=True)
class Kill:
    """Where a process is killed: a stage, and the number of a write in it."""

    stage: int
    at: int
    when: When


@dataclass(frozen=True)
class Ran:
    """A response that has run: the last process's writes to the journal, and what the vendors received."""

    journal: list[list[str]]
    """The writes of each stage."""
    outcomes: list[list[int]]
    """The numbers of the journal writes of each stage that follow a write to a vendor."""
    vendors: list[tuple[str, str]]
    acts: list[str]
    unproven: list[str]
    """The acts whose result is not known, because no one can read what became of an e-mail."""


async def _run(folder: Path, *kills: Kill) -> Ran:
    """Kill a response at those writes, carry it on in another process each time, and check the result."""
    url, left = new_journal(folder), {kill.stage: kill for kill in kills}
    async with Simulated(broken()) as sim:
        simulation = announced(sim, folder)
        while True:
            inner = SqlJournal(url, DRILL)
            mortal = Mortal(inner, vendor_writes=lambda: len(writes(sim.world)))
            engine = engine_on(url, simulation, mortal)  # pyright: ignore[reportArgumentType]
            try:
                starts = await _respond(engine, sim.world, mortal, left)
                incident = report(engine)
                unproven = _check_end(engine, incident, kills)
                acts, vendors = sorted(engine.conductor.incident(incident).acts), _check_world(sim.world)
            except Killed:
                await die(engine, inner)
            else:
                return Ran(*_by_stage(mortal, starts), vendors, acts, unproven)
            finally:
                await engine.close()


async def _respond(engine: Engine, world: World, mortal: Mortal, kills: dict[int, Kill]) -> list[int]:
    """Carry the whole response on, and return how many writes came before each stage.

    The process is killed in the first stage that `kills` has, which is removed from it.
    """
    starts, incident = list[int](), ""
    async with asyncio.timeout(HUNG):
        for number, phase in enumerate(STAGES):
            starts.append(len(mortal.writes))
            kill = kills.pop(number, None)
            if kill:
                mortal.kill_at(kill.at, kill.when)
            if phase is None:
                incident = report(engine)
            else:
                await run_phase(engine, world, incident, phase)
            assert kill is None, f"it was not killed at {kill}"
    return starts


def _by_stage(mortal: Mortal, starts: list[int]) -> tuple[list[list[str]], list[list[int]]]:
    """Return the writes of each stage, and the numbers of those that follow a write to a vendor."""
    spans = list(zip(starts, [*starts[1:], len(mortal.writes)], strict=True))
    counts = [0, *mortal.vendor_writes]
    after_vendor = [[n - start for n in range(start + 1, end + 1) if counts[n] > counts[n - 1]] for start, end in spans]
    return [mortal.writes[start:end] for start, end in spans], after_vendor


def _check_end(engine: Engine, incident_id: str, kills: Sequence[Kill] = ()) -> list[str]:
    """Check that the incident is resolved and reviewed, every act verified, nothing left, and the chain unbroken.

    Return the acts that are not verified: an e-mail whose process was killed may have been sent, and is not sent again.
    """
    incident = engine.conductor.incident(incident_id)
    assert [row.id for row in engine.journal.incidents()] == [incident_id]
    assert incident.ended is not None
    assert incident.ended.ending == "resolved"
    assert incident.left == ["detect", "contain", "investigate", "resolve", "review"]
    unproven = [act for act in incident.acts.values() if not (act.outcome and act.outcome.good)]
    assert all(act.status is ActStatus.INDETERMINATE for act in unproven)
    assert {act.proposed.action for act in unproven} <= {"email.customers", "calendar.invite", "email.send"}
    phases = [act.proposed.phase for act in unproven]
    assert len(set(phases)) == len(phases), "one kill leaves one act without a result"
    assert set(phases) <= {phase.value for kill in kills if (phase := STAGES[kill.stage])}
    assert [act.id for act in incident.acts.values() if act.outcome and not act.outcome.changed] == []
    assert incident.in_place == []
    assert incident.open_asks == []
    assert len(incident.asks) == len({(state.ask.phase, state.ask.step) for state in incident.asks.values()})
    assert incident.contained is not None
    assert incident.recovered_at is not None
    assert engine.journal.broken_link(incident_id) is None
    document = _post_mortem(engine, incident)
    assert document.count("Done and verified") >= len(incident.acts) - len(unproven)
    for bad in ("no outcome yet", "Nobody knows", "Failed:", "| Failed |", *(() if unproven else ("not proven",))):
        assert bad not in document
    return [act.id for act in unproven]


def _post_mortem(engine: Engine, incident: Incident) -> str:
    service = engine.company.systems.services[incident.opened.service]
    entries, company = engine.journal.entries(incident.id), engine.company
    return write_post_mortem(PostMortem(incident, entries, company.plan, service.title, company.post_mortem, utc_now()))


def _check_world(world: World, *, late: bool = False) -> list[tuple[str, str]]:
    """Check that no vendor got a write twice, and return the writes, without those that the pager deduplicated.

    `late` is whether a write of the killed process, which the vendor refused, is among them.
    """
    traffic = [write for write in writes(world, "cloud_run", "UpdateService") if not late or write["result"] == "done"]
    assert [(write["result"], write["traffic"][0]["revision"]) for write in traffic] == [
        ("done", "vintstreet-00041-wex"),
        ("done", "latest"),
    ]
    assert world.serving() == {FIX: 100}
    [channel] = [one for one in world.workspace.channels if one.name == "incidents"]
    assert len(channel.messages) == 2, "what happens, and at the end what was learned"
    mails = [(write["message_id"], to) for write in writes(world, "email") for to in write["to"]]
    assert len(mails) == len(set(mails))
    assert len(world.status_board.incidents) == 1
    assert world.status_board.incidents[0]["status"] == "resolved"
    assert len(world.pagerduty.pages) == 1
    assert world.pagerduty.pages[0].status == "resolved"
    assert writes(world, "supabase") == []
    assert sum(write["result"] != "done" for write in writes(world)) == late
    once: list[tuple[str, str]] = []
    for write in writes(world):  # the pager deduplicates by key, so a repeat changes nothing: see the one page above
        sent = (write["api"], write["action"] if write["api"] == "pagerduty" else write["method"])
        if sent[0] != "pagerduty" or sent not in once:
            once.append(sent)
    return once


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A response that was not interrupted."""
    return asyncio.run(_run(tmp_path_factory.mktemp("whole")))


def test_an_uninterrupted_response_sends_each_write_once(whole: Ran) -> None:
    """The plan's whole P0 runs; the journal is written right after each write to a vendor, and at other times too."""
    assert whole.vendors == [
        ("pagerduty", "trigger"),
        ("slack", "chat.postMessage"),
        ("cloud_run", "UpdateService"),
        ("statuspage", "create_incident"),
        ("statuspage", "update_incident"),
        ("cloud_run", "UpdateService"),
        ("pagerduty", "resolve"),
        ("statuspage", "update_incident"),
        ("email", "data"),
        ("email", "data"),
        ("slack", "chat.postMessage"),
        ("email", "data"),
    ]
    assert whole.unproven == []
    assert len(whole.acts) == sum(map(len, whole.outcomes)) == len(whole.vendors)
    finished = [[n for n, name in enumerate(stage, start=1) if name == "finish"] for stage in whole.journal]
    assert finished == whole.outcomes
    assert sum(map(len, whole.journal)) > 5 * len(whole.vendors)


def _without_mail(vendors: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [write for write in vendors if write[0] != "email"]


def _kills(places: list[list[int]], when: When) -> list[list[Kill]]:
    """Return the kills of each response: the first place of each stage, then the second one, and so on."""
    rounds = zip_longest(*places, fillvalue=0)
    return [[Kill(stage, at, when) for stage, at in enumerate(each) if at] for each in rounds]


async def _killed_at_each(folder: Path, responses: Sequence[list[Kill]], whole: Ran) -> list[str]:
    """Return what went wrong, one line for each response."""
    turn, wrong = asyncio.Semaphore(AT_ONCE), list[str]()

    async def killed(number: int, kills: list[Kill]) -> None:
        async with turn:
            try:
                ran = await _run(folder / str(number), *kills)
                if ran.unproven:  # killed before or after it was sent
                    assert len(whole.vendors) - len(ran.vendors) in range(len(ran.unproven) + 1)
                    assert _without_mail(ran.vendors) == _without_mail(whole.vendors)
                else:
                    assert ran.vendors == whole.vendors
                assert ran.acts == whole.acts
            except Exception as error:  # noqa: BLE001 - every response that fails is reported, not only the first
                places = [f"{kill.when} {whole.journal[kill.stage][kill.at - 1]}, {kill}" for kill in kills]
                wrong.append(f"killed {'; '.join(places)}: {type(error).__name__}: {error}")

    await asyncio.gather(*(killed(number, kills) for number, kills in enumerate(responses)))
    return wrong


@pytest.mark.parametrize("portion", range(PORTIONS))
async def test_killed_right_after_a_write(tmp_path: Path, whole: Ran, portion: int) -> None:
    """After a kill at any write, the next process finishes the response, and no vendor gets a write twice."""
    responses = _kills([list(range(1, len(stage) + 1)) for stage in whole.journal], "after")
    assert sum(map(len, responses)) == len(list(chain(*whole.journal)))
    assert await _killed_at_each(tmp_path, responses[portion::PORTIONS], whole) == []


@pytest.mark.parametrize("portion", range(PORTIONS if EVERYWHERE else 2))
async def test_killed_right_before_a_write(tmp_path: Path, whole: Ran, portion: int) -> None:
    """If a change was sent and not yet journalled, the next process finds it, and does not send it again."""
    every = [list(range(1, len(stage) + 1)) for stage in whole.journal]
    responses = _kills(every if EVERYWHERE else whole.outcomes, "before")
    assert await _killed_at_each(tmp_path, responses[portion :: PORTIONS if EVERYWHERE else 2], whole) == []


# --- a process that is really killed ---------------------------------------------------------------------


@dataclass(frozen=True)
class Hold:
    """The place at which a process is held until it is killed: a call to Cloud Run, or right after its claim."""

    method: str | None
    intended: bool


@pytest.mark.parametrize(
    "hold",
    [
        pytest.param(Hold("TestIamPermissions", intended=False), id="before-the-intent"),
        pytest.param(Hold(None, intended=True), id="between-intent-and-write"),
        pytest.param(Hold("UpdateService", intended=True), id="while-the-write-is-under-way"),
        pytest.param(Hold("GetOperation", intended=True), id="between-write-and-outcome"),
    ],
)
async def test_a_rollback_whose_process_is_killed_is_made_once(tmp_path: Path, journals: Journals, hold: Hold) -> None:
    """After SIGKILL during the rollback, this process carries on at once, and the traffic is changed once."""
    url = journals.new()
    async with Simulated(broken()) as sim:
        engine = engine_on(url, announced(sim, tmp_path))
        try:
            incident = report(engine)
            await run_phase(engine, sim.world, incident, Phase.DETECT)
            await engine.conductor.run(incident, Phase.CONTAIN, MACHINE)
            say_yes(engine, sim.world, engine.conductor.incident(incident).asks[f"{incident}/contain/roll-back"].ask)
            await _killed(engine, sim, incident, hold)
            assert (engine.conductor.incident(incident).acts["contain/roll-back"].intended is not None) == hold.intended
            await respond(engine, sim.world)
            sim.world.faults.release()
            if hold.method == "UpdateService":  # the write that was under way arrives late, and is refused
                late = await until(lambda: [one for one in writes(sim.world, "cloud_run") if one["result"] != "done"])
                assert "refused: ABORTED" in late[0]["result"]
            _check_end(engine, incident)
            _check_world(sim.world, late=hold.method == "UpdateService")
        finally:
            await engine.close()


async def _killed(engine: Engine, sim: Simulated, incident: str, hold: Hold) -> None:
    """Start the rollback in another process, wait until it is held, and kill it."""
    if hold.method:
        sim.world.faults.set(Fault(api="cloud_run", method=hold.method, kind="slow", seconds=HUNG))
    process = await asyncio.to_thread(start_process, engine, incident, "contain/roll-back", held=hold.method is None)
    try:
        await until(lambda: _is_held(engine, sim, incident, hold))
    finally:
        process.kill()
        await asyncio.to_thread(process.join)


def _is_held(engine: Engine, sim: Simulated, incident: str, hold: Hold) -> bool:
    if hold.method is None:
        return engine.conductor.incident(incident).acts["contain/roll-back"].intended is not None
    return bool(recorded(sim, "fault_used", method=hold.method))
