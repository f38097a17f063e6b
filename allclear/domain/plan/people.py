"""Who does what: roles and their deputies, people and how to reach them, and the rota."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from allclear.domain.base import Model, Moment, Slug, person_key, wrong_at
from allclear.domain.durations import Duration
from allclear.domain.plan.assumptions import MayBeAssumed, is_blank
from allclear.domain.plan.phone_numbers import e164
from allclear.domain.plan.slack_ids import slack_user_id
from allclear.domain.plan.working_time import WEEKDAYS, DayHours, Weekday, WorkingTime, Zone

LEAD = "incident_commander"
"""The role that leads an incident."""

ON_CALL = "on_call"
"""The role that is paged."""


def _spaced(name: str) -> str:
    return " ".join(name.split())


Name = Annotated[str, AfterValidator(_spaced)]
"""A person's name, without spaces around it and with single spaces within."""

_YEARS = range(2000, 2200)
"""The years in which a rota may begin; in any other, its turns could exceed the range of dates."""


class Role(Model):
    """A role in an incident."""

    title: str = Field(description="What the plan calls it.")
    about: str = Field(default="", description="What the person with this role does.")
    deputies: list[Slug] = Field(default=[], description="Roles that act for it, in order, while no person has it.")
    pager_policy: str = Field(
        default="",
        pattern=r"^(P[A-Z0-9]{3,20})?$",
        description="The id of its escalation policy in PagerDuty, which is paged if no person of it can be.",
    )
    never_with: list[Slug] = Field(default=[], description="Roles that the same person must not have at once.")


class Contact(Model):
    """One way to reach a person."""

    address: str = Field(description="A number, an address or a handle.")
    hours: DayHours | None = Field(default=None, description="Only in these local hours; always when left out.")


class Absence(Model):
    """Days on which a person is away and is not told of incidents."""

    from_: date = Field(alias="from", description="The first day, as 2026-12-21, in the person's time zone.")
    until: date = Field(description="The last day.")

    @model_validator(mode="after")
    def _in_order(self) -> Absence:
        if self.until < self.from_:
            raise wrong_at(("until",), f"it is before {self.from_}", "Exchange the two days, or correct one.")
        return self


def contact_key(kind: str, address: str) -> str:
    """Return the part of an address that identifies a person there, for comparison; empty if it identifies no one.

    E-mail addresses are compared in any spelling of their case, contacts in Slack by the user id, and phone numbers by
    their digits.
    """
    if is_blank(address):
        return ""
    if kind == "slack":
        return slack_user_id(address) or address.strip()
    if kind == "phone":
        return e164(address) or address.strip()
    return address.strip().casefold() if kind == "email" else address.strip()


class Person(Model):
    """A person of the company; a name in square brackets is a blank to fill in."""

    name: Name = Field(description="The name, as the record shows it.")
    roles: list[Slug] = Field(min_length=1, description="The roles that this person has.")
    contacts: dict[Slug, Contact] = Field(
        default={}, description="slack, phone, email ... -> the address; tried in this order."
    )
    zone: Zone | None = Field(default=None, description="This person's time zone; the company's when left out.")
    test_messages: bool = Field(
        default=False, description="Whether this person has agreed to get marked tests: `allclear test-channels`."
    )
    away: list[Absence] = Field(
        default=[], description="Holidays: deputies and others with the same role are notified in the person's place."
    )

    @field_validator("contacts", mode="before", json_schema_input_type=dict[Slug, str | Contact])
    @classmethod
    def _address_alone(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {kind: {"address": given} if isinstance(given, str) else given for kind, given in value.items()}  # pyright: ignore[reportUnknownVariableType]

    @property
    def known(self) -> bool:
        """Return whether the name is filled in."""
        return not is_blank(self.name)

    def away_until(self, at: datetime, working_time: WorkingTime) -> date | None:
        """Return the last day of the absence that covers `at`; None if the person is there."""
        today = self._local(at, working_time).date()
        return max((absence.until for absence in self.away if absence.from_ <= today <= absence.until), default=None)

    def reached_by(self, at: datetime, working_time: WorkingTime) -> list[str]:
        """Return the channels that reach this person at `at`, the first to be tried first; none during an absence."""
        if self.away_until(at, working_time):
            return []
        now = f"{self._local(at, working_time):%H:%M}"
        return [
            kind
            for kind, contact in self.contacts.items()
            if not is_blank(contact.address) and (contact.hours is None or _within(now, contact.hours))
        ]

    def _local(self, at: datetime, working_time: WorkingTime) -> datetime:
        return at.astimezone(_zone_info(self.zone, working_time))


def _zone_info(zone: Zone | None, working_time: WorkingTime) -> ZoneInfo:
    """Return the zone of a person or a rota, or else the company's."""
    return ZoneInfo(zone) if zone else working_time.zone_info


def _within(now: str, hours: str) -> bool:
    opens, closes = hours.replace(" ", "").split("-")
    return opens <= now < closes


class MailingList(Model):
    """An e-mail address that reaches a group. It is no person: it acknowledges and approves nothing."""

    title: str = Field(min_length=1, pattern=r"\S", description="What the plan calls the group.")
    address: str = Field(description="Its e-mail address.")

    @property
    def known(self) -> bool:
        """Return whether the address is filled in."""
        return not is_blank(self.address)


class Layer(Model):
    """One layer of a rota: people who take turns."""

    name: Slug = Field(description="A short name for it, as `first`.")
    people: list[Name] = Field(min_length=1, description="In the order of their turns; names as under `people`.")
    starts: str = Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$",
        description="The first hand-over in local time, as 2026-11-02T09:00.",
    )
    turn: Duration = Field(default=timedelta(days=7), description="How long a turn is: whole days by the calendar.")
    days: list[Weekday] = Field(default=list(WEEKDAYS), min_length=1, description="The days that it covers.")
    hours: DayHours = Field(default="00:00-24:00", description="The hours of those days that it covers.")
    acknowledge_within: Duration = Field(
        default=timedelta(minutes=5), description="After this time without an acknowledgement, the next layer is paged."
    )

    @model_validator(mode="after")
    def _whole_days(self) -> Layer:
        if self.turn < timedelta(days=1) or self.turn % timedelta(days=1):
            raise wrong_at(("turn",), "it must be a number of whole days", "Write it as 7d.")
        if datetime.fromisoformat(self.starts).year not in _YEARS:
            raise wrong_at(
                ("starts",), f"it must lie between the years {_YEARS[0]} and {_YEARS[-1]}", "Correct the year."
            )
        return self

    def person(self, turn: int) -> str:
        """Return whose turn it is; the first is 0."""
        return self.people[turn % len(self.people)]

    def named(self, name: str) -> str | None:
        """Return the layer's own spelling of a person's name; None if that person takes no turn."""
        return next((person for person in self.people if person_key(person) == person_key(name)), None)

    def begins(self, turn: int, zone: ZoneInfo) -> datetime:
        """Return when a turn begins, in UTC."""
        local = datetime.fromisoformat(self.starts) + turn * self.turn
        return local.replace(tzinfo=zone).astimezone(UTC)

    def turn_at(self, at: datetime, zone: ZoneInfo) -> int:
        """Return which turn it is at `at`; negative before the first."""
        local = at.astimezone(zone).replace(tzinfo=None)
        turn = (local - datetime.fromisoformat(self.starts)) // self.turn
        # In the hour that the clocks skip or repeat, local time alone would change the turn too early, or back again.
        if at < self.begins(turn, zone):
            return turn - 1
        return turn + 1 if at >= self.begins(turn + 1, zone) else turn


class RotaOverride(Model):
    """A person took over a turn of a rota."""

    role: str
    layer: str
    person: str
    at: Moment


class Shift(Model):
    """Who is on duty in one layer, and until when."""

    layer: str
    person: str
    since: datetime
    until: datetime
    """When the next turn begins; with `hand_over`, the person stays on duty until the next one takes over."""
    acknowledge_within: timedelta
    next_person: str


_EARLY = timedelta(hours=1)
"""A person who takes over this long before a turn begins takes that turn."""


TOLD_FOR = timedelta(hours=2)
"""How long the pager's word on who is on duty counts. After that time without news, the turns of the rota do."""


def _when(override: RotaOverride) -> datetime:
    return override.at


class Rota(MayBeAssumed):
    """Who has a role at which time, in layers; the first layer is paged first."""

    role: Slug = Field(description="The role that is taken in turns.")
    zone: Zone | None = Field(default=None, description="The company's zone when left out.")
    layers: list[Layer] = Field(min_length=1, description="The first layer is paged first.")
    from_pager: bool = Field(
        default=False,
        description="True: PagerDuty says who is on duty, by the role's `pager_policy`; the turns count if it is away.",
    )
    hand_over: bool = Field(
        default=False,
        description="True: a turn begins when its person takes it over, and lasts until the next one does.",
    )

    def on_duty(
        self, at: datetime, working_time: WorkingTime, overrides: Sequence[RotaOverride] = ()
    ) -> Iterator[Shift]:
        """Yield the person on duty at `at`, layer by layer.

        With `hand_over`, a turn begins when its person takes it over. Until then the person who took over last stays on
        duty (without an override: the person of the turn before), and the person of the turn comes next. Turns change
        at the same local time, also when the clocks are put forward or back.
        """
        zone = _zone_info(self.zone, working_time)
        local = at.astimezone(zone)
        for layer in self.layers:
            turn = layer.turn_at(at, zone)
            if (told := self._told(layer, at, overrides)) is not None:
                following = max(turn, 0) + 1
                yield Shift(
                    layer=layer.name,
                    person=layer.named(told.person) or told.person,
                    since=told.at,
                    until=layer.begins(following, zone),
                    acknowledge_within=layer.acknowledge_within,
                    next_person=layer.person(following),
                )
                continue
            if turn < 0 or WEEKDAYS[local.weekday()] not in layer.days or not _within(f"{local:%H:%M}", layer.hours):
                continue
            own = (override for override in overrides if override.layer == layer.name and override.at <= at)
            last = max(own, key=_when, default=None)
            begun = (
                last is not None
                and layer.named(last.person) == layer.person(turn)
                and last.at >= layer.begins(turn, zone) - _EARLY
            )
            waits = self.hand_over and turn > 0 and not begun
            held = turn - 1 if waits else turn
            stays = last if waits else None
            yield Shift(
                layer=layer.name,
                person=(layer.named(stays.person) or stays.person) if stays else layer.person(held),
                since=stays.at if stays else layer.begins(held, zone),
                until=layer.begins(turn + 1, zone),
                acknowledge_within=layer.acknowledge_within,
                next_person=layer.person(turn if waits else turn + 1),
            )

    def _told(self, layer: Layer, at: datetime, overrides: Sequence[RotaOverride]) -> RotaOverride | None:
        """Return whom the pager named last for the layer; None if it does not, or has not for too long."""
        if not self.from_pager:
            return None
        told = [one for one in overrides if one.role == self.role and one.layer == layer.name and one.at <= at]
        last = max(told, key=_when, default=None)
        return last if last and at - last.at <= TOLD_FOR else None
