"""The investigate phase as a Prefect flow."""

from __future__ import annotations

from prefect import flow

from allclear.domain.runbook import Phase
from flows.phase_loop import carry_on


@flow(name="investigate", flow_run_name="{incident} investigate", persist_result=False)
async def investigate(incident: str) -> str:
    """Gather evidence and asks people for the cause.

    Started for you by the phase before it. Start it by hand to go on with an incident whose run is gone: it finds out
    from the journal what is done.

    Args:
        incident: The incident's id, as VS-12.
    """
    return await carry_on(incident, Phase.INVESTIGATE)
