"""Waiting of a phase's run: each open question gets a run of its own, and the phase's run is suspended without a form.

So questions to different people can be answered in any order in Prefect, and a form never shows another question than
the one that its run was started for.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

from prefect.flow_runs import asuspend_flow_run

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.flow_runs import open_questions, question_message
from allclear.engine.response.moves import Wait
from allclear.engine.response.step_keys import hold_id
from flows.approval_form import LONGEST_WAIT, POLL_SECONDS, QUICK
from flows.run_context import deliver, run_id


async def wait_for_people(engine: Engine, incident: str, phase: Phase, move: Wait, by: By) -> None:
    """Return once something is left to do in `phase`; `move` is what it waits for.

    If people need more than QUICK seconds, start a run for each open question and suspend this run.
    """
    if not await _waits_still(engine, incident, phase, move):
        return
    _offer_questions(engine, incident, by)
    await deliver(engine, incident)
    released = [hold_id(incident)] if move.held else []
    engine.journal.add_waiting_run(run_id(), incident, *move.asks, *released)
    if engine.conductor.next_move(incident, phase) == move:
        # The key is new each time: a run that was resumed while nothing was answered must be suspended again.
        await asuspend_flow_run(key=uuid4().hex, timeout=LONGEST_WAIT)


async def _waits_still(engine: Engine, incident: str, phase: Phase, move: Wait) -> bool:
    """Return whether `move` is still the next one when its newest question has been open for QUICK seconds."""
    asks = engine.conductor.incident(incident).asks
    left = QUICK - min(((utc_now() - asks[ask].opened).total_seconds() for ask in move.asks), default=QUICK)
    for _ in range(max(0, round(left / POLL_SECONDS))):
        if engine.conductor.next_move(incident, phase) != move:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return engine.conductor.next_move(incident, phase) == move


def _offer_questions(engine: Engine, incident_id: str, by: By) -> None:
    """Have a run started for each question of the incident that waits for people; one that has a run gets no second."""
    asks = open_questions(engine.journal, engine.conductor.incident(incident_id))
    engine.journal.append(incident_id, [], by, outbox=[question_message(incident_id, ask) for ask in asks])
