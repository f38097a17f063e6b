"""One action that a person starts by hand in Prefect. Its deployments, one for each action, are in the catalog."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger
from prefect.states import Completed

from allclear.bootstrap import open_engine
from allclear.domain.errors import AllclearError, NotAllowed
from allclear.engine.actions.manual import ManualRequest, ManualResult, may_start_manually
from flows.artifacts import publish
from flows.phase_loop import deliver
from flows.run_context import Ended, name_run, not_done, run_id


@flow(name="manual_action", persist_result=False)
async def manual_action(
    action: str, params: dict[str, Any], reason: str, name: str, role: str, incident: str = ""
) -> Ended:
    """Carry out one action now, in the name of a person. To start it is to confirm it.

    Args:
        action: The action, as `allclear actions` lists it.
        params: What the action is about.
        reason: Why it is done. It goes into the record.
        name: Who you are. It goes into the record.
        role: The role in which you decide.
        incident: The incident that it belongs to, as VS-12. If empty, it joins the open incident or opens one.
    """
    stripped = {key: value.strip() if isinstance(value, str) else value for key, value in params.items()}
    given = {key: value for key, value in stripped.items() if value not in (None, "")}
    request = ManualRequest(action, given, reason, incident.strip().upper() or None, key=run_id()[:8] or None)
    try:
        result = await _carry_out(request, name, role)
    except AllclearError as error:
        return not_done(str(error))
    if result.outcome is None:
        waiting = ", ".join(f"allclear approve {ask} --as NAME" for ask in result.waiting)
        return not_done(
            f"{result.act} of {result.incident} is NOT done. Another person must approve it first: {waiting}"
        )
    if not result.outcome.good:
        return not_done(f"{result.act}: {result.outcome.sentence} {result.outcome.next_step}")
    sentence = f"{result.act} of {result.incident}: {result.outcome.sentence}"
    get_run_logger().info(sentence)
    return Completed(message=sentence)


async def _carry_out(request: ManualRequest, name: str, role: str) -> ManualResult:
    """Return the action's result. Raises AllclearError if a parameter does not fit, or the person may not decide."""
    async with open_engine() as engine:
        action = engine.registry.action(request.action)
        if not may_start_manually(action):  # a run may name another action than its deployment does
            raise NotAllowed(f"{action.name} is not an action to start by hand in Prefect.", "Use its own deployment.")
        result = await engine.manual.do(request, engine.people.who(name, role or None, "prefect"))
        await name_run(engine.conductor.incident(result.incident), action.title)
        await publish(engine, result.incident)
        await deliver(engine, result.incident)
    return result
