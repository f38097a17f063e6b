"""Times as plans write them: how a span is read and written, and when it ends by the company's calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from allclear.domain.durations import Duration, parse_duration, write_duration
from allclear.domain.errors import ConfigError
from allclear.domain.plan import Span, WorkingTime

BERLIN = WorkingTime(zone="Europe/Berlin")
SPAN: TypeAdapter[Span] = TypeAdapter(Span)


def at(text: str, calendar: WorkingTime = BERLIN) -> datetime:
    """Return a moment by the local clock, as `2026-03-27 09:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=calendar.zone_info).astimezone(UTC)


def after(start: str, span: str, calendar: WorkingTime = BERLIN) -> str:
    """Return the moment `span` after `start`, both by the local clock."""
    return f"{calendar.after(at(start, calendar), Span.parse(span)).astimezone(calendar.zone_info):%Y-%m-%d %H:%M}"


# --- spans -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "length", "unit"),
    [
        ("30m", timedelta(minutes=30), "clock"),
        ("1h 30m", timedelta(hours=1.5), "clock"),
        ("4 business hours", timedelta(hours=4), "business hours"),
        ("1.5 Business Hours", timedelta(hours=1.5), "business hours"),
        (" 1 business day ", timedelta(days=1), "business days"),
    ],
)
def test_a_span_is_read_as_plans_write_it(text: str, length: timedelta, unit: str) -> None:
    """It counts by the clock, in business hours, or in business days."""
    assert Span.parse(text) == Span(length, unit)  # type: ignore[arg-type]
    assert SPAN.validate_python(text) == Span.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        "",
        "4",
        "business day",
        "1.5 business days",
        "0 business days",
        "-1 business hours",
        "4 business weeks",
        "٤ business hours",
        "99999999999999d",
        "999999999999999999 business hours",
        "9" * 400 + " business hours",
        "4000000d",
        "4000 business days",
    ],
)
def test_a_text_that_is_not_a_span_is_refused(text: str) -> None:
    """Other texts, and spans of more than ten years, are validation errors."""
    with pytest.raises(ValidationError):
        SPAN.validate_python(text)


@pytest.mark.parametrize("wrong", [5, None, 1.5, ["30m"], timedelta(days=5000)])
def test_a_span_is_text(wrong: object) -> None:
    """A bare number has no unit."""
    with pytest.raises(ValidationError):
        SPAN.validate_python(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "30m",
        "1d 2h 30m 5s",
        "0s",
        "1.25s",
        "1 business hour",
        "2.5 business hours",
        "1 business day",
        "3 business days",
    ],
)
def test_a_span_is_written_as_it_was_read(text: str) -> None:
    """Writing it as JSON and reading it again gives the same span."""
    assert str(Span.parse(text)) == text
    assert SPAN.validate_json(SPAN.dump_json(Span.parse(text))) == Span.parse(text)


@pytest.mark.parametrize("text", ["0s", "90s", "1d 2h 30m 5s", "59.999999s", "36h"])
def test_a_duration_keeps_its_length_when_it_is_written(text: str) -> None:
    """A duration of a plan reads back as itself, to the microsecond."""
    durations: TypeAdapter[timedelta] = TypeAdapter(Duration)
    assert parse_duration(write_duration(parse_duration(text))) == parse_duration(text)
    assert durations.validate_json(durations.dump_json(parse_duration(text))) == parse_duration(text)


# --- calendars -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"zone": "Berlin"},
        {"zone": "../etc/passwd"},
        {"zone": ""},
        {"days": []},
        {"days": ["monday"]},
        {"hours": "9:00-17:00"},
        {"hours": "17:00-09:00"},
        {"hours": "09:00-09:00"},
        {"hours": "09:00-24:30"},
        {"hours": "0٩:00-17:00"},
        {"holidays_of": "XX"},
        {"holidays_of": "DE-XX"},
        {"holidays_of": "Germany"},
        {"holidays": ["Christmas"]},
    ],
)
def test_an_impossible_calendar_is_refused(wrong: dict[str, object]) -> None:
    """Zones, countries, days and hours have to exist."""
    with pytest.raises(ValidationError):
        WorkingTime.model_validate(wrong)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 11, 20), True),  # a Friday
        (date(2026, 11, 21), False),  # a Saturday
        (date(2026, 12, 25), False),  # Christmas
        (date(2027, 12, 24), False),  # the company's own, a Friday
        (date(2026, 3, 8), False),
        (date(2027, 3, 8), False),  # a Monday, and a holiday in Berlin alone
    ],
)
def test_days_off_are_weekends_public_holidays_and_the_companys_own(day: date, *, works: bool) -> None:
    """A day off in any of the lists is not a working day; holidays depend on the year."""
    calendar = WorkingTime(zone="Europe/Berlin", holidays_of="DE-BE", holidays=[date(2027, 12, 24)])
    assert calendar.works_on(day) is works


def test_a_region_has_holidays_that_the_country_does_not_have() -> None:
    """The eighth of March is a holiday in Berlin, and a working Monday elsewhere in Germany."""
    assert WorkingTime(holidays_of="DE").works_on(date(2027, 3, 8))


# --- when a span is over ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        # By the clock, the hour that the clocks skip does not pass, and the one that they repeat passes twice.
        ("2026-11-20 16:00", "3h", "2026-11-20 19:00"),
        ("2026-03-29 01:30", "1h", "2026-03-29 03:30"),
        ("2026-10-25 01:30", "3h", "2026-10-25 03:30"),
        # Business hours: within a day, overnight, over a weekend, and from a time outside them.
        ("2026-11-20 09:00", "4 business hours", "2026-11-20 13:00"),
        ("2026-11-19 16:00", "4 business hours", "2026-11-20 12:00"),
        ("2026-11-20 16:00", "4 business hours", "2026-11-23 12:00"),
        ("2026-11-21 11:00", "4 business hours", "2026-11-23 13:00"),
        ("2026-11-20 06:00", "4 business hours", "2026-11-20 13:00"),
        ("2026-11-20 22:00", "30m", "2026-11-20 22:30"),
        # Exactly to the end of a day, and from it.
        ("2026-11-20 09:00", "8 business hours", "2026-11-20 17:00"),
        ("2026-11-20 17:00", "1 business hour", "2026-11-23 10:00"),
        ("2026-11-16 09:00", "40 business hours", "2026-11-20 17:00"),
        # Business days end with the last working hour; the day of the start never counts.
        ("2026-11-19 00:01", "1 business day", "2026-11-20 17:00"),
        ("2026-11-19 23:59", "1 business day", "2026-11-20 17:00"),
        ("2026-11-20 10:00", "1 business day", "2026-11-23 17:00"),
        ("2026-11-21 10:00", "1 business day", "2026-11-23 17:00"),
        ("2026-11-20 10:00", "5 business days", "2026-11-27 17:00"),
        # Over a change of the clocks, in both directions.
        ("2026-03-27 16:00", "2 business hours", "2026-03-30 10:00"),
        ("2026-10-23 16:00", "2 business hours", "2026-10-26 10:00"),
        ("2026-03-27 16:00", "1 business day", "2026-03-30 17:00"),
    ],
)
def test_a_span_ends_by_the_calendar(start: str, span: str, end: str) -> None:
    """Start and end are in Berlin's local time; the company works Monday to Friday from nine to five."""
    assert after(start, span) == end


def test_the_day_of_the_start_is_the_companys_local_day() -> None:
    """At 23:30 UTC on Thursday it is Friday in Berlin: the next business day is Monday."""
    start = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)
    assert BERLIN.after(start, Span.parse("1 business day")) == at("2026-11-23 17:00")
    assert WorkingTime().after(start, Span.parse("1 business day")) == datetime(2026, 11, 20, 17, tzinfo=UTC)


def test_business_hours_around_the_clock_are_hours_by_the_clock() -> None:
    """A company that works at all hours of all days has the same hours, also when the clocks change."""
    always = WorkingTime(
        zone="Europe/Berlin", days=["mon", "tue", "wed", "thu", "fri", "sat", "sun"], hours="00:00-24:00"
    )
    for start in ("2026-03-28 12:00", "2026-10-24 12:00"):
        assert always.after(at(start), Span.parse("48 business hours")) == at(start) + timedelta(hours=48)


def test_holidays_do_not_count_as_working_time() -> None:
    """Christmas Eve, Christmas, Boxing Day and the weekend do not count."""
    calendar = WorkingTime(zone="Europe/Berlin", holidays_of="DE", holidays=[date(2026, 12, 24)])
    assert after("2026-12-23 16:00", "2 business hours", calendar) == "2026-12-28 10:00"
    assert after("2026-12-23 16:00", "2 business days", calendar) == "2026-12-29 17:00"


@pytest.mark.parametrize("span", ["1 business hour", "1 business day"])
def test_a_calendar_without_a_working_day_is_an_error(span: str) -> None:
    """The search for a working day ends, and the error names what to correct."""
    off = [date(2026, 1, 5) + timedelta(weeks=week) for week in range(53 * 11)]
    calendar = WorkingTime(days=["mon"], holidays=off)
    with pytest.raises(ConfigError, match="has no working day"):
        calendar.after(datetime(2026, 11, 20, tzinfo=UTC), Span.parse(span))
