"""The review of an incident that has ended: what it still does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from allclear.domain.records import StepDone
from allclear.domain.runbook import Phase, Step
from tests.patience import HUNG
from tests.scenario.response_support import ALERT, broken, person_for, vintstreet
from tests.scenario.scenes import scene


async def test_a_probe_of_the_review_is_run_once_although_the_incident_has_ended(tmp_path: Path) -> None:
    """Its finding was refused because the incident was over, so the same move came again without end."""
    company = vintstreet()
    book = company.runbooks["bad-deployment"]
    look = Step.model_validate(
        {"id": "look", "title": "Look once more", "probe": "http.health", "with": {"service": "storefront"}}
    )
    reviewed = book.model_copy(update={"review": [look]})
    company = replace(company, runbooks={**company.runbooks, book.name: reviewed})
    async with scene(tmp_path, company, broken(), ALERT) as it:
        await it.past_detection()
        it.engine.people.resolve(it.incident_id, "the test ends it", person_for(it.incident.open_asks[0].ask))
        async with asyncio.timeout(HUNG):
            await it.to(Phase.REVIEW)
        looked = [entry for entry in it.engine.journal.entries(it.incident_id) if isinstance(entry.record, StepDone)]
        assert [entry.record.step for entry in looked if isinstance(entry.record, StepDone)].count("look") == 1
