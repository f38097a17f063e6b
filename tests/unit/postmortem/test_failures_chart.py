"""The chart of failures over time: as text and as SVG, without a script, a link or a stranger's markup."""

from __future__ import annotations

from datetime import UTC, timedelta
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from allclear.postmortem.failures_chart import marks, svg_chart, text_chart
from allclear.postmortem.measurements import Measurements, Sample, measure
from tests.unit.domain.stories import START, Story
from tests.unit.postmortem.test_measurements import counted


def _parts(story: Story) -> tuple[str, str]:
    measured, marked = measure(story.incident, story.entries), marks(story.incident)
    return text_chart(measured, marked, UTC), svg_chart(measured, marked, UTC)


def test_the_text_has_a_bar_for_each_measurement_and_a_line_for_each_act() -> None:
    """It can be read where nothing draws."""
    text, _ = _parts(Story().whole())
    assert text.splitlines() == [
        "**Failed requests over time** (health checks from outside, not users' requests):",
        "",
        "```failures",
        "14:30  [1] detected",
        "14:30  ############          60 % (12 of 20)",
        "14:34  [2] Roll back traffic",
        "14:34  [3] contained",
        "14:34                        0 % (0 of 20)",
        "14:57                        0 % (0 of 20)",
        "14:58  [4] Undo: Roll back traffic",
        "15:00  [5] recovered",
        "15:00                        0 % (0 of 20)",
        "```",
    ]


def test_users_requests_take_the_place_of_health_checks() -> None:
    """The caption says who counted, and many spans are added up so that the text stays short."""
    story = Story().whole().record(counted([100] * 40, [0] * 10 + [60] * 20 + [0] * 10))
    text, svg = _parts(story)
    assert text.startswith("**Failed requests of users over time** (counted by Cloud Monitoring):")
    assert sum(" of " in line for line in text.splitlines()[2:]) <= 16
    assert "60 % (180 of 300)" in text
    assert 'r="5"' not in svg


def test_nothing_measured_is_no_chart() -> None:
    """There is no empty frame."""
    assert _parts(Story().opened()) == ("", "")


def test_the_drawing_loads_nothing_and_runs_nothing() -> None:
    """It is well-formed, has no script, no address but the namespace of SVG, and is drawn alike each time."""
    _, svg = _parts(Story().whole())
    tags = {element.tag.partition("}")[2] for element in ET.fromstring(svg).iter()}  # noqa: S314 - our own drawing
    assert "script" not in tags
    assert "image" not in tags
    for loads in ("url(", "@import", "href", "http:", "https:"):
        assert loads not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert svg == _parts(Story().whole())[1]
    assert svg.count('r="5"') == 4


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 1000), st.integers(0, 1000)), min_size=1, max_size=30),
    st.text(max_size=40),
)
def test_any_measurement_can_be_drawn(numbers: list[tuple[int, int, int]], title: str) -> None:
    """One measurement, a thousand within a second, none that failed, and any title: it is still well-formed."""
    checks = [Sample(START + timedelta(seconds=at), max(all_of, bad), bad) for at, all_of, bad in sorted(numbers)]
    measured = Measurements(checks, None)
    story = Story().opened(title)
    marked = marks(story.incident)
    ET.fromstring(svg_chart(measured, marked, UTC))  # noqa: S314 - our own drawing
    assert text_chart(measured, marked, UTC).count("```") == 2
