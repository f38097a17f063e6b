"""The chart of failures as an image of its own, which also fits a dark page."""

from __future__ import annotations

from collections.abc import Sequence

from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.records import Entry
from allclear.postmortem.failures_chart import marks, svg_chart
from allclear.postmortem.measurements import measure

_DARK = (
    "<style>@media (prefers-color-scheme: dark) {"
    " text { fill: #c9d1d9 !important; } .guides, .axis path, .line { stroke: #6e7781 !important; } }</style>"
)


def chart_svg(incident: Incident, entries: Sequence[Entry], plan: Plan) -> str:
    """Return the chart as SVG; an empty drawing without a measurement."""
    svg = svg_chart(measure(incident, entries), marks(incident), plan.zone)
    if not svg:
        return '<svg xmlns="http://www.w3.org/2000/svg"/>'
    return svg.removesuffix("</svg>") + _DARK + "</svg>" if svg.endswith("</svg>") else svg
