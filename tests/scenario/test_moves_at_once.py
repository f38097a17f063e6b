"""The responder and a flow carry an incident on at the same time, and both choose the same move."""

from __future__ import annotations

import asyncio
from pathlib import Path

from allclear.domain.records import By, StepDone
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import AskPeople, Move, RunProbe
from tests.contract.simulator_support import quick
from tests.scenario.response_support import ALERT, MACHINE, broken, vintstreet
from tests.scenario.scenes import Scene, scene


async def until_next_is(it: Scene, kind: type[Move]) -> Move:
    """Make the moves of detection until the next one is of `kind`, and return it; it is not made."""
    while not isinstance(move := it.engine.conductor.next_move(it.incident_id, Phase.DETECT), kind):
        await make(it, move)
    return move


async def make(it: Scene, move: Move) -> None:
    """Make a move of detection that was chosen before."""
    await it.engine.conductor.make(it.incident_id, Phase.DETECT, move, MACHINE)


async def test_a_check_that_two_processes_begin_is_journalled_once(tmp_path: Path) -> None:
    """A second finding would ask people again what they have answered by the first one."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        move = await until_next_is(it, RunProbe)
        await asyncio.gather(make(it, move), make(it, move))
        await make(it, move)
        records = [entry.record for entry in it.engine.journal.entries(it.incident_id)]
        assert [record.step for record in records if isinstance(record, StepDone)] == [move.key]


async def test_a_question_that_two_processes_choose_is_asked_once(tmp_path: Path) -> None:
    """People may answer before the second process comes to ask; then their answer is kept."""
    async with scene(tmp_path, vintstreet(), quick("healthy"), ALERT) as it:
        move = await until_next_is(it, AskPeople)
        await make(it, move)
        [asked] = it.incident.open_asks
        it.engine.people.answer(
            asked.ask.id, By(actor="Ana", role="tech_lead", via="cli"), yes=False, reason="It fails."
        )
        length = it.incident.length
        await make(it, move)
        assert it.incident.length == length
        assert [answer.reason for answer in it.incident.asks[asked.ask.id].answers] == ["It fails."]
