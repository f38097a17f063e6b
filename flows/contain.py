"""The contain phase as a Prefect flow."""

from __future__ import annotations

from prefect import flow

from allclear.domain.runbook import Phase
from flows.phase_loop import run_phase
from flows.run_context import Ended


@flow(name="contain", flow_run_name="{incident} contain", persist_result=False)
async def contain(incident: str) -> Ended:
    """Stop the damage, with an approval where one is needed, and prove that it has stopped.

    The phase before it starts this run. Start it by hand only if the incident's run is gone. This run reads in the
    journal what is done, and continues.

    Args:
        incident: The incident's id, as VS-12.
    """
    return await run_phase(incident, Phase.CONTAIN)
