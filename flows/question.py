"""One question to people as a Prefect flow: its run is suspended, and its form takes the answer."""

from __future__ import annotations

from prefect import flow

from allclear.bootstrap import Engine
from allclear.domain.errors import NotFound
from allclear.domain.records import By
from allclear.engine.flow_runs import ask_named, how_it_ended, is_asked
from flows.approval_form import wait_for_answer
from flows.artifacts import publish
from flows.run_context import Ended, deliver
from flows.shown import Shown, carried_out


@flow(name="question", persist_result=False)
async def question(incident: str, ask: str) -> Ended:
    """Put one question to people. Press Resume on the page of the suspended run to answer it.

    allclear starts one such run for each question, so that several people can answer theirs in any order.

    Args:
        incident: The incident's id, as VS-12.
        ask: The question's id, as VS-12/contain/roll-back; in a private incident its number, as VS-12/question-7.
    """

    async def work(engine: Engine, shown: Shown) -> str:
        state = engine.conductor.incident(incident)
        asked = ask_named(state, ask)
        if asked not in state.asks:
            raise NotFound(f"{ask} was never asked.", f"What waits for people: allclear show {incident}")
        if is_asked(state, asked):
            await wait_for_answer(engine, shown, incident, asked)
            if engine.conductor.incident(incident).over:  # the responder works only on open incidents
                await engine.manual.after_answer(asked, By(actor="allclear", via="prefect"))
            await publish(engine, incident)
            await deliver(engine, incident)
        return how_it_ended(engine.company.plan, engine.conductor.incident(incident), asked)

    return await carried_out(work, incident)
