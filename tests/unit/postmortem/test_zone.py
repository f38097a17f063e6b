"""Times that people read are in the plan's zone, with its abbreviation, wherever the machine stands."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from rich.console import Console

from allclear.domain.plan import Plan
from allclear.domain.plan.working_time import WorkingTime
from allclear.domain.reminders.due_reminders import reminders
from allclear.domain.timeline import timeline
from allclear.postmortem.acts_table import markdown_acts
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.postmortem.html_page import post_mortem_page
from allclear.postmortem.placeholders import PLACEHOLDERS
from allclear.postmortem.timeline_list import markdown_timeline
from allclear.reports.incident_summary import show
from flows.overview import overview
from tests.unit.domain.stories import Story, plan


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine stand in Tokyo."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def in_zone(zone: str) -> Plan:
    """Return the plan of the stories with that time zone."""
    return plan().model_copy(update={"working_time": WorkingTime(zone=zone)})


def everything(story: Story, read_by: Plan) -> str:
    """Return all that people read of the incident."""
    template = "\n\n".join(f"{{{name}}}" for name in PLACEHOLDERS)
    source = PostMortem(story.incident, story.entries, read_by, "Storefront", template, story.now)
    console = Console(width=300, record=True, file=None, quiet=True)
    console.print(show(story.incident, story.entries, read_by, story.now, routine=True), crop=False)
    return "\n".join(
        [
            console.export_text(),
            write_post_mortem(source),
            post_mortem_page(source),
            markdown_acts(story.incident, read_by),
            markdown_timeline(story.incident, story.entries, read_by),
            overview(story.incident, read_by, "http://prefect", {}),
            *(one.sentence for one in reminders(read_by, story.incident)),
            *(text for line in timeline(story.entries, read_by, routine=True) for text in (line.text, *line.detail)),
        ]
    )


@pytest.mark.parametrize(
    ("zone", "name", "hour"), [("Europe/Berlin", "CET", "15"), ("America/Sao_Paulo", "UTC-03", "11")]
)
def test_all_that_people_read_is_in_the_plan_s_zone(zone: str, name: str, hour: str) -> None:
    """The trouble began at 14:28 UTC. No time of the incident is shown as it is in UTC or in the machine's zone."""
    story = Story().whole()
    text = everything(story, in_zone(zone))
    assert not re.search(r"\bUTC(?!-03)|\(UTC\)|JST", text)
    assert f"2026-11-22 {hour}:28 {name}" in text
    assert f"({name})" in text
    assert f"| Trouble began | {hour}:28" in text
    began, opened = story.incident.began_at, story.incident.opened_at
    assert began
    assert not any(f"{at:%H:%M}:{at:%S}" in text or f"{at:%H:%M} -" in text for at in (began, opened))


def test_a_plan_without_a_zone_is_read_in_utc() -> None:
    """The default is UTC, and not the zone of the machine."""
    text = everything(Story().whole(), plan())
    assert "2026-11-22 14:28 UTC" in text
    assert "JST" not in text
