"""Alerts in masses, repeated, late, flapping: one trouble is one incident, and nothing that counts is lost."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from allclear.domain.alert import Alert
from allclear.domain.records import AlertJoined, AlertsCollapsed, Contained, StormJoined
from allclear.domain.reminders import reminders
from allclear.domain.timeline import line_of
from allclear.engine.actions.auto_approval import reasons_against
from allclear.engine.alerts.intake import Intake
from allclear.journal.sql_journal import SqlJournal
from allclear.postmortem.incident_summary import show
from tests.scenario.response_support import MACHINE
from tests.scopes import DRILL
from tests.unit.domain.stories import HEALTH
from tests.unit.engine.alerts.storm_support import Room, State, storm_room

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_TURNS: list[State] = ["resolved", "firing"]


@pytest.fixture
def room(tmp_path: Path) -> Generator[Room]:
    """An engine with the policy as it is where a plan says nothing."""
    with storm_room(tmp_path) as room:
        yield room


def _reasons_against(room: Room, incident: str | None) -> list[str]:
    assert incident is not None
    storm = room.engine.company.plan.storm
    return reasons_against(room.incident(incident), room.engine.journal.entries(incident), storm, room.watch.now)


# --- one trouble, one incident ---------------------------------------------------------------------------


def test_an_alert_is_heard_once_in_the_record_however_often_it_comes(room: Room) -> None:
    """A hundred firings are one entry; each is counted, and says what became of it."""
    first = room.send()
    for _ in range(99):
        room.watch.now += SECOND
        assert room.send().state == "repeat"
    known = room.engine.journal.alert("alertmanager:k")
    assert known is not None
    assert (known.count, known.incident) == (100, first.incident)
    assert len(room.records(first.incident, AlertJoined)) == 1
    assert room.decision(first.incident) == ["opened"] + ["repeat"] * 99


def test_joining_never_starts_a_second_response(room: Room) -> None:
    """However many alerts join, one run was asked for, and one phase of each kind."""
    first = room.send()
    for number in range(20):
        assert room.send(f"k{number}", name="Slow").incident == first.incident
    assert [message.key for message in room.engine.journal.outbox()] == [f"{first.incident}/respond"]


def test_another_service_or_a_later_alert_is_another_incident(room: Room) -> None:
    """A new alert joins what is ten minutes old on its own service, and nothing else."""
    first = room.send()
    assert room.send("other", service=1).state == "opened"
    room.watch.now += 11 * MINUTE
    later = room.send("later")
    assert (later.state, later.incident == first.incident) == ("opened", False)
    assert room.send().incident == first.incident


def test_two_alerts_with_one_key_of_two_sources_are_two(room: Room) -> None:
    """The key belongs to its source."""
    room.send("same")
    room.send("same", source="sentry")
    assert [one.key for one in room.engine.journal.alerts_of("VS-1")] == ["alertmanager:same", "sentry:same"]


# --- order -----------------------------------------------------------------------------------------------


def test_a_resolve_older_than_the_last_firing_is_recorded_and_changes_nothing(room: Room) -> None:
    """It fired again at 3:05; that it was over at 3:02 arrives afterwards."""
    now = room.watch.now
    first = room.send(at=now)
    assert room.send(at=now + 5 * MINUTE).state == "repeat"
    late = room.send(state="resolved", at=now + 2 * MINUTE)
    assert (late.state, late.incident) == ("late", first.incident)
    assert room.incident(first.incident).alerts["alertmanager:k"].state == "firing"
    room.watch.now += 6 * MINUTE
    assert room.send(state="resolved", at=now + 6 * MINUTE).state == "joined"


def test_a_firing_older_than_the_resolve_does_not_fire_again(room: Room) -> None:
    """The two overtook each other on their way."""
    now = room.watch.now
    first = room.send(at=now)
    room.send(state="resolved", at=now + 2 * MINUTE)
    assert room.send(at=now + MINUTE).state == "late"
    assert room.incident(first.incident).alerts["alertmanager:k"].state == "resolved"


def test_a_clock_that_is_years_ahead_silences_nothing(room: Room) -> None:
    """Its word counts as of now: what the source says afterwards is heard."""
    first = room.send(at=room.watch.now.replace(year=2199))
    room.watch.now += MINUTE
    over = room.send(state="resolved", at=room.watch.now)
    assert (over.state, over.incident) == ("joined", first.incident)


def test_a_rehearsal_in_the_same_journal_is_another_scope(tmp_path: Path) -> None:
    """A real alert never joins what a drill left open: nobody would be paged for it."""
    with storm_room(tmp_path) as room:
        engine = room.engine
        journal = SqlJournal(engine.settings.journal_url, DRILL, room.watch)
        rehearsed = Intake(journal, engine.company, room.watch)
        told = Alert("alertmanager", "k", "firing", "Down 0", {"alertname": "Down", "n": "0"}, authenticated=True)
        drilled = rehearsed.take(told, "delivery-of-a-drill")
        real = room.send()
        assert (drilled.state, real.state) == ("opened", "opened")
        assert drilled.incident != real.incident
        assert room.send().incident == real.incident
        journal.close()


def test_without_a_time_of_its_own_an_alert_counts_as_it_comes(room: Room) -> None:
    """Not every source tells the time."""
    first = room.send(at=room.watch.now)
    assert room.send(state="resolved").state == "joined"
    assert room.incident(first.incident).alerts["alertmanager:k"].state == "resolved"


# --- who hears of it -------------------------------------------------------------------------------------


def test_people_hear_again_of_a_new_alert_a_graver_one_and_after_four_hours(room: Room) -> None:
    """And of nothing else: not of repeats, nor of an end."""
    first = room.send(name="Slow")
    assert room.incident(first.incident).news == []
    room.send(name="Slow")
    assert room.incident(first.incident).news == []
    room.send("another", name="Slow")
    room.send(name="Down")
    assert [reason for _, _, reason in room.incident(first.incident).news] == ["a new alert", "more severe now"]
    assert room.incident(first.incident).severity == "P0"
    room.send("another", "resolved")
    room.watch.now += timedelta(hours=4)
    room.send()
    room.send()
    told = [reason for _, _, reason in room.incident(first.incident).news]
    assert told[2:] == ["still firing, 4h after the last news"]


def test_an_alert_that_fires_again_after_containment_is_news(room: Room) -> None:
    """Before it, people are at it and nothing is new; after it, they took it for contained, and hear of it once."""
    first = room.send()
    for state in _TURNS:
        room.watch.now += 20 * MINUTE
        room.send(state=state)
    assert room.incident(first.incident).news == []
    room.engine.journal.append(first.incident or "", [Contained(by="a rollback", finding=HEALTH)], MACHINE)
    for state in (*_TURNS, "firing"):
        room.watch.now += 20 * MINUTE
        room.send(state=state)
    incident = room.incident(first.incident)
    assert [reason for _, _, reason in incident.news] == ["it fires again"]
    (told,) = [one for one in reminders(room.engine.company.plan, incident) if one.topic == "news"]
    assert told.sentence == "1 alert since 04:20 (it fires again). For details: allclear show VS-1 --why"
    last = room.engine.journal.entries(incident.id)[-1]
    assert line_of(last, incident).text == "Alert from alertmanager is firing again: Down 0."


# --- flapping --------------------------------------------------------------------------------------------


async def test_people_hear_once_that_an_alert_comes_and_goes(tmp_path: Path) -> None:
    """At its third turn, not at each; and again when it begins anew after it was quiet."""
    with storm_room(tmp_path, clear_for="1h") as room:
        first = room.send()
        for told in (1, 2):
            for state in _TURNS * 20:
                room.watch.now += SECOND
                room.send(state=state)
            assert [reason for _, _, reason in room.incident(first.incident).news] == ["flapping"] * told
            room.watch.now += 16 * MINUTE
            await room.engine.recovery.check()


def test_a_flapping_alert_is_held_and_nothing_acts_by_itself(room: Room) -> None:
    """From the third turn in a quarter of an hour on it counts as firing; the record is not filled with its turns."""
    first = room.send()
    decision: list[str] = []
    for state in _TURNS * 20:
        room.watch.now += SECOND
        decision.append(room.send(state=state).state)
    assert decision == ["joined", "joined"] + ["held"] * 38
    assert room.incident(first.incident).alerts["alertmanager:k"].state == "firing"
    assert len(room.records(first.incident, AlertJoined)) == 4
    assert "its alert is flapping" in _reasons_against(room, first.incident)


async def test_the_last_word_counts_when_it_is_quiet_again(tmp_path: Path) -> None:
    """A quarter of an hour after its last turns, the alert is over, as it said last."""
    with storm_room(tmp_path, clear_for="1h") as room:
        first = room.send()
        for state in (*_TURNS, _TURNS[0]):
            room.send(state=state)
        assert await room.engine.recovery.check() == []
        assert room.incident(first.incident).alerts["alertmanager:k"].state == "firing"
        room.watch.now += 16 * MINUTE
        assert await room.engine.recovery.check() == [first.incident]
        assert await room.engine.recovery.check() == []
        assert room.incident(first.incident).alerts["alertmanager:k"].state == "resolved"
        assert "its alert is flapping" not in _reasons_against(room, first.incident)


# --- masses ----------------------------------------------------------------------------------------------


def test_over_its_share_a_source_is_counted_and_resolves_never_are(tmp_path: Path) -> None:
    """Of 50 alerts where 10 have room, the rest is counted in entries of which there are few; each end is told."""
    with storm_room(tmp_path, per_source={"times": 10, "within": "5m"}) as room:
        first = room.send("k0")
        decision = [room.send(f"k{number}").state for number in range(1, 50)]
        assert decision == ["joined"] * 9 + ["collapsed"] * 40
        assert [one.count for one in room.records(first.incident, AlertsCollapsed)] == [1]
        room.watch.now += 11 * SECOND
        assert room.send("k50").state == "collapsed"
        assert [one.count for one in room.records(first.incident, AlertsCollapsed)] == [1, 40]
        assert room.incident(first.incident).collapsed == 41
        assert len(room.engine.journal.alerts_of("VS-1")) == 51
        assert room.send("x", source="sentry").state == "joined"
        ended = [room.send(f"k{number}", "resolved").state for number in range(51)]
        assert ended == ["joined"] * 51
        assert len([one for one in room.records(first.incident, AlertJoined) if one.state == "resolved"]) == 51


def test_lesser_alerts_are_collapsed_first_and_a_graver_one_never(tmp_path: Path) -> None:
    """The last share of the bucket is for what weighs more; what raises the incident is always written."""
    with storm_room(tmp_path, per_source={"times": 20, "within": "5m"}) as room:
        first = room.send("k", name="Odd")
        decision = [room.send(f"odd{number}", name="Odd").state for number in range(30)]
        few = decision.index("collapsed")
        assert decision[few:] == ["collapsed"] * (30 - few)
        decision = [room.send(f"slow{number}", name="Slow").state for number in range(10)]
        assert decision[0] == "joined"
        assert room.incident(first.incident).severity == "P1"
        for number in range(30):
            room.send(f"more{number}", name="Slow")
        graver = room.send("down", name="Down")
        assert (graver.state, room.incident(first.incident).severity) == ("joined", "P0")


def test_a_bucket_fills_again(tmp_path: Path) -> None:
    """After the time there is room again."""
    with storm_room(tmp_path, per_source={"times": 5, "within": "5m"}) as room:
        assert [room.send(f"a{number}").state for number in range(7)][-2:] == ["collapsed"] * 2
        room.watch.now += 5 * MINUTE
        assert room.send("later").state == "joined"


def test_many_new_incidents_open_one_that_gathers_the_rest(room: Room) -> None:
    """The twentieth within five minutes; no more are opened, and everywhere people approve every act."""
    opened = [room.send(f"k{number}", service=number) for number in range(20)]
    assert {one.state for one in opened} == {"opened"}
    umbrella = room.engine.journal.open_with_key("storm")
    assert umbrella is not None
    gathered = [room.send(f"k{number}", service=number) for number in range(20, 40)]
    assert {(one.state, one.incident) for one in gathered} == {("joined", umbrella)}
    assert len(room.engine.journal.incidents()) == 21
    assert room.incident(umbrella).title == "Alert storm: 20 incidents within 5 min"
    for one in (opened[0].incident, opened[-1].incident, umbrella):
        assert any("every action needs an approval" in reason for reason in _reasons_against(room, one))
    assert len(room.records(opened[3].incident, StormJoined)) == 1


def test_after_the_storm_new_troubles_are_incidents_of_their_own_again(room: Room) -> None:
    """Five minutes without anything new end it, though what gathered it is open; it may be taken up again."""
    for number in range(20):
        room.send(f"k{number}", service=number)
    room.watch.now += 11 * MINUTE
    later = room.send("later", service=30)
    assert later.state == "opened"
    assert room.incident(later.incident).storm_umbrella is None
    for number in range(20):
        room.send(f"again{number}", service=number)
    assert room.incident(later.incident).storm_umbrella
    assert len(room.engine.journal.incidents()) == 41
    assert room.send("more", service=35).state == "joined"


def test_an_alert_after_the_storm_makes_a_covered_incident_ordinary_again(room: Room) -> None:
    """Until then it stays covered, and its page says why and what to do; what gathered the storm stays covered."""
    opened = [room.send(f"k{number}", service=number).incident for number in range(20)]
    joined = room.send("k20", service=20).incident
    room.send("more", service=3)
    assert room.incident(opened[3]).storm_umbrella == joined
    room.watch.now += 6 * MINUTE
    console = Console(width=200, record=True, file=StringIO())
    covered = room.incident(opened[3])
    console.print(show(covered, room.engine.journal.entries(covered.id), room.engine.company.plan, room.watch.now))
    shown = console.export_text()
    assert "every action needs an approval until an alert joins after the storm. Answer the open questions" in shown
    room.send("yet another", service=3)
    room.send("k20", "resolved", service=20)
    room.send("k20", service=20)
    assert [room.incident(one).storm_umbrella for one in (opened[3], opened[4], joined)] == [None, joined, joined]
    assert not any("every action" in reason for reason in _reasons_against(room, opened[3]))
    assert "is over" in line_of(room.engine.journal.entries(opened[3] or "")[-1]).text


def test_with_the_policy_off_each_new_alert_opens_an_incident(tmp_path: Path) -> None:
    """And none is held, joined by its service, collapsed or gathered; the same alert is known all the same."""
    with storm_room(tmp_path, enabled=False, per_source={"times": 1, "within": "5m"}) as room:
        assert {room.send(f"k{number}").state for number in range(30)} == {"opened"}
        assert len(room.engine.journal.incidents()) == 30
        assert room.send("k3").state == "repeat"
        for state in _TURNS * 2:
            assert room.send("k3", state).state == "joined"


# --- what was heard before -------------------------------------------------------------------------------


def _end(room: Room, incident: str | None) -> None:
    assert incident is not None
    room.engine.people.false_alarm(incident, "a test", room.engine.people.who("Ana", "on_call", "cli"))


def test_what_was_heard_before_the_end_opens_nothing_afterwards(room: Room) -> None:
    """A captured request, sent again weeks later, tells of a time that was heard; a new trouble begins later."""
    began = room.watch.now
    first = room.send(at=began)
    _end(room, first.incident)
    room.watch.now += timedelta(days=30)
    old = room.send(at=began)
    assert (old.state, old.incident) == ("old", first.incident)
    assert "before VS-1 ended" in old.reason
    assert room.send(at=room.watch.now).state == "opened"


def test_what_fired_before_it_was_resolved_is_old_too(room: Room) -> None:
    """The end is heard after the incident's; the firing from before it opens nothing."""
    began = room.watch.now
    first = room.send(at=began)
    _end(room, first.incident)
    assert room.send(state="resolved", at=began + MINUTE).state == "ignored"
    assert room.send(at=began + 30 * SECOND).state == "old"
    assert room.send(at=began + 2 * MINUTE).state == "opened"


def test_without_a_time_the_vendors_number_tells_an_old_delivery(room: Room) -> None:
    """The same numbered delivery is nothing new, another one is; where nothing is numbered, the words count anew."""
    first = room.send(delivery="n1", numbered=True)
    _end(room, first.incident)
    assert room.send(delivery="n1", numbered=True).state == "old"
    second = room.send(delivery="n2", numbered=True)
    assert second.state == "opened"
    _end(room, second.incident)
    assert room.send(delivery="n2").state == "opened"
