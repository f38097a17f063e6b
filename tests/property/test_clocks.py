"""For any incident, no clock is lost or moved; for any calendar, a longer span never ends earlier."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from allclear.domain.action import Finding, Verdict
from allclear.domain.incident import Incident
from allclear.domain.plan import ClockStart, ClockStop, Plan, Span, WorkingTime
from allclear.domain.plan.working_time import WEEKDAYS
from allclear.domain.pseudo_phases import DUTY
from allclear.domain.records import (
    Acknowledged,
    Assessed,
    Contained,
    IncidentEnded,
    IncidentOpened,
    NoteAdded,
    Recovered,
    SeverityChanged,
    StepDone,
)
from allclear.domain.reminders.deadlines import Deadline, clock_start, clock_stops, deadlines, duties
from allclear.domain.replay import replay
from tests.unit.domain.stories import ANA, HEALTH, MACHINE, Story, plan

# --- incidents -------------------------------------------------------------------------------------------

NAMES = ("P0", "P1", "P2")
DUTIES = ("tell-one", "tell-two", "tell-three")
BREACH = st.sampled_from(["yes", "no", "unknown"])
SPANS = st.sampled_from(["0s", "5m", "1h", "8h", "2 business hours", "1 business day"])
STARTS, STOPS = (
    st.sampled_from([start.value for start in ClockStart]),
    st.sampled_from([one.value for one in ClockStop]),
)
SOME = st.sampled_from([None, ["P0"], ["P1", "P2"], ["P0", "P2"]])


def _named(names: tuple[str, ...], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return lists of dictionaries, at most one for each name."""
    return st.tuples(*(st.fixed_dictionaries({"name": st.just(name), **fields}) for name in names)).flatmap(
        lambda each: st.integers(0, len(names)).map(lambda count: list(each[:count]))
    )


TARGETS = _named(("respond", "contain", "mend"), within=SPANS, until=STOPS, **{"from": STARTS})
SCALE = st.tuples(
    *(
        st.fixed_dictionaries(
            {
                "name": st.just(name),
                "title": st.just(name),
                "definition": st.just(name),
                "targets": TARGETS,
                "escalates": escalates,
            }
        )
        for name, escalates in zip(
            NAMES,
            (
                st.none(),
                *(
                    st.fixed_dictionaries({"to": st.just("P0"), "after": SPANS, "from": STARTS, "unless": STOPS})
                    for _ in NAMES[1:]
                ),
            ),
            strict=True,
        )
    )
).map(list)
PLANS = st.fixed_dictionaries(
    {
        "severities": SCALE,
        "facets": st.just({"breach": {"title": "Whether data leaked"}}),
        "duties": _named(
            DUTIES,
            within=SPANS,
            severities=SOME,
            title=st.just("Tell"),
            ask=st.just("Tell."),
            role=st.just("cto"),
            when=st.sampled_from([{}, {"breach": "yes"}]),
            **{"from": STARTS},
        ),
    }
).map(lambda parts: Plan.model_validate(plan().model_dump(mode="json", by_alias=True) | parts))


def _event(draw: Callable[..., Any], incident: Incident) -> tuple[Any, Any]:
    """Return the next record, and its author."""
    open_duties = [duty for duty in DUTIES if incident.step(DUTY, duty) is None]
    match draw(st.sampled_from(["severity", "severity", "assess", "duty", "note", "stage"])):
        case "severity":
            now = draw(st.sampled_from([name for name in NAMES if name != incident.severity]))
            return SeverityChanged(was=incident.severity, now=now, reason="so"), draw(st.sampled_from([ANA, MACHINE]))
        case "assess":
            return Assessed(facets={"breach": draw(BREACH)}), ANA
        case "duty" if open_duties:
            finding = Finding(verdict=draw(st.sampled_from(Verdict)), sentence="So.")
            return StepDone(phase=DUTY, step=draw(st.sampled_from(open_duties)), title="Tell", finding=finding), ANA
        case "stage":
            done = [
                Contained(by="it", finding=HEALTH),
                Recovered(finding=HEALTH),
                IncidentEnded(ending="resolved", reason="so"),
            ]
            return draw(st.sampled_from(done)), draw(st.sampled_from([ANA, MACHINE]))
        case _:
            return draw(st.sampled_from([(NoteAdded(text="so"), MACHINE), (Acknowledged(), ANA)]))


@st.composite
def histories(draw: Callable[..., Any]) -> tuple[Plan, Story]:
    """Draw a plan, and any history of an incident under it."""
    story = Story().record(
        IncidentOpened(
            company="vintstreet",
            title="Trouble",
            severity=draw(st.sampled_from(NAMES)),
            service="shop",
            runbook="outage",
            reported="somehow",
        ),
        by=draw(st.sampled_from([MACHINE, ANA])),
    )
    for _ in range(draw(st.integers(1, 12))):
        story.after(draw(st.sampled_from([0, 1, 4, 30, 300, 2000])))
        record, by = _event(draw, story.incident)
        story.record(record, by=by)
    return draw(PLANS), story


def _by_key(company_plan: Plan, incident: Incident, *what: str) -> dict[tuple[str, str, str], Deadline]:
    return {
        (one.what, one.severity if one.what == "target" else "", one.name): one
        for one in deadlines(company_plan, incident)
        if one.what in what
    }


@given(histories())
@settings(max_examples=150)
def test_no_clock_is_lost_or_set_back(history: tuple[Plan, Story]) -> None:
    """What was due stays due, and what was missed stays missed; the start and the stop of a clock never change."""
    company_plan, story = history
    before = replay(story.entries[:1])
    assert before is not None
    for number, entry in enumerate(story.entries[1:], start=2):
        after = replay(story.entries[:number])
        assert after is not None
        for start in ClockStart:
            assert clock_start(before, start) in {None, clock_start(after, start)}
        for stop in ClockStop:
            assert clock_stops(before, stop) in ([], clock_stops(after, stop))
        _assert_kept(company_plan, before, after, entry.at)
        if not isinstance(entry.record, Assessed):
            assert {duty.name for duty in duties(company_plan, before)} <= {
                duty.name for duty in duties(company_plan, after)
            }
        before = after


def _assert_kept(company_plan: Plan, before: Incident, after: Incident, at: datetime) -> None:
    """Check that what was due by `at` keeps its time, and that what was missed by then stays missed."""
    known = _by_key(company_plan, after, "target", "duty")
    ruled_out = {duty.name for duty in duties(company_plan, before)} - {
        duty.name for duty in duties(company_plan, after)
    }
    for key, one in _by_key(company_plan, before, "target", "duty").items():
        if one.due is None or one.due > at or (one.what == "duty" and one.name in ruled_out):
            continue
        assert known[key].due == one.due
        if one.missed(at):
            assert known[key].missed(at)
            assert known[key].missed(at + timedelta(days=400))
        elif one.met:
            assert not known[key].missed(at + timedelta(days=400))


@given(histories(), st.sampled_from(NAMES))
@settings(max_examples=100)
def test_going_to_a_severity_and_back_gives_the_same_dues(history: tuple[Plan, Story], there: str) -> None:
    """A target is lost only if the other severity has one for the same event; an added target is that severity's."""
    company_plan, story = history
    was = story.incident.severity
    story.record(NoteAdded(text="so"), by=ANA)  # so that the changes below do not start the clock of awareness
    before = deadlines(company_plan, story.incident)
    story.record(
        SeverityChanged(was=was, now=there, reason="so"), SeverityChanged(was=there, now=was, reason="so"), by=ANA
    )
    after = deadlines(company_plan, story.incident)
    replacing = {one.target.until for one in after if one.target and one.severity == there}
    for one in before:
        # The worst severity, which may be another now, decides the post-mortem; an escalation counts from the change.
        if one.what not in {"post-mortem", "escalation"}:
            assert one in after or (one.target is not None and one.target.until in replacing)
    for one in after:
        if one.what == "target" and one not in before:
            assert (one.what, one.severity) == ("target", there)


# --- working time ----------------------------------------------------------------------------------------

CALENDARS = st.builds(
    lambda zone, days, hours, holidays: WorkingTime(zone=zone, days=sorted(days), hours=hours, holidays=holidays),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    st.sampled_from(["09:00-17:30", "00:00-24:00", "00:00-03:00", "01:15-02:45", "02:30-03:00", "22:00-24:00"]),
    st.lists(st.dates(date(2026, 1, 1), date(2027, 12, 31)), max_size=6),
)
# Around a change of the clocks in one of the zones, and anywhere.
MOMENTS = st.one_of(
    st.sampled_from([datetime(2026, 3, 28), datetime(2026, 10, 24), datetime(2026, 4, 4)]).flatmap(  # noqa: DTZ001
        lambda day: st.integers(0, 3 * 24 * 12).map(lambda fives: day + timedelta(minutes=5 * fives))
    ),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 6, 1)),  # noqa: DTZ001 - the strategy adds the zone below
).map(lambda moment: moment.replace(tzinfo=UTC))
UNITS = st.sampled_from(["clock", "business hours", "business days"])
MINUTES = st.integers(0, 3000)


def _span(minutes: int, unit: Any) -> Span:  # noqa: ANN401 - one of three words
    return Span(timedelta(days=1 + minutes // 500) if unit == "business days" else timedelta(minutes=minutes), unit)


@given(CALENDARS, MOMENTS, MOMENTS, MINUTES, MINUTES, UNITS)
@settings(max_examples=150)
def test_later_or_longer_is_never_earlier(
    calendar: WorkingTime, one: datetime, other: datetime, short: int, long: int, unit: str
) -> None:
    """A later start or a longer span never ends earlier, and no span ends before its start."""
    (one, other), (short, long) = sorted((one, other)), sorted((short, long))
    assert one <= calendar.after(one, _span(short, unit))
    assert calendar.after(one, _span(short, unit)) <= calendar.after(other, _span(short, unit))
    assert calendar.after(one, _span(short, unit)) <= calendar.after(one, _span(long, unit))


@given(CALENDARS, MOMENTS, MINUTES, UNITS.filter(lambda unit: unit != "clock"))
@settings(max_examples=150)
def test_business_time_ends_in_working_hours(calendar: WorkingTime, start: datetime, minutes: int, unit: str) -> None:
    """The end is within the hours of a working day, its last moment included; business days end with that moment."""
    end = calendar.after(start, _span(minutes, unit)).astimezone(calendar.zone_info)
    names = [(end.date(), f"{end:%H:%M:%S.%f}")]
    if names[0][1] == "00:00:00.000000":  # midnight is the end of one day and the beginning of the next
        names.append((end.date() - timedelta(days=1), "24:00"))
    assert any(_works(calendar, day, clock, unit) for day, clock in names)


def _works(calendar: WorkingTime, day: date, clock: str, unit: str) -> bool:
    opens, closes = calendar.hours.split("-")
    begins = datetime.combine(day, datetime.min.time(), calendar.zone_info)
    if begins.utcoffset() != (begins + timedelta(days=1)).utcoffset():  # an hour that is skipped or repeated
        return calendar.works_on(day)
    inside = opens <= clock < closes or clock.removesuffix(":00.000000") == closes
    return calendar.works_on(day) and inside and (unit == "business hours" or clock[:5] == closes)


@given(CALENDARS, MOMENTS, MINUTES, MINUTES)
@settings(max_examples=150)
def test_business_hours_add_up(calendar: WorkingTime, start: datetime, one: int, other: int) -> None:
    """Two spans, one after the other, end when one span of both lengths ends."""
    both = calendar.after(start, _span(one + other, "business hours"))
    assert calendar.after(calendar.after(start, _span(one, "business hours")), _span(other, "business hours")) == both
