"""Prefect's artifacts of an incident: its timeline, its table of acts and its post-mortem, each under one key."""

from __future__ import annotations

from prefect.artifacts import acreate_markdown_artifact

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.incident_summary import markdown_acts, markdown_timeline


async def publish(engine: Engine, incident_id: str) -> None:
    """Write the incident's timeline and acts as artifacts `vs-12-timeline` and `vs-12-acts`."""
    incident = engine.conductor.incident(incident_id)
    entries = engine.journal.entries(incident_id)
    banner = "> **SIMULATED**: nothing here touches production.\n\n" if incident.opened.simulated else ""
    key = incident_id.lower()
    await acreate_markdown_artifact(
        key=f"{key}-timeline",
        markdown=banner + markdown_timeline(incident, entries, engine.company.plan),
        description=f"The timeline of {incident_id} so far. Times are UTC.",
    )
    await acreate_markdown_artifact(
        key=f"{key}-acts",
        markdown=banner + markdown_acts(incident, engine.company.plan),
        description=f"The actions carried out in {incident_id}",
    )


async def publish_post_mortem(engine: Engine, incident_id: str) -> None:
    """Write the post-mortem as it stands as the artifact `vs-12-post-mortem`."""
    incident = engine.conductor.incident(incident_id)
    source = PostMortem(
        incident,
        engine.journal.entries(incident_id),
        engine.company.plan,
        engine.company.service(incident.opened.service).title,
        engine.company.post_mortem,
        utc_now(),
    )
    key = f"{incident_id.lower()}-post-mortem"
    await acreate_markdown_artifact(
        key=key, markdown=write_post_mortem(source), description=f"The post-mortem of {incident_id}"
    )
