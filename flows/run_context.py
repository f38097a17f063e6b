"""The flow run that this process carries out: its id, its name in Prefect, what it delivers, and how it ends."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect import State, get_client, get_run_logger
from prefect.context import FlowRunContext
from prefect.states import Failed

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError
from allclear.domain.incident import Incident
from allclear.domain.privacy import is_private
from allclear.domain.records import By
from allclear.domain.requests import request_key
from allclear.engine.flow_runs import tags_of
from allclear.engine.outbox import OutboxDelivery
from allclear.engine.prefect_privacy import hidden_name
from allclear.prefect_api import PrefectApi

Ended = State[Any]
"""How a run ends: Completed or Failed, with a sentence."""


def run_id() -> str:
    """Return the id of the flow run that calls this; empty outside of one."""
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else ""


def author(engine: Engine, name: str, role: str, form: str = "") -> By:
    """Return the person whom a form of Prefect names. The run is the request: one that starts again repeats nothing.

    `form` is the key of the form, for a run that shows several. Raises NotAllowed, NotFound if the person may not act
    in that role.
    """
    by = engine.people.who(name, role or None, "prefect")
    if run := run_id():
        by = by.model_copy(update={"request": request_key("prefect", f"{run}/{form}" if form else run, "")})
    return by


def not_done(sentence: str) -> Ended:
    """Return the Failed state of a run that did not do its work; Prefect shows the reason, and no traceback."""
    get_run_logger().error(sentence)
    return Failed(message=sentence)


async def name_run(engine: Engine, incident: Incident, what: str = "") -> None:
    """Name this run `VS-12 WHAT`, by default after its flow as in `VS-12 respond`, and tag it with the incident.

    A run of a private incident is not named after an action.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow is None:
        return
    what = what or context.flow.fn.__name__  # its name in Prefect begins with the company's
    private = is_private(engine.company.plan, incident)
    name = hidden_name(incident.id, what) if private else f"{incident.id} {what}"
    tags = {*context.flow_run.tags, *tags_of(incident)}
    async with get_client() as client:
        await client.update_flow_run(UUID(run_id()), name=name, tags=sorted(tags))


async def deliver(engine: Engine, incident: str) -> None:
    """Deliver the incident's outbox messages to Prefect at once; the responder delivers the rest later."""
    prefect = PrefectApi(engine.settings.prefect_api_url, engine.company.name)
    with suppress(AllclearError):
        await OutboxDelivery(engine.journal, prefect, engine.company).deliver(incident)
    await prefect.close()
