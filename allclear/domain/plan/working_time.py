"""Times as plans write them: by the clock, in business hours or in business days, with a time zone and holidays."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from allclear.domain.base import wrong_at
from allclear.domain.durations import DURATION_PATTERN, LONGEST, parse_duration, plausible, write_duration
from allclear.domain.errors import ConfigError
from allclear.domain.plan.assumptions import MayBeAssumed

_BUSINESS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*business\s*(hour|day)s?\s*", re.IGNORECASE | re.ASCII)
_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)\s*-\s*([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_FARTHEST = LONGEST
"""If no working day comes within this time, the calendar is wrong."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Unit = Literal["clock", "business hours", "business days"]


@dataclass(frozen=True)
class Span:
    """A length of time: `30m` by the clock, `4 business hours`, or `1 business day` (by the end of the next one)."""

    length: timedelta
    """By the clock or in business hours; a business day counts as one day here."""
    unit: Unit = "clock"

    @classmethod
    def parse(cls, text: str) -> Span:
        """Return the span that `text` states. Raises ValueError for any other text."""
        business = _BUSINESS.fullmatch(text)
        if business is None:
            try:
                return cls(plausible(parse_duration(text)))
            except ValueError as error:
                msg = f"{error}; or as 4 business hours, 1 business day"
                raise ValueError(msg) from error
        amount, unit = float(business.group(1)), business.group(2).lower()
        plausible(timedelta(hours=min(amount, 1e6)) if unit == "hour" else timedelta(days=min(amount, 1e6)))
        if unit == "hour":
            return cls(timedelta(hours=amount), "business hours")
        if amount != int(amount) or amount < 1:
            msg = f"{text!r} is not a span: write a whole number of business days, as `2 business days`"
            raise ValueError(msg)
        return cls(timedelta(days=amount), "business days")

    def __str__(self) -> str:
        """Return it as a plan writes it."""
        if self.unit == "clock":
            return write_duration(self.length)
        size = timedelta(hours=1) if self.unit == "business hours" else timedelta(days=1)
        count = self.length / size
        return f"{count:.12g} {self.unit if count != 1 else self.unit.removesuffix('s')}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Return the schema that reads it from text and writes it as text."""
        del source, handler
        return core_schema.no_info_plain_validator_function(
            _span, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the pattern and the examples that editors show."""
        del schema, handler
        return {
            "type": "string",
            "pattern": rf"{DURATION_PATTERN}|^\s*\d+(\.\d+)?\s*business\s*(hour|day)s?\s*$",
            "examples": ["30m", "4 business hours", "1 business day"],
        }


def _span(value: object) -> Span:
    if isinstance(value, Span):
        return value
    if isinstance(value, timedelta):
        return Span(plausible(value))
    if isinstance(value, str):
        return Span.parse(value)
    msg = "write a span as 30m, 4 business hours or 1 business day"
    raise ValueError(msg)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        step = f"Did you mean {near[0]}?" if near else "Write it as Europe/Berlin."
        raise wrong_at((), f"{name!r} is not a time zone", step) from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone's name, as `Europe/Berlin`."""


def _hours(text: str) -> str:
    found = _HOURS.fullmatch(text.strip())
    if found is None or not found.group(1) + found.group(2) < found.group(3) + found.group(4) <= "2400":
        msg = f"{text!r} is not a range of hours: write it as 09:00-17:30"
        raise ValueError(msg)
    return text.strip()


DayHours = Annotated[
    str, AfterValidator(_hours), WithJsonSchema({"type": "string", "pattern": rf"^\s*{_HOURS.pattern}\s*$"})
]
"""A range of hours of one day in local time, as `09:00-17:30`; `24:00` is the end of the day."""


class WorkingTime(MayBeAssumed):
    """When the company works: its zone, days, hours and holidays."""

    zone: Zone = Field(default="UTC", description="The company's time zone, as Europe/Berlin.")
    days: list[Weekday] = Field(
        default=["mon", "tue", "wed", "thu", "fri"], min_length=1, description="The working days."
    )
    hours: DayHours = Field(default="09:00-17:00", description="The working hours in local time, as 09:00-17:30.")
    holidays: list[date] = Field(default=[], description="The company's own days off, as 2026-12-25.")
    holidays_of: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$",
        description="The country or region whose public holidays are days off too, as DE or DE-BE. "
        "Source: the package `holidays`.",
    )

    @model_validator(mode="after")
    def _holidays_known(self) -> WorkingTime:
        if self.holidays_of:
            _public(self.holidays_of, 2026)
        return self

    @property
    def zone_info(self) -> ZoneInfo:
        """Return the zone."""
        return ZoneInfo(self.zone)

    def works_on(self, day: date) -> bool:
        """Return whether `day` is a working day."""
        return (
            WEEKDAYS[day.weekday()] in self.days
            and day not in self.holidays
            and not (self.holidays_of and day in _public(self.holidays_of, day.year))
        )

    def after(self, start: datetime, span: Span) -> datetime:
        """Return the moment `span` after `start`, in UTC.

        Business hours count only while the company works. Business days end with the last working hour of that many
        working days after the day of `start`. Raises ConfigError if no working day comes.
        """
        if span.unit == "clock":
            return start.astimezone(UTC) + span.length
        if span.unit == "business days":
            return self._end_of_day(start, span.length.days)
        left = span.length
        for opens, closes in self._stretches(start):
            if closes - max(opens, start) >= left:
                return (max(opens, start) + left).astimezone(UTC)
            left -= max(closes - max(opens, start), timedelta(0))
        raise self._never()

    def first_stretch(self, start: datetime, length: timedelta) -> datetime | None:
        """Return the first moment from `start` on after which the company works for `length`; None if there is none."""
        for opens, closes in self._stretches(start):
            if closes - max(opens, start) >= length:
                return max(opens, start)
        return None

    def _end_of_day(self, start: datetime, count: int) -> datetime:
        first = start.astimezone(self.zone_info).date()
        for opens, closes in self._stretches(start):
            if opens.astimezone(self.zone_info).date() > first:
                count -= 1
                if count == 0:
                    return closes
        raise self._never()

    def _stretches(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the working hours of each working day from that of `start` on, in UTC."""
        first = start.astimezone(self.zone_info).date()
        opens, closes = self.hours.replace(" ", "").split("-")
        for ahead in range(_FARTHEST.days):
            day = first + timedelta(days=ahead)
            if self.works_on(day):
                yield self._at(day, opens), self._at(day, closes)

    def _at(self, day: date, hour: str) -> datetime:
        if hour == "24:00":
            day, hour = day + timedelta(days=1), "00:00"
        return datetime.combine(day, time.fromisoformat(hour), self.zone_info).astimezone(UTC)

    def _never(self) -> ConfigError:
        return ConfigError("The plan's `working_time` has no working day.", "Correct `working_time` in plan.yaml.")


@cache  # called for every day up to each deadline of each message
def _public(place: str, year: int) -> frozenset[date]:
    """Return a country's or a region's public holidays. Raises ValueError if the package does not know it."""
    import holidays  # noqa: PLC0415 - importing it takes 0.15 s, and few plans name a country

    country, _, part = place.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
    except NotImplementedError as error:
        msg = f"the holidays of {place} are not known: write DE or DE-BE, or list the days in `holidays`"
        raise ValueError(msg) from error
