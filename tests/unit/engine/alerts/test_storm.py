"""Many, repeated, late and flapping alerts: one problem is one incident, and no important alert is lost."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from allclear.domain.alert import Alert
from allclear.domain.records import AlertJoined, AlertsCollapsed, Contained, IncidentEnded, StormJoined
from allclear.domain.reminders.due_reminders import reminders
from allclear.domain.timeline import line_of
from allclear.engine.actions.auto_approval import reasons_against
from allclear.engine.alerts.intake import Intake
from allclear.engine.people.declare import Declaration
from allclear.journal.sql_journal import SqlJournal
from allclear.reports.incident_summary import show
from tests.scenario.response_support import MACHINE
from tests.scopes import DRILL
from tests.unit.domain.stories import HEALTH
from tests.unit.engine.alerts.storm_support import Room, State, storm_room

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_CHANGES: list[State] = ["resolved", "firing"]


@pytest.fixture
def room(tmp_path: Path) -> Generator[Room]:
    """An engine with the default storm policy."""
    with storm_room(tmp_path) as room:
        yield room


def _reasons_against(room: Room, incident: str | None) -> list[str]:
    assert incident is not None
    storm = room.engine.company.plan.storm
    return reasons_against(room.incident(incident), room.engine.journal.entries(incident), storm, room.watch.now)


# --- one problem, one incident ---------------------------------------------------------------------------


def test_a_repeated_alert_is_one_entry(room: Room) -> None:
    """An alert that is received a hundred times is one entry; each repeat is counted and has its decision."""
    first = room.send()
    for _ in range(99):
        room.watch.now += SECOND
        assert room.send().state == "repeat"
    known = room.engine.journal.alert("alertmanager:k")
    assert known is not None
    assert (known.count, known.incident) == (100, first.incident)
    assert len(room.records(first.incident, AlertJoined)) == 1
    assert room.decisions(first.incident) == ["opened"] + ["repeat"] * 99


def test_joining_never_starts_a_second_response(room: Room) -> None:
    """After twenty alerts have joined, the outbox has one message, which starts the response."""
    first = room.send()
    for number in range(20):
        assert room.send(f"k{number}", name="Slow").incident == first.incident
    assert [message.key for message in room.engine.journal.outbox()] == [f"{first.incident}/respond"]


def test_an_alert_joins_the_open_incident_of_its_service_whatever_its_age(room: Room) -> None:
    """An alert of another service is another incident; after the end, a new alert opens one."""
    first = room.send()
    assert room.send("other", service=1).state == "opened"
    for key, passed in (("soon", 17 * MINUTE), ("later", timedelta(days=9))):
        room.watch.now += passed
        joined = room.send(key)
        assert (joined.state, joined.incident) == ("joined", first.incident)
        assert joined.reason == f"{first.incident} is open for shop-0."
    ended = IncidentEnded(ending="resolved", reason="over")
    room.engine.journal.append(first.incident or "", [ended], MACHINE)
    assert room.send("after").state == "opened"


def test_a_plan_may_limit_the_age_of_the_incident_that_an_alert_joins(tmp_path: Path) -> None:
    """With `join_within`, a later alert opens an incident of its own; a known alert stays where it belongs."""
    with storm_room(tmp_path, join_within="10m") as room:
        first = room.send()
        room.watch.now += 11 * MINUTE
        later = room.send("later")
        assert (later.state, later.incident == first.incident) == ("opened", False)
        assert room.send().incident == first.incident


def test_an_alert_joins_the_response_rather_than_an_old_manual_action_or_an_old_storm(tmp_path: Path) -> None:
    """An incident that only holds a manual action has no response, and may stay open for weeks."""
    with storm_room(tmp_path) as room:
        by = room.engine.people.who("Ana", "on_call", "cli")
        declared = Declaration("By hand", "P2", "shop-0", "bad-deployment")
        manual = room.engine.people.declare(declared, by, first=None).incident
        room.watch.now += 9 * MINUTE
        assert room.send("at once").incident == manual
        other = room.engine.people.declare(replace(declared, service="shop-1"), by, first=None).incident
        room.watch.now += 11 * MINUTE
        taken = room.send("k1", service=1)
        assert (taken.state, taken.incident == other) == ("opened", False)


def test_alerts_with_one_key_from_two_sources_are_two_alerts(room: Room) -> None:
    """A key is unique within its source only."""
    room.send("same")
    room.send("same", source="sentry")
    assert [one.key for one in room.engine.journal.alerts_of("VS-1")] == ["alertmanager:same", "sentry:same"]


# --- order -----------------------------------------------------------------------------------------------


def test_a_resolve_older_than_the_last_firing_is_recorded_and_changes_nothing(room: Room) -> None:
    """The alert fired again at 3:05; its resolve of 3:02 arrives afterwards."""
    now = room.watch.now
    first = room.send(at=now)
    assert room.send(at=now + 5 * MINUTE).state == "repeat"
    late = room.send(state="resolved", at=now + 2 * MINUTE)
    assert (late.state, late.incident) == ("late", first.incident)
    assert room.incident(first.incident).alerts["alertmanager:k"].state == "firing"
    room.watch.now += 6 * MINUTE
    assert room.send(state="resolved", at=now + 6 * MINUTE).state == "joined"


def test_a_firing_older_than_the_last_resolve_changes_nothing(room: Room) -> None:
    """The sender's order says that the two messages arrived in the wrong order, and the alert stays resolved."""
    now = room.watch.now
    first = room.send(at=now, order=now)
    room.send(state="resolved", at=now + 2 * MINUTE, order=now + 2 * MINUTE)
    assert room.send(at=now + MINUTE, order=now + MINUTE).state == "late"
    assert room.incident(first.incident).alerts["alertmanager:k"].state == "resolved"


def test_after_an_alert_with_a_time_years_ahead_later_alerts_still_count(room: Room) -> None:
    """A time in the future counts as now, so a later resolve is not late."""
    first = room.send(at=room.watch.now.replace(year=2199))
    room.watch.now += MINUTE
    resolved = room.send(state="resolved", at=room.watch.now)
    assert (resolved.state, resolved.incident) == ("joined", first.incident)


def test_a_real_alert_never_joins_the_incident_of_a_drill(tmp_path: Path) -> None:
    """In a shared journal the drill's incident is of another scope: a joined real alert would page no one."""
    with storm_room(tmp_path) as room:
        engine = room.engine
        journal = SqlJournal(engine.settings.journal_url, DRILL, room.watch)
        drill_intake = Intake(journal, engine.company, room.watch)
        alert = Alert("alertmanager", "k", "firing", "Down 0", {"alertname": "Down", "n": "0"}, authenticated=True)
        drilled = drill_intake.take(alert, "delivery-of-a-drill")
        real = room.send()
        assert (drilled.state, real.state) == ("opened", "opened")
        assert drilled.incident != real.incident
        assert room.send().incident == real.incident
        journal.close()


def test_alerts_without_a_time_count_in_order_of_arrival(room: Room) -> None:
    """Some sources send no time."""
    first = room.send(at=room.watch.now)
    assert room.send(state="resolved").state == "joined"
    assert room.incident(first.incident).alerts["alertmanager:k"].state == "resolved"


# --- notifications ---------------------------------------------------------------------------------------


def test_people_are_notified_of_new_and_more_severe_alerts_and_after_four_hours(room: Room) -> None:
    """A repeat within four hours and a resolve notify no one."""
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
    news = [reason for _, _, reason in room.incident(first.incident).news]
    assert news[2:] == ["still firing, 4h after the last news"]


def test_an_alert_that_fires_again_is_news(room: Room) -> None:
    """People who have read that it was resolved are notified, once for each time."""
    first = room.send()
    room.engine.journal.append(first.incident or "", [Contained(by="a rollback", finding=HEALTH)], MACHINE)
    for state in (*_CHANGES, "firing"):
        room.watch.now += 20 * MINUTE
        room.send(state=state)
    incident = room.incident(first.incident)
    assert [reason for _, _, reason in incident.news] == ["it fires again"]
    (reminder,) = [one for one in reminders(room.engine.company.plan, incident) if one.topic == "news"]
    assert reminder.sentence == "1 alert since 03:40 UTC (it fires again). For details: allclear show VS-1 --why"
    last = room.engine.journal.entries(incident.id)[-1]
    assert line_of(last, incident).text == "Alert from alertmanager is firing again: Down 0."


# --- flapping --------------------------------------------------------------------------------------------


async def test_people_are_notified_once_that_an_alert_is_flapping(tmp_path: Path) -> None:
    """They are notified at the third change of its state, and again if it flaps anew after it was stable."""
    with storm_room(tmp_path, clear_for="1h") as room:
        first = room.send()
        for times in (1, 2):
            for state in _CHANGES * 20:
                room.watch.now += SECOND
                room.send(state=state)
            news = [reason for _, _, reason in room.incident(first.incident).news]
            assert [reason for reason in news if reason == "flapping"] == ["flapping"] * times
            room.watch.now += 16 * MINUTE
            await room.engine.recovery.check()


def test_a_flapping_alert_counts_as_firing_and_allows_no_automatic_action(room: Room) -> None:
    """From the third change within a quarter of an hour on it counts as firing, and few of its changes are recorded."""
    first = room.send()
    decision: list[str] = []
    for state in _CHANGES * 20:
        room.watch.now += SECOND
        decision.append(room.send(state=state).state)
    assert decision == ["joined", "joined"] + ["held"] * 38
    assert room.incident(first.incident).alerts["alertmanager:k"].state == "firing"
    assert len(room.records(first.incident, AlertJoined)) == 4
    assert "its alert is flapping" in _reasons_against(room, first.incident)


async def test_the_last_state_counts_once_a_flapping_alert_is_stable(tmp_path: Path) -> None:
    """A quarter of an hour after its last change the alert is resolved, as its source reported last."""
    with storm_room(tmp_path, clear_for="1h") as room:
        first = room.send()
        for state in (*_CHANGES, _CHANGES[0]):
            room.send(state=state)
        assert await room.engine.recovery.check() == []
        assert room.incident(first.incident).alerts["alertmanager:k"].state == "firing"
        room.watch.now += 16 * MINUTE
        assert await room.engine.recovery.check() == [first.incident]
        assert await room.engine.recovery.check() == []
        assert room.incident(first.incident).alerts["alertmanager:k"].state == "resolved"
        assert "its alert is flapping" not in _reasons_against(room, first.incident)


# --- many alerts -----------------------------------------------------------------------------------------


def test_alerts_over_the_limit_of_their_source_are_only_counted_and_resolves_never_are(tmp_path: Path) -> None:
    """Of 50 alerts with a limit of 10, 40 are counted in a few entries; every resolve is recorded."""
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


def test_less_severe_alerts_are_collapsed_first_and_a_more_severe_one_never(tmp_path: Path) -> None:
    """The last share of the bucket is for more severe alerts; an alert that raises the severity is always recorded."""
    with storm_room(tmp_path, per_source={"times": 20, "within": "5m"}) as room:
        first = room.send("k", name="Odd")
        decision = [room.send(f"odd{number}", name="Odd").state for number in range(30)]
        recorded = decision.index("collapsed")
        assert decision[recorded:] == ["collapsed"] * (30 - recorded)
        decision = [room.send(f"slow{number}", name="Slow").state for number in range(10)]
        assert decision[0] == "joined"
        assert room.incident(first.incident).severity == "P1"
        for number in range(30):
            room.send(f"more{number}", name="Slow")
        more_severe = room.send("down", name="Down")
        assert (more_severe.state, room.incident(first.incident).severity) == ("joined", "P0")


def test_a_bucket_fills_again(tmp_path: Path) -> None:
    """Five minutes later another alert of the source is recorded."""
    with storm_room(tmp_path, per_source={"times": 5, "within": "5m"}) as room:
        assert [room.send(f"a{number}").state for number in range(7)][-2:] == ["collapsed"] * 2
        room.watch.now += 5 * MINUTE
        assert room.send("later").state == "joined"


def test_many_new_incidents_open_one_that_all_further_alerts_join(room: Room) -> None:
    """After the twentieth within five minutes no more are opened, and every action of them needs an approval."""
    opened = [room.send(f"k{number}", service=number) for number in range(20)]
    assert {one.state for one in opened} == {"opened"}
    umbrella = room.engine.journal.open_with_key("storm")
    assert umbrella is not None
    joined = [room.send(f"k{number}", service=number) for number in range(20, 40)]
    assert {(one.state, one.incident) for one in joined} == {("joined", umbrella)}
    assert len(room.engine.journal.incidents()) == 21
    assert room.incident(umbrella).title == "Alert storm: 20 incidents within 5 min"
    for one in (opened[0].incident, opened[-1].incident, umbrella):
        assert any("every action needs an approval" in reason for reason in _reasons_against(room, one))
    assert len(room.records(opened[3].incident, StormJoined)) == 1


def test_after_the_storm_new_problems_open_their_own_incidents_again(tmp_path: Path) -> None:
    """Without a new alert for five minutes the storm is over, although its incident is open; a new storm reuses it."""
    with storm_room(tmp_path, join_within="10m") as room:
        _after_the_storm(room)


def _after_the_storm(room: Room) -> None:
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


def test_an_incident_leaves_the_storm_with_its_first_alert_after_it(room: Room) -> None:
    """Until then every action needs an approval, and the summary says so; the storm's own incident never leaves it."""
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
    """No alert is held, joined by its service or collapsed; a repeat of a known alert is still a repeat."""
    with storm_room(tmp_path, enabled=False, per_source={"times": 1, "within": "5m"}) as room:
        assert {room.send(f"k{number}").state for number in range(30)} == {"opened"}
        assert len(room.engine.journal.incidents()) == 30
        assert room.send("k3").state == "repeat"
        for state in _CHANGES * 2:
            assert room.send("k3", state).state == "joined"
