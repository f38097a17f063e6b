"""The responder and a flow carry an incident on at the same time, and both begin the same check."""

from __future__ import annotations

import asyncio
from pathlib import Path

from allclear.domain.records import StepDone
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Enter, RunProbe
from tests.scenario.response_support import ALERT, MACHINE, broken, vintstreet
from tests.scenario.scenes import scene


async def test_a_check_that_two_processes_begin_is_journalled_once(tmp_path: Path) -> None:
    """A second finding would ask people again what they have answered by the first one."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        conductor = it.engine.conductor
        while isinstance(move := conductor.next_move(it.incident_id, Phase.DETECT), Enter):
            await conductor.make(it.incident_id, move, MACHINE)
        assert isinstance(move, RunProbe)
        await asyncio.gather(*(conductor.make(it.incident_id, move, MACHINE) for _ in range(2)))
        records = [entry.record for entry in it.engine.journal.entries(it.incident_id)]
        assert [record.step for record in records if isinstance(record, StepDone)] == [move.key]
