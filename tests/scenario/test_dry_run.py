"""A dry run of a whole runbook."""

from __future__ import annotations

import json
from pathlib import Path

from allclear.bootstrap import make_engine
from allclear.domain.base import utc_now
from allclear.domain.records import By
from allclear.engine.people.declare import Declaration
from allclear.engine.response.dry_run import dry_run_incident
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated, quick, recorded
from tests.scenario.notice_support import line, notified, sent
from tests.scenario.response_support import ALERT, broken
from tests.scenario.scenes import scene


async def test_a_dry_run_goes_through_every_step_and_writes_nothing(tmp_path: Path) -> None:
    """A dry run shows the exact change of every step, and writes neither to a system nor to the journal."""
    async with Simulated(quick()) as sim:
        simulation = tmp_path / "simulation.json"
        simulation.write_text(json.dumps(sim.announcement()))
        settings = Settings(journal_url=f"sqlite:///{tmp_path / 'journal.db'}", simulation=simulation)
        engine = make_engine(settings, environ={})
        declaration = Declaration("Payment processing down", "P0", "storefront", "bad-deployment")
        runbook = engine.company.runbook(declaration.runbook)
        opened = engine.people.opening(declaration, By(actor="allclear", via="dry run"))
        steps = [step async for step in engine.dry_run.walk(dry_run_incident(opened), runbook)]
        incident = dry_run_incident(opened)
        told = {one.title: one.sentence for one in engine.dry_run.notices(incident, [], utc_now())}
        ticket = await engine.dry_run.ticket(incident)
        assert engine.journal.incidents() == []
        await engine.close()
        assert recorded(sim, "write") == []
    assert ticket
    assert ticket.sentence == "Open an issue in vintstreet/storefront: [SIMULATED] DRY-RUN: Payment processing down"
    assert told["CTO"] == "no one is named as CTO: write the name under `people` in plan.yaml"
    assert "it depends" in told["CEO"]
    assert any(step.title == "Share learnings with the team" for step in steps)  # only for some kinds
    rollback = next(step for step in steps if "vintstreet-00041-wex" in step.sentence)
    assert rollback.roles
    assert rollback.details
    assert {step.phase.value for step in steps} == {"detect", "contain", "investigate", "resolve", "review"}


async def test_a_dry_run_says_by_which_way_each_person_would_be_notified(tmp_path: Path) -> None:
    """The first way that reaches the person; without one, why not. No message is sent."""
    company = notified(line("cto"), line("tech_lead"), people={"Theo": {}})
    async with scene(tmp_path, company, broken(), ALERT) as it:
        told = {one.title: one.sentence for one in it.engine.dry_run.notices(it.incident, [], it.watch.now)}
        assert told["CTO"] == "Cara, by slack"
        assert told["Tech Lead"].startswith(
            "Theo would not be notified, because Theo has no contact: add `slack` or `pagerduty`"
        )
        assert sent(it.incident) == []
