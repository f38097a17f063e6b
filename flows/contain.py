"""The contain phase as a Prefect flow."""

from __future__ import annotations

from prefect import flow

from allclear.domain.runbook import Phase
from flows.phase_loop import carry_on


@flow(name="contain", flow_run_name="{incident} contain", persist_result=False)
async def contain(incident: str) -> str:
    """Stop the bleeding, with an approval where one is needed, and proves it.

    Started for you by the phase before it. Start it by hand to go on with an incident whose run is gone: it finds out
    from the journal what is done.

    Args:
        incident: The incident's id, as VS-12.
    """
    return await carry_on(incident, Phase.CONTAIN)
