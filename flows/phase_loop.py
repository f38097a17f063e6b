"""The loop that carries an incident through a phase: move after move, suspended while people have to answer.

The flow keeps no state of its own. Whenever it starts, also after a crash, the journal says what comes next.
"""

from __future__ import annotations

import asyncio
import logging

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError, Refused, VendorError
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
from flows.run_context import Ended, deliver, name_run, run_id
from flows.shown import Shown, carried_out
from flows.waiting import wait_for_people
from tasks.prefect_task import run_step

_TRIES, _PAUSE = 30, 2.0
"""How often an interrupted action is retried while its system does not answer, and the seconds between two tries."""


async def run_phase(incident: str, phase: Phase) -> Ended:
    """Carry `incident` through `phase`, and return the state in which the run ends.

    Suspends the flow run while people have to answer.
    """
    by = By(actor="allclear", via=f"flow {phase.value}")

    async def work(engine: Engine, shown: Shown) -> str:
        _record_run(engine, incident, phase, by)
        await name_run(engine, engine.conductor.incident(incident))
        while True:
            move = engine.conductor.next_move(incident, phase)
            if isinstance(move, Over):
                break
            if isinstance(move, Wait):
                await publish(engine, incident)
                await wait_for_people(engine, incident, phase, move, by)
                continue
            shown.log(await _make(engine, shown, incident, phase, move, by))
            if isinstance(move, CarryOut):
                await publish(engine, incident)
        await publish(engine, incident)
        if phase is Phase.REVIEW:
            await publish_post_mortem(engine, incident)
        await deliver(engine, incident)
        ended = engine.conductor.incident(incident).ended
        return f"{phase.value} of {incident} is done" + (f": {ended.reason}" if ended else ".")

    return await carried_out(work, incident)


async def _make(engine: Engine, shown: Shown, incident: str, phase: Phase, move: Move, by: By) -> str:
    """Make the move as a Prefect task, and return the timeline's sentences about it.

    Prefect keeps what the task returns and raises, so that both say nothing of a private incident.
    """

    async def perform() -> str:
        before = engine.conductor.incident(incident).length
        try:
            await _make_with_retries(engine, shown, incident, phase, move, by)
        except AllclearError as error:
            if not shown.private:
                raise
            raise Refused(shown.problem(error), "") from None
        return shown.text(engine.conductor.summary_since(incident, before), "A step is done.")

    return await run_step(type(move).__name__ if shown.private else title_of(move), perform)


async def _make_with_retries(engine: Engine, shown: Shown, incident: str, phase: Phase, move: Move, by: By) -> None:
    """Make the move; while the system of an interrupted action does not answer, try again. Raises AllclearError."""
    for _ in range(_TRIES):
        try:
            await engine.conductor.make(incident, phase, move, by)
        except VendorError as error:
            shown.log(f"{error.message} {error.next_step} Will retry in {_PAUSE:.0f} s.", logging.WARNING)
            await asyncio.sleep(_PAUSE)
        else:
            return
    await engine.conductor.make(incident, phase, move, by)


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
