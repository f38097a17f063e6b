"""One action that a person starts by hand in Prefect. Its deployments, one for each action, are in the catalog."""

from __future__ import annotations

from typing import Any

from prefect import flow

from allclear.bootstrap import Engine
from allclear.commands.acts import Act
from allclear.commands.base import read_fields
from allclear.domain.errors import NotAllowed, Refused
from allclear.engine.actions.manual import ManualResult
from allclear.engine.actions.offered import may_start_manually
from flows.approval_form import wait_for_answer
from flows.artifacts import publish
from flows.run_context import Ended, author, deliver, name_run, run_id
from flows.shown import Shown, carried_out


@flow(name="manual_action", persist_result=False)
async def manual_action(
    action: str, params: dict[str, Any], reason: str, name: str, role: str, incident: str = ""
) -> Ended:
    """Carry out one action now, in the name of a person. To start it is to confirm it.

    If this person may not approve it, the run is suspended until a person who may has answered.

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
    said = {"action": action, "params": given, "reason": reason, "incident": incident.strip().upper() or None}

    async def work(engine: Engine, shown: Shown) -> str:
        act = _continued(engine, read_fields(Act, said))
        shown.about(act.incident or "")
        result = await _carry_out(engine, shown, act, name, role)
        while result.outcome is None:
            await wait_for_answer(engine, shown, result.incident, result.waiting[0])
            result = await _carry_out(engine, shown, _continued(engine, act), name, role)
        if not result.outcome.good:
            raise Refused(f"{result.act}: {result.outcome.sentence}", result.outcome.next_step)
        return f"{result.act} of {result.incident}: {result.outcome.sentence}"

    return await carried_out(work, incident)


def _continued(engine: Engine, act: Act) -> Act:
    """Return the command, for the incident in which this run has waited before. Raises NotAllowed if it has ended."""
    waited = engine.journal.awaited_by(run_id())
    if waited is None:
        return act
    if engine.conductor.incident(waited[0]).over:
        problem = f"{waited[0]} ended while this action waited for an approval: it is NOT done."
        raise NotAllowed(problem, "Start it again if it is still needed.")
    return act.model_copy(update={"incident": waited[0]})


async def _carry_out(engine: Engine, shown: Shown, act: Act, name: str, role: str) -> ManualResult:
    """Return the action's result. Raises AllclearError if a parameter does not fit, or the person may not decide."""
    action = engine.registry.action(act.action)
    if not may_start_manually(action):  # a run may name another action than its deployment does
        raise NotAllowed(f"{action.name} is not an action to start by hand in Prefect.", "Use its own deployment.")
    result = await act.start(engine, author(engine, name, role))
    shown.about(result.incident)
    await name_run(engine, engine.conductor.incident(result.incident), action.title)
    await publish(engine, result.incident)
    await deliver(engine, result.incident)
    return result
