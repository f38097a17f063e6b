"""The table of key times: when each turn came, how long it took, and what the plan allows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.plan import ClockStop, Span, Target
from allclear.domain.records import IncidentEnded, IncidentOpened
from allclear.domain.template_values import deadline_lines
from allclear.postmortem.key_times import key_times, targets_table
from allclear.postmortem.lessons import could_improve, went_well
from tests.unit.domain.stories import BEN, Story, plan
from tests.unit.postmortem.recurring import recurring


def _rows(story: Story, **update: object) -> list[str]:
    return key_times(story.incident, plan().model_copy(update=update), story.now).splitlines()[2:]


def test_each_turn_has_its_time_and_its_duration() -> None:
    """Durations are counted from the beginning, the acknowledgement from the first page."""
    assert _rows(Story().whole()) == [
        "| Trouble began | 14:28 |  |",
        "| Detected | 14:30 | 2m |",
        "| Acknowledged by Ana | 14:32 | 4m 30s (2m after the page) |",
        "| Contained | 14:34 | 6m 6s |",
        "| Recovered | 15:00 | 32m 12s |",
        "| All clear | 15:00 | 32m 12s |",
    ]


def test_the_plans_targets_stand_beside_the_turns_that_meet_them() -> None:
    """One is met, one is missed, and one still runs."""
    targets = [
        Target(name="respond", within=Span(timedelta(minutes=5))),
        Target(name="contain", within=Span(timedelta(minutes=3)), until=ClockStop.CONTAINED),
        Target(name="recover", within=Span(timedelta(hours=4)), until=ClockStop.RECOVERED),
    ]
    severities = [one.model_copy(update={"targets": targets}) for one in plan().severities]
    rows = _rows(Story().opened().verified().paged().roll_back_proposed().contained(), severities=severities)
    assert rows[2].endswith("| 5m (P0): in time |")
    assert rows[3].endswith("| 3m (P0): **missed** |")
    assert rows[4] == "| Recovered | not yet |  | 4h (P0): running |"


def test_a_state_that_changed_back_has_its_whole_history() -> None:
    """The duration is that of the containment that lasted."""
    row = next(line for line in _rows(recurring()) if line.startswith("| Contained"))
    assert row == "| Contained | 14:34, lost 14:44, again 14:54 | 26m 6s |"


def test_nothing_is_invented_for_an_unknown_beginning() -> None:
    """Without it there is no time to detect, and durations are counted from the detection."""
    opened = IncidentOpened(
        company="VintStreet", title="Slow", severity="P1", service="vintstreet", runbook="slow", reported="by Ana"
    )
    story = Story().record(opened).after(10).record(IncidentEnded(ending="false-alarm", reason="healthy"), by=BEN)
    assert _rows(story) == [
        "| Detected | 14:30:00 |  |",
        "| Acknowledged by Ben | 14:40:00 | 10m |",
        "| False alarm | 14:40:00 | 10m |",
    ]


@pytest.mark.parametrize(("minutes", "came_to"), [(5, "**missed**"), (30, "the incident ended before")])
def test_the_end_of_an_abandoned_incident_meets_no_target(minutes: int, came_to: str) -> None:
    """No one acknowledged the incident: the table of targets names no time at which it was met."""
    target = Target(name="respond", within=Span(timedelta(minutes=minutes)))
    severities = [one.model_copy(update={"targets": [target]}) for one in plan().severities]
    story = Story().opened().verified().after(20).record(IncidentEnded(ending="abandoned", reason="Restarted."))
    of = plan().model_copy(update={"severities": severities})
    *_, row = targets_table(story.incident, of, story.now).splitlines()
    assert row.endswith(f"UTC | - | {came_to} |")
    assert not any("respond" in line for line in went_well(story.incident, of, story.now))
    missed = [line for line in could_improve(story.incident, story.entries, of, story.now) if "respond" in line]
    assert missed == (['"respond" (P0) was missed: the incident ended without it.'] if minutes < 20 else [])
    (shown,) = deadline_lines(story.incident, of, story.now, met=True)
    assert shown.startswith("MISSED, ") is (minutes < 20)
    assert shown.endswith("not met before the incident ended")


def test_a_turn_that_never_came_stays_if_its_target_was_missed() -> None:
    """The incident ended by itself before anyone acknowledged it. Containment had time left, so it is left out."""
    targets = [
        Target(name="respond", within=Span(timedelta(minutes=5))),
        Target(name="contain", within=Span(timedelta(hours=3)), until=ClockStop.CONTAINED),
    ]
    severities = [one.model_copy(update={"targets": targets}) for one in plan().severities]
    story = Story().opened().verified().after(20).record(IncidentEnded(ending="resolved", reason="It is well."))
    assert _rows(story, severities=severities)[2:] == [
        "| Acknowledged | never |  | 5m (P0): **missed** |",
        "| All clear | 14:50 | 22m 30s |  |",
    ]
