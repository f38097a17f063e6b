"""What Prefect shows of an incident while it runs: a timeline and a table of acts, each kept up to date in place."""

from __future__ import annotations

from prefect.artifacts import acreate_markdown_artifact

from allclear.bootstrap import Engine
from allclear.postmortem.page import markdown_acts, markdown_timeline


async def publish(engine: Engine, incident_id: str) -> None:
    """Writes the incident's timeline and acts as artifacts `vs-12-timeline` and `vs-12-acts`."""
    incident = engine.conductor.incident(incident_id)
    entries = engine.journal.entries(incident_id)
    banner = "> **SIMULATED**: nothing here touches production.\n\n" if incident.opened.simulated else ""
    key = incident_id.lower()
    await acreate_markdown_artifact(
        key=f"{key}-timeline",
        markdown=banner + markdown_timeline(incident, entries, engine.company.plan),
        description=f"What happened in {incident_id}, as it stands now",
    )
    await acreate_markdown_artifact(
        key=f"{key}-acts", markdown=banner + markdown_acts(incident), description=f"What was done in {incident_id}"
    )
