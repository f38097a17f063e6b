"""Prefect's artifacts of an incident: its page, timeline, table of acts and post-mortem, each under one key."""

from __future__ import annotations

from prefect import get_client
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import get_current_settings

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.local_times import zone_name
from allclear.domain.plan import Plan
from allclear.domain.plan_text import help_lines
from allclear.domain.privacy import is_private, where_to_read
from allclear.domain.text import markdown_safe
from allclear.engine.flow_runs import tags_of
from allclear.postmortem.acts_table import markdown_acts
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.timeline_list import markdown_timeline
from flows.overview import overview

_MOST_RUNS = 200
"""Prefect's own limit for one answer."""


async def publish(engine: Engine, incident_id: str) -> None:
    """Write the incident's page, timeline and acts as artifacts `vs-12`, `vs-12-timeline` and `vs-12-acts`."""
    incident = engine.conductor.incident(incident_id)
    entries = engine.journal.entries(incident_id)
    zone = zone_name(engine.company.plan.zone, incident.opened_at, utc_now())
    if is_private(engine.company.plan, incident):
        await acreate_markdown_artifact(
            key=incident_id.lower(),
            markdown=where_to_read(incident_id, engine.links.href(LinkTo(incident=incident_id))),
            description=f"{incident_id} is private: where to read it",
        )
        return
    banner = "> **SIMULATED**: nothing here touches production.\n\n" if incident.opened.simulated else ""
    key = incident_id.lower()
    ui = (get_current_settings().ui_url or "").rstrip("/")
    page = engine.links.href(LinkTo(incident=incident_id))  # many people read it, so it signs no one in
    await acreate_markdown_artifact(
        key=key,
        markdown=banner + overview(incident, engine.company.plan, ui, await _runs_of(incident), page),
        description=f"{incident_id}: its state, what is asked now, and where to go on",
    )
    await acreate_markdown_artifact(
        key=f"{key}-timeline",
        markdown=banner + markdown_timeline(incident, entries, engine.company.plan) + _help(engine.company.plan),
        description=f"The timeline of {incident_id} so far. Times are {zone}.",
    )
    await acreate_markdown_artifact(
        key=f"{key}-acts",
        markdown=banner + markdown_acts(incident, engine.company.plan),
        description=f"The actions carried out in {incident_id}",
    )


async def _runs_of(incident: Incident) -> dict[str, str]:
    """Return the names of the incident's flow runs, each with the id of the newest run of that name."""
    of_incident = FlowRunFilter(tags=FlowRunFilterTags(all_=[incident.id]))
    async with get_client() as client:
        runs = await client.read_flow_runs(
            flow_run_filter=of_incident, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=_MOST_RUNS
        )
    return {run.name: str(run.id) for run in runs if tags_of(incident)[-1] in run.tags}


def _help(plan: Plan) -> str:
    """Return a section with the outside contacts and the pages that responders need, if the plan has any."""
    lines = [f"- {markdown_safe(line)}" for line in help_lines(plan)]
    return "\n".join(["", "", "## Help and pages", "", *lines, ""]) if lines else ""


async def publish_post_mortem(engine: Engine, incident_id: str) -> None:
    """Write the post-mortem as it stands as the artifact `vs-12-post-mortem`."""
    incident = engine.conductor.incident(incident_id)
    if is_private(engine.company.plan, incident):
        return
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
