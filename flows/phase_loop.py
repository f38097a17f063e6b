"""The loop that carries an incident through a phase: move after move, suspended while people have to answer.

The flow keeps no state of its own. Whenever it starts, also after a crash, the journal says what comes next.
"""

from __future__ import annotations

import asyncio

from prefect import get_run_logger

from allclear.bootstrap import Engine, open_engine
from allclear.domain.errors import VendorError
from allclear.domain.privacy import is_private
from allclear.domain.records import By, RunStarted
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import (
    AskPeople,
    CarryOut,
    Enter,
    FalseAlarm,
    HandOver,
    Leave,
    Move,
    Over,
    Propose,
    ProposeUndo,
    RunProbe,
    Wait,
    WithdrawAsk,
)
from flows.artifacts import publish, publish_post_mortem
from flows.private_incidents import in_prefect
from flows.run_context import deliver, name_run, run_id
from flows.waiting import wait_for_people
from tasks.prefect_task import run_step

_TRIES, _PAUSE = 30, 2.0
"""How often an interrupted action is retried while its system does not answer, and the seconds between two tries."""


async def run_phase(incident: str, phase: Phase) -> str:
    """Carry `incident` through `phase` and return how the phase ended, in a sentence.

    Suspends the flow run while people have to answer. Raises AllclearError if the journal has no such incident.
    """
    log = get_run_logger()
    by = By(actor="allclear", via=f"flow {phase.value}")
    async with open_engine() as engine:
        _record_run(engine, incident, phase, by)
        await name_run(engine.conductor.incident(incident))
        while True:
            move = engine.conductor.next_move(incident, phase)
            if isinstance(move, Over):
                break
            if isinstance(move, Wait):
                await publish(engine, incident)
                await wait_for_people(engine, incident, phase, move, by)
                continue
            log.info(await _make(engine, incident, move, by))
            if isinstance(move, CarryOut):
                await publish(engine, incident)
        await publish(engine, incident)
        if phase is Phase.REVIEW:
            await publish_post_mortem(engine, incident)
        await deliver(engine, incident)
        state = engine.conductor.incident(incident)
        ended = f"{phase.value} of {incident} is done" + (f": {state.ended.reason}" if state.ended else ".")
        return in_prefect(engine, state, ended)


async def _make(engine: Engine, incident: str, move: Move, by: By) -> str:
    """Make the move as a Prefect task, and return the timeline's sentences about it."""

    async def perform() -> str:
        before = engine.conductor.incident(incident).length
        for _ in range(_TRIES):
            try:
                await engine.conductor.make(incident, move, by)
                break
            except VendorError as error:  # an action was interrupted, and its system does not answer now
                get_run_logger().warning("%s %s Will retry in %.0f s.", error.message, error.next_step, _PAUSE)
                await asyncio.sleep(_PAUSE)
        else:
            await engine.conductor.make(incident, move, by)
        state = engine.conductor.incident(incident)
        return in_prefect(engine, state, engine.conductor.summary_since(incident, before))

    private = is_private(engine.company.plan, engine.conductor.incident(incident))
    return await run_step(type(move).__name__ if private else title_of(move), perform)


def title_of(move: Move) -> str:  # noqa: C901, PLR0911 - one line for each kind of move
    """Return the name of a move's task in Prefect."""
    match move:
        case Enter(phase=phase):
            return f"Begin the {phase.value} phase"
        case Leave(phase=phase):
            return f"End the {phase.value} phase"
        case CarryOut(title=title):
            return title
        case Propose(step=step):
            return f"Prepare: {step.title or step.id}"
        case ProposeUndo(title=title):
            return f"Prepare: {title}"
        case AskPeople(step=step):
            return f"Ask: {step.title or step.id}"
        case RunProbe(step=step):
            return step.title or step.id
        case WithdrawAsk(ask=ask):
            return f"Withdraw the question {ask}"
        case HandOver(act=act):
            return f"Hand over {act}"
        case FalseAlarm():
            return "End the incident as a false alarm"
        case Wait() | Over():
            return "Wait"


def _record_run(engine: Engine, incident: str, phase: Phase, by: By) -> None:
    if run := run_id():
        engine.journal.append(incident, [RunStarted(phase=phase.value, run=run, holder=engine.journal.holder)], by)
