"""Who is on duty, and by which channels a person is reached, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from allclear.domain.plan import Layer, Person, Rota, RotaOverride, Shift, WorkingTime

BERLIN = WorkingTime(zone="Europe/Berlin")


def layer(*people: str, starts: str = "2026-03-02T09:00", **more: Any) -> Layer:  # noqa: ANN401 - as in YAML
    """Return a layer of weekly turns from a Monday on."""
    return Layer.model_validate({"name": "first", "people": list(people), "starts": starts} | more)


def at(local: str, fold: int = 0) -> datetime:
    """Return a moment by Berlin's clock; `fold` 1 is the second of the two hours that an autumn day has."""
    return datetime.fromisoformat(local).replace(tzinfo=BERLIN.zone_info, fold=fold).astimezone(UTC)


def on_duty(moment: datetime, *layers: Layer) -> list[Shift]:
    """Return the shifts of a rota with these layers."""
    return list(Rota(role="on_call", layers=list(layers)).on_duty(moment, BERLIN))


WEEKLY = layer("Ana", "Ben", "Chi")


@pytest.mark.parametrize(
    ("moment", "person", "following"),
    [
        ("2026-03-02T09:00", "Ana", "Ben"),
        ("2026-03-09T08:59", "Ana", "Ben"),
        ("2026-03-09T09:00", "Ben", "Chi"),
        ("2026-03-16T09:00", "Chi", "Ana"),
        ("2026-03-23T09:00", "Ana", "Ben"),
        # The clocks went forward on Sunday; the turn still changes at nine in local time.
        ("2026-03-30T08:59", "Ana", "Ben"),
        ("2026-03-30T09:00", "Ben", "Chi"),
        # The clocks went back.
        ("2026-10-26T08:59", "Ana", "Ben"),
        ("2026-10-26T09:00", "Ben", "Chi"),
    ],
)
def test_turns_change_at_the_same_local_time(moment: str, person: str, following: str) -> None:
    """The hand-over stays at nine when the clocks change."""
    (shift,) = on_duty(at(moment), WEEKLY)
    assert (shift.person, shift.next_person) == (person, following)
    assert shift.since <= at(moment) < shift.until


def test_no_one_is_on_duty_before_the_first_turn() -> None:
    """A rota begins at `starts`."""
    assert on_duty(at("2026-03-02T08:59"), WEEKLY) == []


@pytest.mark.parametrize(
    ("inside", "hours"),
    [("2026-03-18T12:00", 7 * 24), ("2026-03-28T12:00", 7 * 24 - 1), ("2026-10-24T12:00", 7 * 24 + 1)],
)
def test_a_week_has_an_hour_less_or_more_when_the_clocks_change(inside: str, hours: int) -> None:
    """A shift begins and ends at moments in UTC, so its length is the real one."""
    (shift,) = on_duty(at(inside), WEEKLY)
    assert shift.until - shift.since == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("starts", "change"),
    [
        ("2026-03-01T02:30", at("2026-03-29T03:30")),  # there is no 02:30 on that day: it is 03:30 by the new clock
        ("2026-10-04T02:30", at("2026-10-25T02:30")),  # there are two: the first counts
    ],
)
def test_a_turn_that_changes_in_the_odd_hour_changes_once(starts: str, change: datetime) -> None:
    """Around the hour that is skipped or repeated, the person changes once, and every moment lies in its shift."""
    odd = layer("Ana", "Ben", starts=starts)
    before = on_duty(change - timedelta(seconds=1), odd)[0].person
    seen: list[str] = []
    for minute in range(-90, 121, 5):
        moment = change + timedelta(minutes=minute)
        (shift,) = on_duty(moment, odd)
        assert shift.since <= moment < shift.until, moment
        assert (shift.person == before) == (moment < change), moment
        seen.append(shift.person)
    assert len(set(seen)) == 2


def test_the_shifts_of_a_year_meet_end_to_end() -> None:
    """Each shift begins when the previous one ends, also when the clocks change."""
    (shift,) = on_duty(at("2026-03-02T09:00"), WEEKLY)
    for turn in range(1, 53):
        (following,) = on_duty(shift.until, WEEKLY)
        assert following.since == shift.until
        assert following.person == ("Ana", "Ben", "Chi")[turn % 3] == shift.next_person
        shift = following


def test_layers_cover_their_own_days_and_hours() -> None:
    """Day, night and weekend have layers of their own, and a last layer covers all times; the first is paged first."""
    workdays = ["mon", "tue", "wed", "thu", "fri"]
    day = layer("Day", name="day", days=workdays, hours="09:00-17:00")
    late = layer("Late", name="late", days=workdays, hours="17:00-24:00")
    early = layer("Early", name="early", days=workdays, hours="00:00-09:00")
    weekend = layer("Wes", name="weekend", days=["sat", "sun"])
    last = layer("Boss", name="last", acknowledge_within="15m")
    for moment, names in {
        "2026-03-18T09:00": "Day Boss",
        "2026-03-18T16:59": "Day Boss",
        "2026-03-18T17:00": "Late Boss",
        "2026-03-18T23:59": "Late Boss",
        "2026-03-19T00:00": "Early Boss",
        "2026-03-20T23:59": "Late Boss",
        "2026-03-21T00:00": "Wes Boss",
        "2026-03-22T23:59": "Wes Boss",
        "2026-03-23T00:00": "Early Boss",
        "2026-03-29T01:59": "Wes Boss",
        "2026-03-29T03:00": "Wes Boss",
    }.items():
        shifts = on_duty(at(moment), day, late, early, weekend, last)
        assert " ".join(shift.person for shift in shifts) == names, moment
    assert shifts[-1].acknowledge_within == timedelta(minutes=15)


def test_a_rota_has_its_own_zone() -> None:
    """Without one, the company's zone counts."""
    shop = Rota(role="on_call", zone="America/New_York", layers=[WEEKLY])
    nine = datetime(2026, 3, 9, 9, tzinfo=ZoneInfo("America/New_York"))
    assert [one.person for one in shop.on_duty(nine - timedelta(seconds=1), BERLIN)] == ["Ana"]
    assert [one.person for one in shop.on_duty(nine, BERLIN)] == ["Ben"]


@pytest.mark.parametrize(
    ("moment", "taken", "person", "following"),
    [
        ("2026-03-03T12:00", [], "Ana", "Ben"),  # the first turn needs no hand-over
        ("2026-03-10T12:00", [], "Ana", "Ben"),  # Ben's turn, and Ben has not taken it over: Ana stays
        ("2026-03-10T12:00", [("Ben", "2026-03-09T09:05")], "Ben", "Chi"),
        ("2026-03-10T12:00", [("Ben", "2026-03-09T08:30")], "Ben", "Chi"),  # a little early is in time
        ("2026-03-10T12:00", [("Chi", "2026-03-09T09:05")], "Chi", "Ben"),  # a swap: Chi took the turn over
        ("2026-03-17T12:00", [("Ben", "2026-03-09T09:05")], "Ben", "Chi"),  # Chi has not taken it over: Ben stays
        ("2026-03-31T12:00", [("Ben", "2026-03-09T09:05")], "Ben", "Ben"),  # two turns were not taken over: Ben stays
        ("2026-03-24T12:00", [("Chi", "2026-03-17T09:00"), ("Ana", "2026-03-23T09:00")], "Ana", "Ben"),
    ],
)
def test_with_a_hand_over_a_turn_begins_when_it_is_taken(
    moment: str, taken: list[tuple[str, str]], person: str, following: str
) -> None:
    """Until the next person takes over, the person who took over last stays on duty."""
    took = [RotaOverride(role="on_call", layer=WEEKLY.name, person=name, at=at(when)) for name, when in taken]
    rota = Rota(role="on_call", layers=[WEEKLY], hand_over=True)
    (shift,) = rota.on_duty(at(moment), BERLIN, took)
    assert (shift.person, shift.next_person) == (person, following)
    assert shift.since <= at(moment) < shift.until


@pytest.mark.parametrize(
    "wrong",
    [
        {"turn": "12h"},
        {"turn": "36h"},
        {"turn": "0d"},
        {"people": []},
        {"days": []},
        {"hours": "22:00-06:00"},
        {"starts": "2026-13-02T09:00"},
        {"starts": "2026-03-02"},
        {"starts": "2026-03-02T25:00"},
    ],
)
def test_a_layer_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    """Turns are whole days, and hours over midnight need two layers."""
    with pytest.raises(ValidationError):
        Layer.model_validate({"name": "first", "people": ["Ana"], "starts": "2026-03-02T09:00"} | wrong)


# --- reaching people -------------------------------------------------------------------------------------

CONTACTS = {
    "phone": {"address": "+49 30 1", "hours": "08:00-22:00"},
    "pager": "ana@pager",
    "slack": "[Slack]",
    "email": "  ",
}


@pytest.mark.parametrize(
    ("zone", "moment", "channels"),
    [
        (None, "2026-03-18T08:00", ["phone", "pager"]),
        (None, "2026-03-18T21:59", ["phone", "pager"]),
        (None, "2026-03-18T22:00", ["pager"]),
        (None, "2026-03-18T07:59", ["pager"]),
        ("America/New_York", "2026-03-18T12:59", ["pager"]),  # 07:59 there: the clocks changed earlier
        ("America/New_York", "2026-03-18T13:00", ["phone", "pager"]),
        (None, "2026-03-29T08:00", ["phone", "pager"]),
    ],
)
def test_a_person_is_reached_in_their_own_hours(zone: str | None, moment: str, channels: list[str]) -> None:
    """Channels come in their order, by the person's own time zone; a blank is left out."""
    ana = Person.model_validate({"name": "Ana", "roles": ["on_call"], "contacts": CONTACTS, "zone": zone})
    assert ana.reached_by(at(moment), BERLIN) == channels


@pytest.mark.parametrize(
    ("moment", "there"),
    [
        ("2026-12-20T23:59", True),
        ("2026-12-21T00:00", False),
        ("2026-12-31T23:59", False),
        ("2027-01-01T00:00", True),
    ],
)
def test_a_person_who_is_away_is_not_reached(moment: str, *, there: bool) -> None:
    """Both days count, by the clock of the person."""
    away = [{"from": "2026-12-21", "until": "2026-12-31"}]
    ana = Person.model_validate({"name": "Ana", "roles": ["on_call"], "contacts": CONTACTS, "away": away})
    assert bool(ana.reached_by(at(moment), BERLIN)) is there
    assert (ana.away_until(at(moment), BERLIN) is None) is there


def test_an_absence_that_ends_before_it_begins_is_refused() -> None:
    """It is a slip of the pen."""
    away = [{"from": "2026-12-31", "until": "2026-12-21"}]
    with pytest.raises(ValidationError, match="it is before 2026-12-31"):
        Person.model_validate({"name": "Ana", "roles": ["on_call"], "away": away})


@pytest.mark.parametrize(("name", "known"), [("Ana", True), ("[Name]", False), (" [Rotation] ", False), ("", False)])
def test_a_blank_is_not_a_person(name: str, *, known: bool) -> None:
    """A name in square brackets, or an empty one, still has to be filled in."""
    assert Person(name=name, roles=["on_call"]).known is known
