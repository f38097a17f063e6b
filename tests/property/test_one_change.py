"""A service is rolled back once, however many processes and incidents ask for it at the same time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from allclear.bootstrap import Engine
from allclear.domain.act import Act
from allclear.domain.action import ActStatus, Outcome
from allclear.domain.base import utc_now
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.people.declare import Declaration
from allclear.engine.response.moves import Over, Wait
from allclear.journal.sql_journal import SqlJournal
from allclear.simulator.faults import Fault
from allclear.simulator.scenario_schema import TrafficSpec
from tests.contract.simulator_support import Simulated
from tests.journal_support import Journals
from tests.patience import HUNG, until
from tests.scenario.response_support import (
    BAD,
    GOOD,
    MACHINE,
    OPENED,
    announced,
    broken,
    claim_all,
    engine_on,
    new_journal,
    other_processes,
    person_for,
    writes,
)
from tests.scopes import REAL

ROUNDS = 30
ANA = By(actor="Ana", role="on_call", via="cli")
TIM = By(actor="Tim", role="tech_lead", via="cli")
"""Declares the incidents. He is not on call, so the person on call is paged."""


@asynccontextmanager
async def _two_engines(
    sim: Simulated, folder: Path, journals: Journals | None = None
) -> AsyncGenerator[tuple[Engine, Engine]]:
    """Yield two engines, as in two processes, on one new journal; the simulation serves its bad revision."""
    sim.world.redirect([TrafficSpec(revision="latest", percent=100)], by="the test")
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - takes a moment, before anything runs
    url = journals.new() if journals else new_journal(folder)
    simulation = announced(sim, folder)
    one, two = engine_on(url, simulation), engine_on(url, simulation)
    try:
        yield one, two
    finally:
        await one.close()
        await two.close()


def _declared(engine: Engine) -> str:
    declaration = Declaration("Payments fail", "P0", "storefront", "bad-deployment", began=utc_now().isoformat())
    # Opened directly, because a second declaration of the same trouble would join the first incident.
    incident, _ = engine.journal.open_incident("VS", engine.people.opening(declaration, TIM), TIM)
    return incident


async def _proposed(engine: Engine, incident: str) -> Act:
    params = {"service": "storefront", "to": "previous"}
    request = ActionRequest("contain", "roll-back", "cloud_run.rollback_traffic", params, "Roll back")
    act = await engine.proposer.propose(engine.conductor.incident(incident), request, MACHINE)
    return engine.conductor.incident(incident).acts[act]


async def _approved(engine: Engine, incident: str) -> str:
    act = await _proposed(engine, incident)
    engine.people.answer(act.asks[0], ANA, yes=True, reason="Yes.")
    return act.id


async def _carried_out(engine: Engine, incident: str, act: str) -> Outcome:
    await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - so that they meet at a different line each time
    return await engine.executor.carry_out(incident, act, MACHINE)


async def test_two_incidents_roll_one_service_back_once(tmp_path: Path, journals: Journals) -> None:
    """Both acts are approved and carried out at once: one changes the traffic, the other finds it already done."""
    async with Simulated(broken()) as sim:
        for number in range(ROUNDS):
            async with _two_engines(sim, tmp_path / str(number), journals) as (one, two):
                first, second = _declared(one), _declared(two)
                acts = await _approved(one, first), await _approved(two, second)
                before = len(writes(sim.world))
                outcomes = await asyncio.gather(_carried_out(one, first, acts[0]), _carried_out(two, second, acts[1]))
                assert [write["result"] for write in writes(sim.world)[before:]] == ["done"]
                assert sim.world.serving() == {GOOD: 100}
                assert [outcome.status for outcome in outcomes] == [ActStatus.VERIFIED] * 2
                assert sorted(outcome.changed for outcome in outcomes) == [False, True]
                found = next(outcome for outcome in outcomes if not outcome.changed)
                assert "already done" in found.sentence.lower()
                not_handed_over = [
                    act.id for incident in (first, second) for act in one.conductor.incident(incident).not_handed_over
                ]
                assert not_handed_over == ["contain/roll-back"]


async def test_two_processes_carry_one_act_out_once(tmp_path: Path, journals: Journals) -> None:
    """The responder and a flow carry out one act: one writes, both return one outcome, and the act is in place."""
    async with Simulated(broken()) as sim:
        for number in range(ROUNDS):
            async with _two_engines(sim, tmp_path / str(number), journals) as (one, two):
                incident = _declared(one)
                act = await _approved(one, incident)
                before = len(writes(sim.world))
                outcomes = await asyncio.gather(
                    *(_carried_out(engine, incident, act) for engine in (one, two)), return_exceptions=True
                )
                assert [write["result"] for write in writes(sim.world)[before:]] == ["done"]
                assert outcomes[0] == outcomes[1], f"round {number}"
                assert [one.id for one in two.conductor.incident(incident).not_handed_over] == [act]
                assert one.journal.broken_link(incident) is None


async def test_two_conductors_carry_one_incident_on_once(tmp_path: Path, journals: Journals) -> None:
    """Two processes run the same phase of the same incident: each vendor gets each write once."""
    async with Simulated(broken()) as sim, _two_engines(sim, tmp_path, journals) as (one, two):
        incident = _declared(one)
        async with asyncio.timeout(HUNG):
            for phase in (Phase.DETECT, Phase.CONTAIN):
                await asyncio.gather(*(_run(engine, incident, phase) for engine in (one, two)))
        it = one.conductor.incident(incident)
        assert it.left == ["detect", "contain"]
        assert [act.id for act in it.acts.values() if not (act.outcome and act.outcome.good)] == []
        assert len(writes(sim.world, "cloud_run")) == 1
        assert len(writes(sim.world, "statuspage")) == 1
        assert len(sim.world.pagerduty.pages) == 1
        assert [len(c.messages) for c in sim.world.workspace.channels if c.name == "incidents"] == [1]
        assert len(it.acts) == len({(act.proposed.phase, act.proposed.step) for act in it.acts.values()})


async def _run(engine: Engine, incident: str, phase: Phase) -> None:
    while not isinstance(move := await engine.conductor.run(incident, phase, MACHINE), Over):
        assert isinstance(move, Wait)
        for ask in move.asks:
            state = engine.conductor.incident(incident).asks[ask]
            if state.open:
                engine.people.answer(ask, person_for(state.ask), yes=True, reason="It is so.")
        await asyncio.sleep(0.01)


async def test_a_later_rollback_to_previous_does_not_go_one_revision_further(tmp_path: Path) -> None:
    """While the first rollback is in place, another incident's rollback is already done, and names the first."""
    async with Simulated(broken()) as sim, _two_engines(sim, tmp_path) as (one, two):
        first, second = _declared(one), _declared(two)
        await one.executor.carry_out(first, await _approved(one, first), MACHINE)
        outcome = (await _proposed(two, second)).outcome
        assert outcome is not None
        assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, False)
        assert f"already done by {first}" in outcome.sentence
        assert len(writes(sim.world)) == 1
        assert sim.world.serving() == {GOOD: 100}


async def test_a_rollback_proposed_while_another_is_under_way_does_not_go_one_revision_further(tmp_path: Path) -> None:
    """The first is issued and has no outcome yet: `previous` would now be one revision too far, so it is refused."""
    async with Simulated(broken()) as sim, _two_engines(sim, tmp_path) as (one, two):
        first, second = _declared(one), _declared(two)
        act = await _approved(one, first)
        sim.world.faults.set(Fault(api="cloud_run", method="GetOperation", kind="slow", seconds=0.5))
        going = asyncio.create_task(one.executor.carry_out(first, act, MACHINE))
        await until(lambda: sim.world.serving() == {GOOD: 100})
        outcome = (await _proposed(two, second)).outcome
        assert outcome is not None
        assert not outcome.changed
        assert (await going).good
        assert len(writes(sim.world)) == 1
        assert sim.world.serving() == {GOOD: 100}


async def test_after_an_undo_a_rollback_changes_the_traffic_again(tmp_path: Path) -> None:
    """Traffic is back on the newest revision, which still fails: another incident rolls back by one revision."""
    async with Simulated(broken()) as sim, _two_engines(sim, tmp_path) as (one, two):
        first, second = _declared(one), _declared(two)
        await one.executor.carry_out(first, await _approved(one, first), MACHINE)
        sim.world.redirect([TrafficSpec(revision="latest", percent=100)], by="an engineer")
        assert sim.world.serving() == {BAD: 100}
        outcome = await two.executor.carry_out(second, await _approved(two, second), MACHINE)
        assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
        assert sim.world.serving() == {GOOD: 100}


def _opened(url: str) -> str:
    journal = SqlJournal(url, REAL)
    incident, _ = journal.open_incident("VS", OPENED, MACHINE)
    journal.close()
    return incident


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_claim_has_one_holder(tmp_path: Path, journals: Journals, kind: str) -> None:
    """Two holders claim the same hundred resources in a tight loop: each resource gets one holder and one intent."""
    url, count = journals.new(), 100
    incident = _opened(url)
    pool: Executor = (
        ThreadPoolExecutor(2) if kind == "threads" else ProcessPoolExecutor(2, mp_context=other_processes())
    )
    with pool:
        each = pool.map(claim_all, [url] * 2, [str(tmp_path)] * 2, [incident] * 2, [count] * 2, "ab")
        got = [number for one in each for number in one]
    journal = SqlJournal(url, REAL)
    intents = [entry.record.act for entry in journal.entries(incident) if entry.record.kind == "act.intended"]
    journal.close()
    assert sorted(intents) == sorted(f"contain/{number}" for number in range(count))
    assert sorted(got) == list(range(count))
