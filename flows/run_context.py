"""Which flow run this is, and what Prefect calls it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect import State, get_client, get_run_logger
from prefect.context import FlowRunContext
from prefect.states import Failed

from allclear.domain.incident import Incident
from allclear.prefect_api import tags_of


def run_id() -> str:
    """Return the id of the flow run that calls this; empty outside of one."""
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else ""


Ended = State[Any]
"""How a run ends: Completed or Failed, with a sentence."""


def not_done(sentence: str) -> Ended:
    """Return the end of a run that did not do what it was started for: a person reads why, and no traceback."""
    get_run_logger().error(sentence)
    return Failed(message=sentence)


async def name_run(incident: Incident) -> None:
    """Name this run after its incident, as `VS-12 respond`, and tags it so that Prefect finds all runs of it."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow is None:
        return
    tags = {*context.flow_run.tags, *tags_of(incident)}
    async with get_client() as client:
        await client.update_flow_run(UUID(run_id()), name=f"{incident.id} {context.flow.name}", tags=sorted(tags))
