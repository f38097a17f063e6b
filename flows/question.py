"""One question to people as a Prefect flow: its run is suspended, and its form takes the answer."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.states import Completed

from allclear.bootstrap import open_engine
from allclear.domain.errors import AllclearError
from allclear.domain.records import By
from allclear.engine.flow_runs import how_it_ended, is_asked
from flows.approval_form import wait_for_answer
from flows.artifacts import publish
from flows.private_incidents import in_prefect
from flows.run_context import Ended, deliver, not_done


@flow(name="question", persist_result=False)
async def question(incident: str, ask: str) -> Ended:
    """Put one question to people. Press Resume on the page of the suspended run to answer it.

    allclear starts one such run for each question, so that several people can answer theirs in any order.

    Args:
        incident: The incident's id, as VS-12.
        ask: The question's id, as VS-12/contain/roll-back.
    """
    try:
        async with open_engine() as engine:
            if ask not in engine.conductor.incident(incident).asks:
                return not_done(f"{ask} was never asked. What waits for people: allclear show {incident}")
            if is_asked(engine.conductor.incident(incident), ask):
                await wait_for_answer(engine, incident, ask)
                if engine.conductor.incident(incident).over:  # the responder works only on open incidents
                    await engine.manual.after_answer(ask, By(actor="allclear", via="prefect"))
                await publish(engine, incident)
                await deliver(engine, incident)
            state = engine.conductor.incident(incident)
            sentence = in_prefect(engine, state, how_it_ended(state, ask, engine.company.plan.zone))
    except AllclearError as error:
        return not_done(str(error))
    get_run_logger().info(sentence)
    return Completed(message=sentence)
