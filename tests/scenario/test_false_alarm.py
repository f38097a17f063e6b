"""An alert about a healthy service: nothing is sent to a vendor before a person has answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from allclear.bootstrap import Engine
from allclear.domain.approval import Ask, AskKind
from allclear.domain.plan import Person
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Over, Wait
from allclear.simulator.world import World
from tests.contract.simulator_support import Simulated, quick
from tests.scenario.response_support import (
    MACHINE,
    announced,
    broken,
    engine_on,
    new_journal,
    person_for,
    report,
    run_phase,
    vintstreet,
    writes,
)


async def test_a_healthy_service_makes_a_false_alarm(tmp_path: Path) -> None:
    """Detection probes and asks, and sends nothing; a yes ends the incident, and still nothing was sent."""
    async with Simulated(quick("healthy")) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path))
        try:
            incident_id = report(engine)
            move = await engine.conductor.run(incident_id, Phase.DETECT, MACHINE)
            assert isinstance(move, Wait)
            incident = engine.conductor.incident(incident_id)
            assert [state.ask.kind for state in incident.open_asks] == [AskKind.FALSE_ALARM]
            assert "looks healthy" in incident.open_asks[0].ask.text
            assert incident.acts == {}
            engine.people.answer(
                move.asks[0], person_for(incident.open_asks[0].ask), yes=True, reason="A flapping check."
            )
            assert isinstance(await engine.conductor.run(incident_id, Phase.DETECT, MACHINE), Over)
            incident = engine.conductor.incident(incident_id)
            assert incident.ended is not None
            assert incident.ended.ending == "false-alarm"
            assert "A flapping check." in incident.ended.reason
            for phase in Phase:
                if phase is not Phase.REVIEW:
                    assert isinstance(await engine.conductor.run(incident_id, phase, MACHINE), Over)
            assert writes(sim.world) == []
            assert [one.detail for one in engine.journal.outbox() if one.detail.get("flow") == "contain"] == []
        finally:
            await engine.close()


def _say_no(role: str) -> Callable[[Engine, World, Ask], None]:
    def answer(engine: Engine, _: World, ask: Ask) -> None:
        engine.people.answer(ask.id, By(actor="Ana", role=role, via="cli"), yes=False, reason="Users write to us.")

    return answer


async def test_a_no_goes_on_and_pages(tmp_path: Path) -> None:
    """If a person contradicts the probe, the on-call is paged and the team gets its message, as in any incident."""
    async with Simulated(quick("healthy")) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path))
        try:
            incident_id = report(engine)
            await run_phase(engine, sim.world, incident_id, Phase.DETECT, _say_no("tech_lead"))
            incident = engine.conductor.incident(incident_id)
            assert incident.left == ["detect"]
            assert not incident.over
            assert [page.status for page in sim.world.pagerduty.pages] == ["triggered"]
            assert [write["api"] for write in writes(sim.world)] == ["pagerduty", "slack"]
            assert {"flow": "contain"} in [one.detail for one in engine.journal.outbox()]
        finally:
            await engine.close()


async def test_a_person_on_call_who_acts_already_is_not_paged(tmp_path: Path) -> None:
    """The page is recorded with the reason, and the person leads; unanswered questions still climb as after a page."""
    company = vintstreet()
    people = [Person(name="Ana", roles=["on_call", "incident_commander"])]
    company = replace(company, plan=company.plan.model_copy(update={"people": people}))
    async with Simulated(quick("healthy")) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path), company=company)
        try:
            incident_id = report(engine)
            await run_phase(engine, sim.world, incident_id, Phase.DETECT, _say_no("on_call"))
            incident = engine.conductor.incident(incident_id)
            assert [write["api"] for write in writes(sim.world)] == ["slack"]
            page = incident.acts["detect/page"]
            assert page.outcome is not None
            assert page.outcome.sentence == "No page was sent, because Ana acts already."
            assert (page.in_place, incident.paged_at is not None) == (False, True)
            assert incident.roles == {"incident_commander": "Ana"}
            assert incident.acknowledged is not None
        finally:
            await engine.close()


async def test_if_the_first_probe_fails_the_page_is_sent_without_a_question(tmp_path: Path) -> None:
    """Detection asks no one, pages and informs the team at once."""
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(tmp_path), announced(sim, tmp_path))
        try:
            incident_id = report(engine)
            assert isinstance(await engine.conductor.run(incident_id, Phase.DETECT, MACHINE), Over)
            assert engine.conductor.incident(incident_id).asks == {}
            assert [write["api"] for write in writes(sim.world)] == ["pagerduty", "slack"]
        finally:
            await engine.close()
