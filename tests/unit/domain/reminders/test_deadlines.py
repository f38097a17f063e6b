"""Clocks and targets: when each clock starts and stops, when a target is due, and what a change of severity does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from allclear.domain.plan import ClockStart, ClockStop
from allclear.domain.records import Acknowledged, NoteAdded
from allclear.domain.reminders.deadlines import clock_start, clock_stops, deadlines
from allclear.domain.template_values import deadline_lines
from tests.unit.domain.reminders.deadlines_support import (
    CONTAINED,
    RECOVERED,
    RESOLVED,
    changed,
    minutes,
    of_kind,
    opened,
    plan_with,
    target,
)
from tests.unit.domain.stories import ANA, MACHINE, START, Story

# --- clocks --------------------------------------------------------------------------------------------


def test_every_clock_starts_once_with_its_own_event() -> None:
    """Alert and declaration start at once, awareness with a person's first entry, recovery with the first proof."""
    story = opened()
    starts: list[dict[ClockStart, datetime | None]] = []
    for records in ((NoteAdded(text="by the machine"),), (RECOVERED,), (RECOVERED, RESOLVED)):
        starts.append({start: clock_start(story.incident, start) for start in ClockStart})
        story.after(10).record(*records)
    story.after(10).record(Acknowledged(), by=ANA).after(10).record(NoteAdded(text="me too"), by=ANA)
    starts.append({start: clock_start(story.incident, start) for start in ClockStart})
    assert [started[ClockStart.ALERT] for started in starts] == [START] * 4
    assert [started[ClockStart.DECLARATION] for started in starts] == [START] * 4
    assert [started[ClockStart.RECOVERY] for started in starts] == [None, None, *[START + timedelta(minutes=20)] * 2]
    assert [started[ClockStart.AWARENESS] for started in starts] == [None, None, None, START + timedelta(minutes=40)]


def test_a_declaration_by_a_person_starts_awareness_and_acknowledges() -> None:
    """The person who declares an incident is aware of it, so the company is."""
    story = opened(by=ANA).after(5).record(Acknowledged(), by=ANA)
    assert clock_start(story.incident, ClockStart.AWARENESS) == START
    assert clock_stops(story.incident, ClockStop.ACKNOWLEDGED) == [(START, None)]


def test_an_end_without_proof_starts_the_clock_of_recovery() -> None:
    """A healthy check later does not restart it."""
    story = opened(by=ANA).after(10).record(RESOLVED, by=ANA).after(10).record(RECOVERED)
    assert clock_start(story.incident, ClockStart.RECOVERY) == START + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("records", "stops"),
    [
        ([], (None, None, None, None)),
        ([(10, Acknowledged())], (10, None, None, None)),
        ([(10, Acknowledged()), (20, CONTAINED)], (10, 20, None, None)),
        ([(10, Acknowledged()), (20, RECOVERED)], (10, 20, 20, None)),
        ([(10, CONTAINED), (20, RECOVERED), (30, RESOLVED)], (30, 10, 20, 30)),
        ([(10, RESOLVED)], (10, 10, 10, 10)),
        ([(10, CONTAINED), (20, CONTAINED), (30, RECOVERED), (40, RECOVERED)], (None, 10, 30, None)),
    ],
)
def test_every_stop_is_the_first_of_its_kind(records: list[tuple[float, Any]], stops: tuple[float | None, ...]) -> None:
    """Recovery also counts as containment, and the end stops every clock that is still running."""
    story = opened()
    for minute, record in records:
        story.after(minute - (story.now - START) / timedelta(minutes=1))
        story.record(record, by=ANA if isinstance(record, Acknowledged) else MACHINE)
    found = [clock_stops(story.incident, stop) for stop in ClockStop]
    assert found == [[] if minute is None else [(START + timedelta(minutes=minute), None)] for minute in stops]


# --- targets -------------------------------------------------------------------------------------------

SCALE = {
    "p0": {"targets": [target("respond", "5m"), target("contain", "1h", "awareness", "contained")]},
    "p1": {"targets": [target("respond", "30m"), target("all-clear", "4h", "recovery", "ended")]},
    "p2": {"targets": [target("respond", "1 business day")]},
}


@pytest.mark.parametrize(
    ("severity", "due"),
    [
        ("P0", {"respond": 5, "contain": None}),
        ("P1", {"respond": 30, "all-clear": None}),
        # The start is a Sunday, 14:30 UTC: by the end of Monday, 17:00.
        ("P2", {"respond": 26.5 * 60}),
    ],
)
def test_a_target_is_due_by_its_own_clock(severity: str, due: dict[str, float | None]) -> None:
    """A clock from the alert runs at once, one from awareness or recovery later; business days follow the calendar."""
    company_plan, story = plan_with(**SCALE), opened(severity)
    assert {deadline.name: minutes(deadline) for deadline in of_kind(company_plan, story, "target")} == due


def test_deadlines_are_ordered_by_time() -> None:
    """Deadlines whose clock has not started come last."""
    company_plan, story = plan_with(**SCALE), opened("P0")
    assert [deadline.what for deadline in deadlines(company_plan, story.incident)] == [
        "target",
        "target",
        "post-mortem",
    ]
    assert [minutes(deadline) for deadline in deadlines(company_plan, story.incident)] == [5, None, None]
    story.after(2).record(Acknowledged(), by=ANA)
    assert [minutes(deadline) for deadline in deadlines(company_plan, story.incident)] == [5, 62, None]


@pytest.mark.parametrize(
    ("acknowledged", "now", "met", "missed"),
    [
        (None, 4, False, False),
        (None, 5, False, False),
        (None, 6, False, True),
        (3, 600, True, False),
        (5, 600, True, False),
        (7, 600, True, True),
    ],
)
def test_a_target_is_met_in_time_met_late_or_overdue(
    acknowledged: float | None, now: float, *, met: bool, missed: bool
) -> None:
    """Exactly at the deadline is in time, and a target that was met late stays missed."""
    company_plan, story = plan_with(p0={"targets": [target("respond", "5m")]}), opened("P0")
    if acknowledged:
        story.after(acknowledged).record(Acknowledged(), by=ANA)
    (deadline,) = of_kind(company_plan, story, "target")
    assert ((deadline.met is not None), deadline.missed(START + timedelta(minutes=now))) == (met, missed)


def test_a_missed_deadline_says_by_how_much() -> None:
    """The line for people names the delay, so that no one has to calculate it."""
    company_plan, story = plan_with(p1={"targets": [target("respond", "30m")]}), opened("P1")
    late, *_ = deadline_lines(story.incident, company_plan, START + timedelta(minutes=42))
    assert late == "MISSED by 12m, 2026-11-22 15:00 UTC: respond (P1, counted from the alert)"


def test_a_deadline_without_a_start_is_never_missed() -> None:
    """A clock that has not started cannot run out."""
    (deadline,) = of_kind(
        plan_with(p0={"targets": [target("contain", "1m", "awareness", "contained")]}), opened("P0"), "target"
    )
    assert (deadline.due, deadline.missed(START + timedelta(days=9))) == (None, False)


def test_an_incident_that_people_ended_in_time_missed_nothing() -> None:
    """Targets that were never proven are not overdue days later, because the incident was over in time."""
    company_plan = plan_with(
        p0={"targets": [target("contain", "1h", until="contained"), target("mend", "4h", until="recovered")]}
    )
    story = opened("P0").after(30).record(RESOLVED, by=ANA)
    later = story.now + timedelta(days=3)
    assert [deadline.missed(later) for deadline in of_kind(company_plan, story, "target")] == [False, False]
    late = opened("P0").after(90).record(RESOLVED, by=ANA)
    assert [deadline.missed(later) for deadline in of_kind(company_plan, late, "target")] == [True, False]


# --- changes of severity -------------------------------------------------------------------------------


def _targets(story: Story) -> list[tuple[str, str, float | None]]:
    return [
        (deadline.severity, deadline.name, minutes(deadline))
        for deadline in of_kind(plan_with(**SCALE), story, "target")
    ]


def test_a_target_not_yet_due_is_replaced_by_the_new_severitys() -> None:
    """The new target counts from the same start; a target for which the new severity has none stays."""
    story = changed(opened("P1").after(10), "P2")
    assert _targets(story) == [("P2", "respond", 26.5 * 60), ("P1", "all-clear", None)]


def test_a_missed_target_stays_missed_after_lowering() -> None:
    """Lowering the severity after a target was missed does not remove the target."""
    story = changed(opened("P0").after(10), "P2")
    assert _targets(story) == [("P0", "respond", 5), ("P0", "contain", 70), ("P2", "respond", 26.5 * 60)]
    (deadline, *_) = of_kind(plan_with(**SCALE), story, "target")
    assert deadline.missed(story.now)
    assert deadline.severity == "P0"


def test_raising_adds_the_targets_of_the_graver_severity() -> None:
    """They count from the alert, so they can be missed at once."""
    story = changed(opened("P2").after(10), "P0")
    assert _targets(story) == [("P0", "respond", 5), ("P0", "contain", 70)]


def test_lowering_and_raising_again_changes_no_target() -> None:
    """The targets have the same names and are due at the same times."""
    story = opened("P1").after(10).record(Acknowledged(), by=ANA)
    before = _targets(story)
    assert _targets(changed(changed(story, "P2"), "P1")) == before
