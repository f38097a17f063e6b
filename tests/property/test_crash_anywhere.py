"""A response is killed at every write to its journal, and another process carries it on: nothing is done twice.

Each run is a whole P0 of VintStreet against its own simulated production. The first series is killed right after a
write became durable, the second right before it; everything that a process does to a vendor lies between the two. If
nothing was sent to a vendor, right before a write is the same as right after the previous one. The second series
leaves those out, unless `ALLCLEAR_CRASH=everywhere pytest tests/property/test_crash_anywhere.py` asks for them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
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
PORTIONS = 8
"""How many tests a series is split into, so that several workers can share it."""
AT_ONCE = 3
"""Responses that share a test's event loop; each waits for its vendors most of the time."""


@dataclass(frozen=True)
class Ran:
    """A response that has run: the writes to its journal, and what the vendors received."""

    journal: list[str]
    vendor_writes: list[int]
    """How many writes the vendors had received at each write to the journal."""
    vendors: list[tuple[str, str]]
    acts: list[str]
    unproven: list[str]
    """The acts whose result is not known, because no one can read what became of an e-mail."""

    @property
    def outcomes(self) -> list[int]:
        """Return the numbers of the journal writes that follow a write to a vendor."""
        counts = self.vendor_writes
        return [n for n in range(2, len(counts) + 1) if counts[n - 1] > counts[n - 2]]


async def _run(folder: Path, at: int = 0, when: When = "after") -> Ran:
    """Kill a response at its `at`-th write (0: never), carry it on in another process, and check the result."""
    url = new_journal(folder)
    async with Simulated(broken()) as sim:
        simulation = announced(sim, folder)
        inner = SqlJournal(url, DRILL)
        mortal = Mortal(inner, at, when, vendor_writes=lambda: len(writes(sim.world)))
        engine = engine_on(url, simulation, mortal)
        try:
            incident_id = await respond(engine, sim.world)
        except Killed:
            await die(engine, inner)
            engine = engine_on(url, simulation)
            incident_id = await respond(engine, sim.world)
        try:
            unproven = _check_end(engine, incident_id)
            acts = sorted(engine.conductor.incident(incident_id).acts)
            return Ran(mortal.writes, mortal.vendor_writes, _check_world(sim.world), acts, unproven)
        finally:
            await engine.close()


def _check_end(engine: Engine, incident_id: str) -> list[str]:
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
    assert len(unproven) <= 1
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
    assert len(whole.acts) == len(whole.outcomes) == len(whole.vendors)
    assert [n for n, name in enumerate(whole.journal, start=1) if name == "finish"] == whole.outcomes
    assert len(whole.journal) > 5 * len(whole.outcomes)


def _without_mail(vendors: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [write for write in vendors if write[0] != "email"]


async def _killed_at_each(folder: Path, when: When, places: Sequence[int], whole: Ran) -> list[str]:
    """Return what went wrong, one line for each place."""
    turn, wrong = asyncio.Semaphore(AT_ONCE), list[str]()

    async def killed(at: int) -> None:
        async with turn:
            try:
                ran = await _run(folder / str(at), at, when)
                assert len(ran.journal) == at, "it was not killed there"
                if ran.unproven:  # killed before or after it was sent
                    assert len(whole.vendors) - len(ran.vendors) in (0, 1)
                    assert _without_mail(ran.vendors) == _without_mail(whole.vendors)
                else:
                    assert ran.vendors == whole.vendors
                assert ran.acts == whole.acts
            except Exception as error:  # noqa: BLE001 - every place that fails is reported, not only the first
                wrong.append(f"killed {when} {whole.journal[at - 1]}, write {at}: {type(error).__name__}: {error}")

    await asyncio.gather(*(killed(at) for at in places))
    return wrong


@pytest.mark.parametrize("portion", range(PORTIONS))
async def test_killed_right_after_a_write(tmp_path: Path, whole: Ran, portion: int) -> None:
    """After a kill at any write, the next process finishes the response, and no vendor gets a write twice."""
    places = range(1 + portion, len(whole.journal) + 1, PORTIONS)
    assert await _killed_at_each(tmp_path, "after", places, whole) == []


@pytest.mark.parametrize("portion", range(PORTIONS if EVERYWHERE else 2))
async def test_killed_right_before_a_write(tmp_path: Path, whole: Ran, portion: int) -> None:
    """If a change was sent and not yet journalled, the next process finds it, and does not send it again."""
    places = range(1, len(whole.journal) + 1) if EVERYWHERE else whole.outcomes
    assert await _killed_at_each(tmp_path, "before", places[portion :: PORTIONS if EVERYWHERE else 2], whole) == []


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
