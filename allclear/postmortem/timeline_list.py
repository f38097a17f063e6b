"""The timeline of an incident as a Markdown list."""

from __future__ import annotations

from collections.abc import Sequence

from allclear.domain.incident import Incident
from allclear.domain.local_times import clock
from allclear.domain.plan import Plan
from allclear.domain.records import Entry
from allclear.domain.text import markdown_safe
from allclear.domain.timeline import timeline


def markdown_timeline(incident: Incident, entries: Sequence[Entry], plan: Plan) -> str:
    """Return the timeline as a Markdown list, without the lines for auditors; safe in an artifact."""
    lines = timeline(entries, plan, incident=incident)
    return "\n".join(f"- **{clock(line.at, plan.zone)}** {markdown_safe(line.text, 2000)}" for line in lines)
