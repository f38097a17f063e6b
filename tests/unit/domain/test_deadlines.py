"""What is due by when: every clock's start and stop, severities that change, duties, escalation, reviews, rhythm."""

# ruff: noqa: ANN401 - parts of a plan as its YAML has them
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from allclear.domain.action import Finding, Verdict
from allclear.domain.deadlines import (
    DUTY,
    Deadline,
    clock_start,
    clock_stop,
    deadlines,
    duties,
    escalation_policy,
    notifications_due,
    roles_to_notify,
    status_word,
    update_schedule,
)
from allclear.domain.plan import DEFAULT_ESCALATION_POLICY, ClockStart, ClockStop, Plan
from allclear.domain.records import (
    Acknowledged,
    Assessed,
    By,
    Contained,
    IncidentEnded,
    IncidentOpened,
    NoteAdded,
    Recovered,
    SeverityChanged,
    StepDone,
)
from allclear.domain.template_values import deadline_lines
from tests.unit.domain.stories import ANA, HEALTH, MACHINE, START, Story, plan


def made(**parts: Any) -> Plan:
    """Return a plan with these parts, and severities P0 to P2 whose fields are `p0` to `p2`."""
    scale = [
        {"name": name, "title": name, "definition": name} | parts.pop(name.lower(), {}) for name in ("P0", "P1", "P2")
    ]
    facets = {"breach": {"title": "Whether data leaked"}, "users": {"title": "Users", "values": ["few", "all"]}}
    kinds = {"outage": {"title": "Outage"}, "security": {"title": "Security"}}
    whole = plan().model_dump(mode="json", by_alias=True)
    return Plan.model_validate(whole | {"severities": scale, "facets": facets, "kinds": kinds} | parts)


def target(name: str, within: str, start: str = "alert", until: str = "acknowledged") -> dict[str, Any]:
    """Return a target as YAML has it."""
    return {"name": name, "within": within, "from": start, "until": until}


def opened(severity: str = "P1", by: By = MACHINE, **more: Any) -> Story:
    """Return an incident that was just opened."""
    return Story().record(
        IncidentOpened(
            company="VintStreet",
            title="Trouble",
            severity=severity,
            service="shop",
            runbook="outage",
            reported="somehow",
            **more,
        ),
        by=by,
    )


def changed(story: Story, now: str) -> Story:
    """Let the severity become `now`."""
    return story.record(SeverityChanged(was=story.incident.severity, now=now, reason="so"), by=ANA)


def of(it: Plan, story: Story, what: str) -> list[Deadline]:
    """Return the deadlines of one sort."""
    return [one for one in deadlines(it, story.incident) if one.what == what]


def minutes(one: Deadline) -> float | None:
    """Return how long after the start it is due, in minutes."""
    return None if one.due is None else (one.due - START) / timedelta(minutes=1)


CONTAINED, RECOVERED = Contained(by="Roll back", finding=HEALTH), Recovered(finding=HEALTH)
RESOLVED, NOTHING = IncidentEnded(ending="resolved", reason="so"), IncidentEnded(ending="false-alarm", reason="so")

# --- clocks ----------------------------------------------------------------------------------------------


def test_every_clock_starts_once_with_its_own_event() -> None:
    """Alert and declaration at once, awareness with a person's first word, recovery with the first proof."""
    story = opened()
    starts: list[dict[ClockStart, datetime | None]] = []
    for records in ((NoteAdded(text="by the machine"),), (RECOVERED,), (RECOVERED, RESOLVED)):
        starts.append({start: clock_start(story.incident, start) for start in ClockStart})
        story.after(10).record(*records)
    story.after(10).record(Acknowledged(), by=ANA).after(10).record(NoteAdded(text="me too"), by=ANA)
    starts.append({start: clock_start(story.incident, start) for start in ClockStart})
    assert [one[ClockStart.ALERT] for one in starts] == [START] * 4
    assert [one[ClockStart.DECLARATION] for one in starts] == [START] * 4
    assert [one[ClockStart.RECOVERY] for one in starts] == [None, None, *[START + timedelta(minutes=20)] * 2]
    assert [one[ClockStart.AWARENESS] for one in starts] == [None, None, None, START + timedelta(minutes=40)]


def test_whoever_declares_knows() -> None:
    """Awareness begins with the declaration, and so does acknowledgement."""
    story = opened(by=ANA).after(5).record(Acknowledged(), by=ANA)
    assert clock_start(story.incident, ClockStart.AWARENESS) == START
    assert clock_stop(story.incident, ClockStop.ACKNOWLEDGED) == START


def test_an_end_without_proof_starts_the_clock_of_recovery() -> None:
    """A look that shows health later does not set it back."""
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
    """What recovered is contained; and the end stops what has not happened by then."""
    story = opened()
    for minute, record in records:
        story.after(minute - (story.now - START) / timedelta(minutes=1))
        story.record(record, by=ANA if isinstance(record, Acknowledged) else MACHINE)
    found = [clock_stop(story.incident, stop) for stop in ClockStop]
    assert found == [None if minute is None else START + timedelta(minutes=minute) for minute in stops]


# --- targets ---------------------------------------------------------------------------------------------

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
    """From the alert at once; from awareness and recovery once they are there; business days by the calendar."""
    it, story = made(**SCALE), opened(severity)
    assert {one.name: minutes(one) for one in of(it, story, "target")} == due


def test_what_has_no_clock_yet_comes_last() -> None:
    """The order is that in which things are due."""
    it, story = made(**SCALE), opened("P0")
    assert [one.what for one in deadlines(it, story.incident)] == ["target", "target", "post-mortem"]
    assert [minutes(one) for one in deadlines(it, story.incident)] == [5, None, None]
    story.after(2).record(Acknowledged(), by=ANA)
    assert [minutes(one) for one in deadlines(it, story.incident)] == [5, 62, None]


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
    """On the very moment is in time; what was met late was missed, for ever."""
    it, story = made(p0={"targets": [target("respond", "5m")]}), opened("P0")
    if acknowledged:
        story.after(acknowledged).record(Acknowledged(), by=ANA)
    (one,) = of(it, story, "target")
    assert ((one.met is not None), one.missed(START + timedelta(minutes=now))) == (met, missed)


def test_a_missed_deadline_says_by_how_much() -> None:
    """Whoever reads it need not reckon."""
    it, story = made(p1={"targets": [target("respond", "30m")]}), opened("P1")
    late, *_ = deadline_lines(story.incident, it, START + timedelta(minutes=42))
    assert late == "MISSED by 12m, 2026-11-22 15:00 UTC: respond (P1, counted from the alert)"


def test_what_never_starts_is_never_missed() -> None:
    """A clock that nobody started cannot run out."""
    (one,) = of(made(p0={"targets": [target("contain", "1m", "awareness", "contained")]}), opened("P0"), "target")
    assert (one.due, one.missed(START + timedelta(days=9))) == (None, False)


def test_an_incident_that_people_ended_in_time_missed_nothing() -> None:
    """Days later, what was not proven does not count as overdue: the incident was over."""
    it = made(p0={"targets": [target("contain", "1h", until="contained"), target("mend", "4h", until="recovered")]})
    story = opened("P0").after(30).record(RESOLVED, by=ANA)
    later = story.now + timedelta(days=3)
    assert [one.missed(later) for one in of(it, story, "target")] == [False, False]
    late = opened("P0").after(90).record(RESOLVED, by=ANA)
    assert [one.missed(later) for one in of(it, late, "target")] == [True, False]


# --- severities that change ------------------------------------------------------------------------------


def _targets(story: Story) -> list[tuple[str, str, float | None]]:
    return [(one.severity, one.name, minutes(one)) for one in of(made(**SCALE), story, "target")]


def test_what_was_not_yet_due_gives_way_to_the_present_severity() -> None:
    """The clock goes on from where it started, the alert; what the present severity knows nothing of stays."""
    story = changed(opened("P1").after(10), "P2")
    assert _targets(story) == [("P2", "respond", 26.5 * 60), ("P1", "all-clear", None)]


def test_what_was_due_stays_due() -> None:
    """Lowering an incident after its time has run out does not make it good."""
    story = changed(opened("P0").after(10), "P2")
    assert _targets(story) == [("P0", "respond", 5), ("P0", "contain", 70), ("P2", "respond", 26.5 * 60)]
    (one, *_) = of(made(**SCALE), story, "target")
    assert one.missed(story.now)
    assert one.severity == "P0"


def test_raising_asks_for_what_the_graver_severity_asks() -> None:
    """From the alert on, so that it may be missed at once: whoever raised it was awake, and the response was not."""
    story = changed(opened("P2").after(10), "P0")
    assert _targets(story) == [("P0", "respond", 5), ("P0", "contain", 70)]


def test_going_and_coming_back_changes_nothing() -> None:
    """Neither a moment nor a name."""
    story = opened("P1").after(10).record(Acknowledged(), by=ANA)
    before = _targets(story)
    assert _targets(changed(changed(story, "P2"), "P1")) == before


# --- duties ----------------------------------------------------------------------------------------------

REGULATOR = {
    "name": "regulator",
    "title": "Tell the authority",
    "ask": "Tell it.",
    "role": "cto",
    "within": "72h",
    "when": {"breach": "yes"},
    "source": "Art. 33 GDPR",
}
BOARD = {
    "name": "board",
    "title": "Tell the board",
    "ask": "Tell it.",
    "role": "cto",
    "within": "4 business hours",
    "from": "alert",
    "severities": ["P0"],
}
LAWFUL = made(duties=[REGULATOR, BOARD])


def _duties(story: Story) -> list[str]:
    return [duty.name for duty in duties(LAWFUL, story.incident)]


def _answered(story: Story, duty: str, *, done: bool) -> Story:
    verdict = Verdict.SUCCESS if done else Verdict.INCONCLUSIVE
    finding = Finding(verdict=verdict, sentence="So it is.")
    return story.record(StepDone(phase=DUTY, step=duty, title=duty, finding=finding), by=ANA)


def test_a_duty_applies_as_long_as_nothing_speaks_against_it() -> None:
    """What is not known yet counts as fitting; a facet that rules it out takes it away, and may bring it back."""
    story = opened("P1")
    assert _duties(story) == ["regulator"]
    assert _duties(story.record(Assessed(facets={"breach": "no"}), by=ANA)) == []
    assert _duties(story.record(Assessed(facets={"breach": "unknown"}), by=ANA)) == ["regulator"]
    assert _duties(story.record(Assessed(facets={"breach": "yes"}), by=ANA)) == ["regulator"]


def test_a_duty_of_a_severity_that_it_once_had_stays() -> None:
    """Lowering takes no duty away; raising adds one."""
    story = changed(opened("P1"), "P0")
    assert _duties(story) == ["regulator", "board"]
    assert _duties(changed(story, "P2")) == ["regulator", "board"]
    assert _duties(opened("P2")) == ["regulator"]


def test_a_duty_of_another_kind_of_incident_is_not_there() -> None:
    """What it is for follows the kind, also when that is found out later."""
    it = made(duties=[REGULATOR | {"kinds": ["security"], "when": {}}])
    story = opened("P1")
    assert duties(it, story.incident) == []
    story.record(Assessed(incident_kind="security"), by=ANA)
    assert [duty.name for duty in duties(it, story.incident)] == ["regulator"]


def test_a_duty_is_due_by_its_clock_and_met_by_a_yes() -> None:
    """72 hours from awareness; four business hours from an alert on a Sunday are Monday, 13:00."""
    story = changed(opened("P1"), "P0")
    assert {one.name: one.due for one in of(LAWFUL, story, "duty")} == {
        "board": datetime(2026, 11, 23, 13, tzinfo=UTC),
        "regulator": START + timedelta(hours=72),
    }
    _answered(story.after(60), "board", done=True)
    (board, regulator) = of(LAWFUL, story, "duty")
    assert (board.met, regulator.met) == (story.now, None)
    assert not board.missed(START + timedelta(days=30))
    assert regulator.missed(START + timedelta(hours=73))


def test_a_no_does_not_meet_a_duty() -> None:
    """It was declined: it is not waited for and not called done; it was missed if the no came too late."""
    story = _answered(changed(opened("P1"), "P0").after(60), "board", done=False)
    board = of(LAWFUL, story, "duty")[0]
    assert (board.met, board.declined) == (None, story.now)
    assert not board.missed(START + timedelta(days=30))
    assert [line for line in deadline_lines(story.incident, LAWFUL, story.now) if "board" in line] == []
    told = [line for line in deadline_lines(story.incident, LAWFUL, story.now, met=True) if "board" in line]
    assert told[0].endswith("declined 2026-11-22 15:30 UTC")
    late = _answered(changed(opened("P1"), "P0").after(60 * 24), "board", done=False)
    assert of(LAWFUL, late, "duty")[0].missed(late.now)


def test_a_false_alarm_owes_nothing() -> None:
    """There was nothing to tell anybody; what was told stands."""
    story = _answered(changed(opened("P1"), "P0"), "board", done=True).record(NOTHING, by=ANA)
    assert _duties(story) == ["board"]
    assert [(one.what, one.name) for one in deadlines(LAWFUL, story.incident)] == [("duty", "board")]


# --- escalation ------------------------------------------------------------------------------------------

CLIMBING = made(
    p1={"escalates": {"to": "P0", "after": "2h"}},
    p2={"escalates": {"to": "P1", "after": "8h", "from": "awareness", "unless": "recovered"}},
)


def test_an_incident_grows_graver_by_its_clock() -> None:
    """The deadline says what it becomes, and when; the gravest becomes nothing."""
    (one,) = of(CLIMBING, opened("P1"), "escalation")
    assert (one.name, minutes(one), one.title) == ("P0", 120, "becomes P0, unless contained")
    assert of(CLIMBING, opened("P0"), "escalation") == []
    assert [minutes(one) for one in of(CLIMBING, opened("P2"), "escalation")] == [None]
    assert [minutes(one) for one in of(CLIMBING, opened("P2", by=ANA), "escalation")] == [480]


@pytest.mark.parametrize(
    ("severity", "record", "stops"),
    [
        ("P1", CONTAINED, True),
        ("P1", RECOVERED, True),
        ("P1", RESOLVED, True),
        ("P1", NOTHING, True),
        ("P1", NoteAdded(text="we are at it"), False),
        ("P2", CONTAINED, False),
        ("P2", RECOVERED, True),
    ],
)
def test_it_escalates_unless_that_has_happened(severity: str, record: Any, *, stops: bool) -> None:
    """What is contained wakes nobody, where the plan does not ask for recovery; what is over wakes nobody at all."""
    assert (of(CLIMBING, opened(severity).after(5).record(record), "escalation") == []) is stops


def test_a_change_of_severity_takes_the_other_ones_escalation() -> None:
    """Whatever it has become has the whole of its own time: else a P2 that grows after 8 h would be a P0 at once."""
    (one,) = of(CLIMBING, changed(opened("P2", by=ANA).after(60), "P1"), "escalation")
    assert (one.name, minutes(one)) == ("P0", 180)


# --- the post-mortem -------------------------------------------------------------------------------------

REVIEWED = made(
    post_mortem={
        "template": "templates/post-mortem.md",
        "title": "Review",
        "due": [
            {"what": "meeting", "within": "48h", "not_before": "24h"},
            {"within": "5 business days"},
            {"what": "board-letter", "within": "24h", "severities": ["P0"]},
        ],
    }
)


def test_the_post_mortem_is_due_from_recovery_on() -> None:
    """Each part by its own time; it has no clock before."""
    story = opened("P1")
    assert [one.due for one in of(REVIEWED, story, "post-mortem")] == [None, None]
    story.after(30).record(RECOVERED)
    assert [(one.title, one.due) for one in of(REVIEWED, story, "post-mortem")] == [
        ("Review: meeting", story.now + timedelta(hours=48)),
        ("Review: document", datetime(2026, 11, 27, 17, tzinfo=UTC)),
    ]


def test_the_post_mortem_is_that_of_the_worst_severity() -> None:
    """Whoever lowers it in the end still has to write what a P0 asks for."""
    story = changed(changed(opened("P1"), "P0"), "P2")
    assert {one.name: one.severity for one in of(REVIEWED, story, "post-mortem")} == {
        "meeting": "P0",
        "document": "P0",
        "board-letter": "P0",
    }


def test_a_false_alarm_has_no_post_mortem() -> None:
    """Nothing happened."""
    assert of(REVIEWED, opened("P0").record(NOTHING, by=ANA), "post-mortem") == []


# --- telling ---------------------------------------------------------------------------------------------


def test_how_often_an_audience_hears_follows_stage_and_age() -> None:
    """The line with the latest `after` that has passed counts; what is resolved is told once."""
    it = made(
        updates=[
            {"audience": "status_page", "every": "30m", "severities": ["P0"]},
            {"audience": "status_page", "every": "2h", "severities": ["P0"], "after": "4h"},
            {"audience": "status_page", "every": "1h", "severities": ["P0"], "status": ["contained"], "after": "10m"},
            {"audience": "ceo", "every": "1h"},
        ]
    )
    story = opened("P0")

    def every(audience: str, minute: float) -> float | None:
        line = update_schedule(it, story.incident, audience, START + timedelta(minutes=minute))
        return line and line.every / timedelta(minutes=1)

    assert [every("status_page", minute) for minute in (0, 20, 239, 240, 900)] == [30, 30, 30, 120, 120]
    assert [every("ceo", 20), every("customers", 20)] == [60, None]
    story.after(15).record(CONTAINED)
    assert status_word(story.incident) == "contained"
    assert [every("status_page", minute) for minute in (5, 20, 240)] == [30, 60, 120]
    story.after(15).record(RECOVERED)
    assert status_word(story.incident) == "resolved"
    assert every("status_page", 40) is None
    story = opened("P1")
    assert every("status_page", 0) is None


def test_who_is_told_follows_what_is_known() -> None:
    """A line that hangs on something unknown is there until it is ruled out."""
    it = made(
        notifications=[{"audience": "cto", "severities": ["P0"]}, {"audience": "press", "when": {"breach": "yes"}}]
    )
    story = opened("P0")
    assert [line.audience for line in notifications_due(it, story.incident)] == ["cto", "press"]
    story.record(Assessed(facets={"breach": "no"}), by=ANA)
    assert [line.audience for line in notifications_due(it, story.incident)] == ["cto"]


def test_an_unanswered_approval_climbs() -> None:
    """From rung to rung, up to everyone, each once; roles that the plan lacks are nobody."""
    it = made(
        escalation_policies=[
            {
                "severities": ["P0"],
                "levels": [{"after": "1m", "roles": ["tech_lead", "ghost"]}, {"after": "2m", "roles": "everyone"}],
            },
            {"levels": [{"after": "5m", "roles": ["tech_lead"]}, {"after": "9m", "roles": ["cto", "tech_lead"]}]},
        ]
    )
    grave, calm = opened("P0").incident, opened("P1").incident
    told = [roles_to_notify(it, grave, timedelta(minutes=minute)) for minute in (0, 1, 2)]
    assert told == [[], ["tech_lead"], ["tech_lead", "on_call", "incident_commander", "cto"]]
    assert [roles_to_notify(it, calm, timedelta(minutes=minute)) for minute in (4, 5, 9)] == [
        [],
        ["tech_lead"],
        ["tech_lead", "cto"],
    ]


def test_where_no_line_on_silence_fits_the_default_counts() -> None:
    """Silence never leads to nothing, and never to another severity's people."""
    it = made(escalation_policies=[{"severities": ["P0"], "levels": [{"after": "1m", "roles": ["cto"]}]}])
    assert escalation_policy(it, opened("P2").incident) is DEFAULT_ESCALATION_POLICY
