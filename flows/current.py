"""Which flow run this is."""

from __future__ import annotations

from prefect.context import FlowRunContext


def run_id() -> str:
    """Returns the id of the flow run that calls this; empty outside of one."""
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else ""
