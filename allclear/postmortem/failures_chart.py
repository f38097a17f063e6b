"""The chart of failures over time, with what was done about them: as text for Markdown, and as SVG for HTML."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from xml.etree import ElementTree as ET

from allclear.domain.base import JsonDict
from allclear.domain.incident import Incident
from allclear.domain.local_times import local
from allclear.domain.text import SHORT, bare, plain
from allclear.postmortem.acts_table import changes_production
from allclear.postmortem.affected import BRIEF
from allclear.postmortem.measurements import Measurements, Sample, percent_words

CHART = "failures"
"""The language of the code block that holds the chart; the HTML has the SVG in its place."""

_ROWS = 16
"""The most measurements in the text."""

_BAR = 20
"""The signs of a bar that shows 100 percent."""


class Mark(NamedTuple):
    """One thing that was done or reached, with its number in the chart."""

    number: int
    at: datetime
    words: str


def marks(incident: Incident) -> list[Mark]:
    """Return what is marked in the chart: detection, each act that changed production, containment and recovery."""
    found = [(incident.opened_at, "detected")]
    found += [
        (act.finished_at, bare(act.proposed.title, SHORT))
        for act in incident.acts.values()
        if act.finished_at and act.outcome and act.outcome.changed and changes_production(act)
    ]
    for word, history in (("contained", incident.containment), ("recovered", incident.recovery)):
        found += [(period.since, word) for period in history.periods]
        found += [(period.until, f"not {word} any more") for period in history.lost if period.until]
    found.sort(key=lambda one: one[0])
    return [Mark(number, at, words) for number, (at, words) in enumerate(found, 1)]


def _time(at: datetime, zone: tzinfo, *, brief: bool) -> str:
    return f"{local(at, zone):{'%H:%M:%S' if brief else '%H:%M'}}"


def legend(measured: Measurements, marked: Sequence[Mark], zone: tzinfo) -> list[tuple[int, str]]:
    """Return the numbers of the drawing, with the time and the words of each."""
    brief = bool(marked) and _brief(measured, marked)
    return [(mark.number, f"{_time(mark.at, zone, brief=brief)} {mark.words}") for mark in marked]


def _brief(measured: Measurements, marked: Sequence[Mark]) -> bool:
    times = [*(sample.at for sample in measured.samples), *(mark.at for mark in marked)]
    return max(times) - min(times) < BRIEF


def text_chart(measured: Measurements, marked: Sequence[Mark], zone: tzinfo) -> str:
    """Return the chart as a block of text: a bar for each measurement, and a line for each mark; empty without any.

    It holds no text of strangers but the titles of acts, on one line each: a code block cannot be ended from within.
    """
    if not measured.samples:
        return ""
    brief = _brief(measured, marked)
    rows = [(sample.at, 1, _bar(sample)) for sample in _thinned(measured.samples)]
    rows += [(mark.at, 0, f"[{mark.number}] {mark.words}".replace("`", "'")) for mark in marked]
    lines = [f"{_time(at, zone, brief=brief)}  {words}" for at, _, words in sorted(rows)]
    return "\n".join([caption(measured), "", f"```{CHART}", *lines, "```"])


def caption(measured: Measurements) -> str:
    """Return the sentence that says what the chart shows, and who measured it."""
    if measured.of_users and measured.traffic:
        return f"**Failed requests of users over time** (counted by {plain(measured.traffic.source, 40)}):"
    return "**Failed requests over time** (health checks from outside, not users' requests):"


def _bar(sample: Sample) -> str:
    signs = "#" * max(round(sample.percent * _BAR / 100), 1 if sample.failed else 0)
    return f"{signs:{_BAR}}  {percent_words(sample.percent)} ({sample.failed:,} of {sample.requests:,})"


def _thinned(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples, or groups of neighbours added up if there are too many for the text."""
    size = -(-len(samples) // _ROWS)
    groups = [samples[start : start + size] for start in range(0, len(samples), size)] if samples else []
    return [
        Sample(group[0].at, sum(one.requests for one in group), sum(one.failed for one in group)) for group in groups
    ]


# --- SVG -------------------------------------------------------------------------------------


_WIDTH, _HEIGHT = 640, 280
_NEAR = 0.03
"""Marks that are nearer than this share of the chart's width have one line together."""
_FAILED, _MARKED = "#b03a2e", "#1f5f8b"
_TICKS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Seconds between two labels of the time axis."""


def _pygal() -> tuple[Any, Any]:
    """Return pygal and its styles, which have no types. The import takes a fifth of a second, and only HTML needs it.

    pygal also installs an importer for plug-ins, which has no `find_spec`: from then on each import of another module
    that is missing would warn. We use no plug-in of pygal, so the importer is removed.
    """
    modules = cast("Any", import_module("pygal")), cast("Any", import_module("pygal.style"))
    sys.meta_path[:] = [importer for importer in sys.meta_path if type(importer).__module__ != "pygal"]
    return modules


def svg_chart(measured: Measurements, marked: Sequence[Mark], zone: tzinfo) -> str:
    """Return the chart as an SVG element that loads nothing and runs nothing; empty without a measurement."""
    if not measured.samples:
        return ""
    pygal, styles = _pygal()
    times = sorted([*(sample.at for sample in measured.samples), *(mark.at for mark in marked)])
    highest = max(sample.percent for sample in measured.samples) or 1.0
    top = next(limit for limit in (1, 2, 5, 10, 20, 50, 100) if highest <= limit)
    groups = _groups(marked, (times[-1] - times[0]) * _NEAR)
    style = styles.Style(**_STYLE, colors=(_FAILED, _FAILED, *([_MARKED] * len(groups))))
    chart = pygal.DateTimeLine(style=style, **_options(top, times[0], times[-1], zone))
    chart.uuid = CHART  # pygal would invent another one for each drawing
    line, dots = _line(measured, times[-1])
    chart.add("Failed requests", line, fill=True, show_dots=False)
    chart.add("Measured", dots, stroke=False, dots_size=5)
    for group in groups:
        label = {"value": (group[0].at, top * 1.1), "label": _numbers(group)}
        stroke = {"width": 2, "dasharray": "4, 4"}
        chart.add("Marked", [(group[0].at, 0), label], dots_size=0.01, stroke_style=stroke)
    return _cleaned(chart.render_tree())


def _line(measured: Measurements, end: datetime) -> tuple[list[tuple[datetime, float]], list[tuple[datetime, float]]]:
    """Return the points of the line and of the dots.

    A health check counts until the next one: a sloping line would show a recovery that nothing measured.
    """
    dots = [(sample.at, round(sample.percent, 2)) for sample in measured.samples]
    if measured.of_users:
        return dots, []
    steps = [dots[0]]
    for at, percent in dots[1:]:
        steps += [(at, steps[-1][1]), (at, percent)]
    return [*steps, (end, dots[-1][1])], dots


def _groups(marked: Sequence[Mark], near: timedelta) -> list[list[Mark]]:
    groups: list[list[Mark]] = []
    for mark in marked:
        if groups and mark.at - groups[-1][0].at <= near:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return groups


def _numbers(group: Sequence[Mark]) -> str:
    first, last = group[0].number, group[-1].number
    return str(first) if first == last else f"{first}-{last}"


def _ticks(start: datetime, end: datetime) -> list[datetime]:
    """Return round times for the labels of the time axis, five at most."""
    length = (end - start).total_seconds()
    step = next((step for step in _TICKS if length / step <= 5), _TICKS[-1])  # noqa: PLR2004 - five labels
    first = -(-start.timestamp() // step) * step
    count = int((end.timestamp() - first) // step) + 1
    return [datetime.fromtimestamp(first + number * step, UTC) for number in range(max(count, 0))][:10] or [start]


def _options(top: float, start: datetime, end: datetime, zone: tzinfo) -> JsonDict:
    """Return pygal's options for an axis up to `top` percent, and a time from `start` to `end`."""
    brief = end - start < BRIEF

    def percent(value: float) -> str:
        return f"{value:g} %"

    def time(moment: datetime) -> str:
        return _time(moment, zone, brief=brief)

    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "margin": 8,
        "margin_right": 26,
        "js": (),
        "title": None,
        "show_legend": False,
        "print_labels": True,
        "range": (0, top * 1.2),
        "y_labels": [0, top / 2, top],
        "value_formatter": percent,
        "x_labels": _ticks(start, end),
        "x_value_formatter": time,
    }


_STYLE: Mapping[str, str | int] = MappingProxyType(
    {
        "background": "transparent",
        "plot_background": "transparent",
        "foreground": "#444",
        "foreground_strong": "#444",
        "foreground_subtle": "#999",
        "guide_stroke_color": "#ccc",
        "font_family": "system-ui, sans-serif",
        "label_font_size": 17,
        "major_label_font_size": 17,
        "value_font_size": 4,
        "value_label_font_size": 17,
        "opacity": ".25",
    }
)
_UNUSED = frozenset({"script", "title", "desc", ET.Comment})
"""What pygal adds for its script, and its own title."""


def _cleaned(root: Any) -> str:  # noqa: ANN401 - an element of the standard library's tree
    """Return the drawing without scripts, tooltips and comments; its comments hold the day."""
    for parent in root.iter():
        for child in list(parent):
            if child.tag in _UNUSED or "tooltip-overlay" in (child.get("class") or ""):
                parent.remove(child)
    root.set("role", "img")
    root.set("aria-label", "Failed requests over time")
    return ET.tostring(root, encoding="unicode")
