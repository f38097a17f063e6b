"""The resolve phase as a Prefect flow."""

from __future__ import annotations

from prefect import flow

from allclear.domain.runbook import Phase
from flows.phase_loop import run_phase
from flows.run_context import Ended


@flow(name="resolve", flow_run_name="{incident} resolve", persist_result=False)
async def resolve(incident: str) -> Ended:
    """See that the fix is in place, prove that the service has recovered, and undo what containment left behind.

    The phase before it starts this run. Start it by hand only if the incident's run is gone. This run reads in the
    journal what is done, and continues.

    Args:
        incident: The incident's id, as VS-12.
    """
    return await run_phase(incident, Phase.RESOLVE)
