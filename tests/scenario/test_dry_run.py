"""A dry run of a whole runbook."""

from __future__ import annotations

import json
from pathlib import Path

from allclear.bootstrap import make_engine
from allclear.domain.records import By
from allclear.engine.people.declare import Declaration
from allclear.engine.response.dry_run import dry_run_incident
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated, quick, recorded


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
        assert engine.journal.incidents() == []
        await engine.close()
        assert recorded(sim, "write") == []
    rollback = next(step for step in steps if "vintstreet-00041-wex" in step.sentence)
    assert rollback.roles
    assert rollback.details
    assert {step.phase.value for step in steps} == {"detect", "contain", "investigate", "resolve", "review"}
