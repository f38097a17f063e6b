"""The quarterly drill as a Prefect flow: an incident is rehearsed on a stack of its own, and the result kept here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact

from allclear.company import find_company
from allclear.domain.errors import Refused
from allclear.domain.incident import Incident
from allclear.domain.records import Entry
from allclear.domain.timeline import line_of
from allclear.drill.director import play
from allclear.settings import load_settings


@flow(name="drill", persist_result=False)
async def drill(scenario: str) -> str:
    """Rehearse an incident against a simulated production, with simulated people. Nothing real is touched.

    The drill runs on a stack of its own: its own journal and its own Prefect, on this machine only. Its timeline is in
    this run's log, and its post-mortem is among the artifacts. The run fails if the response fell short.

    Args:
        scenario: The incident to rehearse.
    """
    log = get_run_logger()
    company = find_company(load_settings().company)
    home = Path(".allclear/drills") / f"{scenario}-{datetime.now(UTC):%Y%m%d-%H%M%S}"

    def log_entry(entry: Entry, incident: Incident) -> None:
        line = line_of(entry, incident, company.plan)
        if not line.routine:
            log.info("%s", line.text)

    played = await play(company, scenario, home.resolve(), on_entry=log_entry, on_progress=log.info)
    await acreate_markdown_artifact(
        key=f"drill-{scenario}", markdown=played.post_mortem, description=f"The post-mortem of the drill {scenario}"
    )
    if not played.passed:
        raise Refused(f"The drill {scenario} fell short: {' '.join(played.misses)}", f"Read {played.home}.")
    return f"The drill {scenario} went as planned, in {played.seconds:.0f} s."
