"""What the on-call starts by hand in Prefect: one small flow for each action, each its own confirmation."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger
from prefect.states import Completed

from allclear.bootstrap import open_engine
from allclear.domain.errors import AllclearError
from allclear.engine.actions.manual import ManualRequest
from flows.artifacts import publish
from flows.phase_loop import deliver
from flows.run_context import Ended, name_run, not_done, run_id


async def order(action: str, params: dict[str, Any], *, name: str, role: str, reason: str, incident: str) -> Ended:
    """Do one act in the name of a person and returns what became of it: Failed where it was not done."""
    try:
        return await _order(action, params, name=name, role=role, reason=reason, incident=incident.strip().upper())
    except AllclearError as error:
        return not_done(str(error))


async def _order(action: str, params: dict[str, Any], *, name: str, role: str, reason: str, incident: str) -> Ended:
    async with open_engine() as engine:
        by = engine.people.who(name, role or None, "prefect")
        key = run_id()[:8] or None
        request = ManualRequest(action, params, reason, incident or None, key=key)
        result = await engine.manual.do(request, by)
        await name_run(engine.conductor.incident(result.incident))
        await publish(engine, result.incident)
        await deliver(engine, result.incident)
    if result.outcome is None:
        return not_done(f"NOT done: {result.act} of {result.incident} waits for {', '.join(result.waiting)}.")
    if not result.outcome.good:
        return not_done(f"{result.act}: {result.outcome.sentence} {result.outcome.next_step}")
    said = f"{result.act} of {result.incident}: {result.outcome.sentence}"
    get_run_logger().info(said)
    return Completed(message=said)


@flow(name="roll_back_traffic", persist_result=False)
async def roll_back_traffic(  # noqa: PLR0913 - the fields of a form
    service: str,
    reason: str,
    name: str,
    role: str = "on_call",
    revision: str = "previous",
    incident: str = "",
    region: str = "",
) -> Ended:
    """Send all traffic of a service back to an earlier revision, now. Starting it is the confirmation.

    Args:
        service: Which service.
        reason: Why; it goes into the record.
        name: Who you are.
        role: In which role you decide.
        revision: An exact revision, or `previous` for the one that served before.
        incident: The incident it belongs to; empty joins the open one, or opens one.
        region: Which region, for a service that runs in several; empty for one that does not.
    """
    params = {"service": service, "to": revision} | _in(region)
    return await order("cloud_run.rollback_traffic", params, name=name, role=role, reason=reason, incident=incident)


@flow(name="disable_flag", persist_result=False)
async def disable_flag(flag: str, reason: str, name: str, role: str = "on_call", incident: str = "") -> Ended:
    """Switch a feature flag off, now. Starting it is the confirmation.

    Args:
        flag: Which flag.
        reason: Why; it goes into the record.
        name: Who you are.
        role: In which role you decide.
        incident: The incident it belongs to; empty joins the open one, or opens one.
    """
    return await order("feature_flag.disable", {"flag": flag}, name=name, role=role, reason=reason, incident=incident)


@flow(name="maintenance_mode", persist_result=False)
async def maintenance_mode(  # noqa: PLR0913 - the fields of a form
    service: str,
    reason: str,
    name: str,
    role: str = "on_call",
    on: bool = True,
    incident: str = "",
    region: str = "",
) -> Ended:
    """Put a service into maintenance, or out of it, now. Starting it is the confirmation.

    Args:
        service: Which service.
        reason: Why; users will notice.
        name: Who you are.
        role: In which role you decide.
        on: On shows users the maintenance page; off ends it.
        incident: The incident it belongs to; empty joins the open one, or opens one.
        region: Which region, where maintenance is a revision and the service runs in several; else empty.
    """
    action = "maintenance.enable" if on else "maintenance.disable"
    params = {"service": service} | _in(region)
    return await order(action, params, name=name, role=role, reason=reason, incident=incident)


def _in(region: str) -> dict[str, str]:
    return {"region": region.strip()} if region.strip() else {}
