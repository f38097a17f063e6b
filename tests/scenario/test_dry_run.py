"""The dry run of a whole runbook."""

from __future__ import annotations

import json
from pathlib import Path

from allclear.bootstrap import make_engine
from allclear.domain.records import By
from allclear.engine.people.people import Declaration
from allclear.engine.response.dry_run import imagined
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated, quick, recorded


async def test_a_dry_run_walks_every_step_and_writes_nothing(tmp_path: Path) -> None:
    """Every step of the runbook is told with its exact change, and neither a system nor the journal is written to."""
    async with Simulated(quick()) as sim:
        described = tmp_path / "simulation.json"
        described.write_text(json.dumps(sim.announcement()))
        settings = Settings(journal_url=f"sqlite:///{tmp_path / 'journal.db'}", simulation=described)
        engine = make_engine(settings, environ={})
        said = Declaration("Payment processing down", "P0", "storefront", "bad-deployment")
        runbook = engine.company.runbook(said.runbook)
        opened = engine.people.opening(said, By(actor="allclear", via="dry run"))
        tried = [one async for one in engine.dry_run.walk(imagined(opened), runbook)]
        assert engine.journal.incidents() == []
        await engine.close()
        assert recorded(sim, "write") == []
    rollback = next(one for one in tried if "vintstreet-00041-wex" in one.sentence)
    assert rollback.asks
    assert rollback.details
    assert {one.phase.value for one in tried} == {"detect", "contain", "investigate", "resolve", "review"}
