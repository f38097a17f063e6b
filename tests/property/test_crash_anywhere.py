"""A response is killed at every write of its journal, and another process carries it on: nothing is done twice.

Each run is a whole P0 of VintStreet against a simulated production of its own. The first series dies right after a
write became durable, the second right before it; between the two lies all that a process does to the world.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.journal.sql import SqlJournal
from allclear.postmortem.document import write_post_mortem
from allclear.simulator.world import World
from tests.contract.simulator_support import Simulated
from tests.property.response_support import (
    FIX,
    Killed,
    Mortal,
    announced,
    broken,
    die,
    engine_on,
    new_journal,
    respond,
    writes,
)

When = Literal["before", "after"]

CHUNKS = 8
"""In how many tests each series is told."""
AT_ONCE = 3
"""Runs that share a test's event loop: each waits for its vendors most of the time."""


@dataclass(frozen=True)
class Ran:
    """How a response went: the journal's writes, and what the vendors saw."""

    journal: list[str]
    vendors: list[tuple[str, str, str]]


async def _run(folder: Path, at: int = 0, when: When = "after") -> Ran:
    """Lets a response die at its `at`-th write (0: never), carries it on, and checks all that must hold."""
    url = new_journal(folder)
    async with Simulated(broken()) as sim:
        simulation = announced(sim, folder)
        inner = SqlJournal(url)
        mortal = Mortal(inner, at, when)
        engine = engine_on(url, simulation, mortal)
        try:
            incident_id = await respond(engine, sim.world)
        except Killed:
            await die(engine, inner)
            engine = engine_on(url, simulation)
            incident_id = await respond(engine, sim.world)
        try:
            _check_end(engine, incident_id)
            return Ran(mortal.writes, _check_world(sim.world))
        finally:
            await engine.close()


def _check_end(engine: Engine, incident_id: str) -> None:
    """The incident is resolved and reviewed, every act is proven, nothing is left, and no line was changed."""
    incident = engine.conductor.incident(incident_id)
    assert [row.id for row in engine.journal.incidents()] == [incident_id]
    assert incident.ended is not None
    assert incident.ended.ending == "resolved"
    assert incident.left == ["detect", "contain", "investigate", "resolve", "review"]
    assert {act.id: act.outcome and act.outcome.status for act in incident.acts.values()} == {
        act: "verified" for act in ACTS
    }
    assert [act.id for act in incident.acts.values() if act.outcome and not act.outcome.changed] == []
    assert incident.in_place == []
    assert incident.open_asks == []
    assert len(incident.asks) == len({(state.ask.phase, state.ask.step) for state in incident.asks.values()})
    assert incident.contained is not None
    assert incident.recovered_at is not None
    assert engine.journal.broken_link(incident_id) is None
    document = _post_mortem(engine, incident)
    assert document.count("Done and verified") >= len(ACTS)
    for bad in ("no outcome yet", "not proven", "Nobody knows", "Failed"):
        assert bad not in document


def _post_mortem(engine: Engine, incident: Incident) -> str:
    service = engine.company.systems.services[incident.opened.service]
    return write_post_mortem(
        incident, engine.journal.entries(incident.id), engine.company.plan, service_title=service.title,
        template=engine.company.post_mortem, now=utc_now(),
    )  # fmt: skip


def _check_world(world: World) -> list[tuple[str, str, str]]:
    """No vendor was told anything twice; returns the writes, without repeats that the pager proved to be one."""
    traffic = writes(world, "cloud_run", "UpdateService")
    assert [(write["result"], write["traffic"][0]["revision"]) for write in traffic] == [
        ("done", "vintstreet-00041-wex"), ("done", "latest"),
    ]  # fmt: skip
    assert world.serving() == {FIX: 100}
    assert [len(channel.messages) for channel in world.workspace.channels if channel.name == "incidents"] == [2]
    assert len(world.status_board.incidents) == 1
    assert world.status_board.incidents[0]["status"] == "resolved"
    assert len(world.pager.pages) == 1
    assert world.pager.pages[0].status == "resolved"
    assert writes(world, "supabase") == []
    told = [_told(write) for write in writes(world)]
    assert all(result == "done" for _, _, result in told)
    seen: set[tuple[str, str, str]] = set()
    once: list[tuple[str, str, str]] = []
    for write in told:  # the pager's key is the fence: what it is told again changes nothing, see the one page above
        if write[0] != "pagerduty" or write not in seen:
            once.append(write)
        seen.add(write)
    return once


def _told(write: dict[str, Any]) -> tuple[str, str, str]:
    what = write["action"] if write["face"] == "pagerduty" else write["method"]
    return write["face"], what, write["result"]


ACTS = [
    "detect/page", "detect/internal-alert", "contain/roll-back", "contain/tell-waiting", "contain/status-page",
    "contain/tell-contained", "investigate/status-identified", "resolve/status-resolved", "resolve/page-resolved",
    "resolve/undo-contain-roll-back", "resolve/tell-resolved", "resolve/customer-draft",
]  # fmt: skip
WHOLE = [
    ("pagerduty", "trigger"), ("slack", "chat.postMessage"), ("slack", "chat.update"), ("cloud_run", "UpdateService"),
    ("statuspage", "create_incident"), ("slack", "chat.update"), ("statuspage", "update_incident"),
    ("statuspage", "update_incident"), ("pagerduty", "resolve"), ("cloud_run", "UpdateService"),
    ("slack", "chat.update"), ("slack", "chat.postMessage"),
]  # fmt: skip
"""What the vendors are told in a response that nothing disturbs."""
WRITES = 75
"""How often such a response writes to its journal; the test below fails when that changes."""


async def test_an_undisturbed_response_tells_each_vendor_once(tmp_path: Path) -> None:
    """The whole P0 runs, and its journal is written exactly as often as the enumeration below assumes."""
    ran = await _run(tmp_path)
    assert [told[:2] for told in ran.vendors] == WHOLE
    assert Counter(ran.journal)["claim"] == Counter(ran.journal)["finish"] == len(ACTS)
    assert len(ran.journal) == WRITES


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("when", ["after", "before"])
async def test_killed_at_any_write_a_response_does_each_thing_once(tmp_path: Path, when: When, chunk: int) -> None:
    """Wherever it dies, the next process ends it well, and no vendor is told anything that it was told already."""
    turn, wrong = asyncio.Semaphore(AT_ONCE), list[str]()

    async def killed(at: int) -> None:
        async with turn:
            try:
                ran = await _run(tmp_path / str(at), at, when)
                assert len(ran.journal) == at, "it was not killed there"
                assert [told[:2] for told in ran.vendors] == WHOLE
            except Exception as error:  # noqa: BLE001 - all places are told, not the first that fails
                wrong.append(f"killed {when} write {at}: {type(error).__name__}: {error}")

    await asyncio.gather(*(killed(at) for at in range(1 + chunk, WRITES + 1, CHUNKS)))
    assert wrong == []
