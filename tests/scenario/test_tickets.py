"""The ticket of a P2 at VintStreet is opened once and closed with the incident; test_severity_tickets.py has P3."""

from __future__ import annotations

from pathlib import Path

import pytest

from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.people.declare import Declaration
from tests.contract.simulator_support import quick
from tests.scenario.response_support import ALERT, run_phase, vintstreet, writes
from tests.scenario.scenes import scene


@pytest.mark.parametrize(
    ("severity", "kind", "labels"),
    [
        ("P2", "degradation", ["incident", "storefront"]),
        ("P1", "degradation", None),
        ("P2", "security", None),
    ],
)
async def test_a_ticket_is_opened_for_the_team(
    tmp_path: Path, severity: str, kind: str, labels: list[str] | None
) -> None:
    """No one is asked for it; a private incident gets none, because everyone who reads the repository would read it."""
    async with scene(tmp_path, vintstreet(), quick("healthy"), ALERT) as it:
        ana = By(actor="Ana", role="on_call", via="cli")
        declaration = Declaration("Search is slow", severity, "storefront", "broken-feature", kind=kind)
        it.incident_id = it.engine.people.declare(declaration, ana)
        world = it.simulated.world
        await run_phase(it.engine, world, it.incident_id, Phase.CONTAIN)
        assert world.github is not None
        issues = world.github.issues
        assert [issue.labels for issue in issues] == ([labels] if labels else [])
        if labels is None:
            return
        assert "Search is slow" in issues[0].title
        assert "SIMULATED" in issues[0].title
        assert issues[0].body.endswith(f"allclear ticket {it.incident_id}")
        await run_phase(it.engine, world, it.incident_id, Phase.RESOLVE)
        assert issues[0].state == "closed"
        assert [line["method"] for line in writes(world, "github")][:1] == ["create_issue"]
