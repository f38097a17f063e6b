"""The review phase as a Prefect flow."""

from __future__ import annotations

from prefect import flow

from allclear.domain.runbook import Phase
from flows.phase_loop import carry_on


@flow(name="review", flow_run_name="{incident} review", persist_result=False)
async def review(incident: str) -> str:
    """Ask for the post-mortem's words and follow-ups.

    Started for you by the phase before it. Start it by hand to go on with an incident whose run is gone: it finds out
    from the journal what is done.

    Args:
        incident: The incident's id, as VS-12.
    """
    return await carry_on(incident, Phase.REVIEW)
