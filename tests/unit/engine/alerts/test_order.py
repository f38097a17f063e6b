"""The true order of alerts: the sender's numbers and times where they can be trusted, and else the order of arrival."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.domain.alert import AlertOrder
from allclear.domain.timeline import line_of
from allclear.engine.alerts.explain import decision_text, explain
from tests.unit.engine.alerts.storm_support import Room, State, storm_room

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
KEY = "alertmanager:k"


@pytest.fixture
def room(tmp_path: Path) -> Generator[Room]:
    """An engine with the default storm policy."""
    with storm_room(tmp_path) as room:
        yield room


def end(room: Room, incident: str | None) -> None:
    """Let a person end an incident."""
    assert incident is not None
    room.engine.people.false_alarm(incident, "a test", room.engine.people.who("Ana", "on_call", "cli"))


def state_of(room: Room, incident: str | None) -> str:
    """Return the state of the one alert."""
    return room.incident(incident).alerts[KEY].state


# --- by arrival --------------------------------------------------------------------------------------------


def test_an_alert_that_fires_again_with_its_first_start_counts_as_firing(room: Room) -> None:
    """Prometheus was away for a while: firing since 03:00, resolved at 03:06, firing since 03:00 again."""
    began = room.watch.now
    first = room.send(at=began)
    room.watch.now += 6 * MINUTE
    assert room.send(state="resolved", at=began + 6 * MINUTE).state == "joined"
    room.watch.now += 2 * MINUTE
    again = room.send(at=began)
    assert (again.state, again.incident) == ("joined", first.incident)
    assert state_of(room, first.incident) == "firing"
    assert room.send(at=began).state == "repeat"
    room.watch.now += 20 * MINUTE  # later than the time within which its changes count as flapping
    assert room.send(state="resolved", at=began + 28 * MINUTE).state == "joined"
    assert state_of(room, first.incident) == "resolved"


def test_after_the_end_an_alert_that_fires_again_with_its_first_start_opens_an_incident(room: Room) -> None:
    """The alert was resolved, and the incident has ended. The same start does not make it an old alert."""
    began = room.watch.now
    first = room.send(at=began)
    room.send(state="resolved", at=began + 6 * MINUTE)
    end(room, first.incident)
    again = room.send(at=began)
    assert (again.state, again.incident == first.incident) == ("opened", False)


def test_after_the_end_a_resolution_and_the_same_start_open_an_incident(room: Room) -> None:
    """The alert was resolved only after its incident had ended."""
    began = room.watch.now
    first = room.send(at=began)
    end(room, first.incident)
    assert room.send(state="resolved", at=began + MINUTE).state == "ignored"
    assert room.send(at=began).state == "opened"


def test_an_end_that_was_received_before_does_not_end_the_next_firing(room: Room) -> None:
    """A captured resolution is sent again after the alert has fired again; a later end counts."""
    began = room.watch.now
    first = room.send(at=began)
    room.send(state="resolved", at=began + MINUTE)
    room.send(at=began)
    room.watch.now += 20 * MINUTE
    for at in (began + MINUTE, began + 30 * SECOND):
        again = room.send(state="resolved", at=at)
        assert (again.state, "same end was received before" in again.reason) == ("late", True)
    assert state_of(room, first.incident) == "firing"
    assert room.send(state="resolved", at=began + 4 * MINUTE).state == "joined"


def test_people_who_end_an_incident_while_its_alert_fires_are_not_asked_again_at_once(room: Room) -> None:
    """Repeats of the same firing open nothing for four hours after the end; then, or with a new start, they do."""
    began = room.watch.now
    first = room.send(at=began)
    end(room, first.incident)
    room.watch.now += 3 * timedelta(hours=1)
    old = room.send(at=began)
    assert (old.state, old.incident, "4h after that end" in old.reason) == ("old", first.incident, True)
    room.watch.now += timedelta(hours=1)
    second = room.send(at=began)
    assert second.state == "opened"
    end(room, second.incident)
    room.watch.now += MINUTE
    assert room.send(at=room.watch.now).state == "opened"


# --- by the sender's order -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("older", "newer"),
    [((10, 1), (11, 1)), ((11, 1), (11, 2)), ((0,), (1,)), (timedelta(0), timedelta(milliseconds=1))],
)
def test_the_newer_message_decides_whichever_comes_first(
    room: Room, older: tuple[int, ...] | timedelta, newer: tuple[int, ...] | timedelta
) -> None:
    """Run 11 fails, then run 10 of an older commit succeeds: the trouble goes on. Numbers and times both order."""

    def order(value: tuple[int, ...] | timedelta) -> AlertOrder:
        return room.watch.now + value if isinstance(value, timedelta) else value

    states: list[tuple[State, State]] = [("firing", "resolved"), ("resolved", "firing")]
    for key, (last, first) in enumerate(states):
        room.send(str(key), order=order(older))
        room.send(str(key), last, order=order(newer))
        assert room.send(str(key), first, order=order(older)).state == "late"
        found = [one.source_state for one in room.engine.journal.alerts_of("VS-1") if one.key.endswith(f":{key}")]
        assert found == [last]


def test_a_resolution_that_comes_before_any_firing_keeps_its_order(room: Room) -> None:
    """Run 11 succeeds and is received first; then the failure of run 10 opens nothing, and that of run 12 does."""
    assert room.send(state="resolved", order=(11, 1)).state == "ignored"
    old = room.send(order=(10, 1))
    assert (old.state, old.incident) == ("old", None)
    assert room.send(state="resolved", order=(9, 1)).state == "ignored"
    assert room.send(order=(10, 2)).state == "old"
    opened = room.send(order=(12, 1))
    assert (opened.state, "cannot be read" in opened.reason) == ("opened", False)
    assert room.send(state="resolved", order=(11, 1)).state == "late"


def test_a_forged_resolution_silences_no_alert(room: Room) -> None:
    """A source that does not prove its identity could send any order."""
    room.send(state="resolved", order=(99, 1), authenticated=False)
    assert room.send(order=(10, 1)).state == "opened"


def test_messages_with_one_order_count_as_they_arrive(room: Room) -> None:
    """A sender that gives whole seconds may report the end, and the next firing, in one second."""
    now = room.watch.now
    first = room.send(order=now)
    assert room.send(state="resolved", order=now).state == "joined"
    assert room.send(order=now).state == "joined"
    assert state_of(room, first.incident) == "firing"


def test_a_message_without_an_order_counts_as_it_arrives(room: Room) -> None:
    """A template may have lost its time."""
    first = room.send(order=room.watch.now)
    assert room.send(state="resolved").state == "joined"
    assert state_of(room, first.incident) == "resolved"


def test_after_a_time_years_ahead_later_messages_still_count(room: Room) -> None:
    """A sender's clock that was wrong does not make every later message late."""
    room.send(order=room.watch.now.replace(year=2199))
    room.watch.now += MINUTE
    assert room.send(state="resolved", order=room.watch.now).state == "joined"


def test_a_captured_firing_opens_nothing_after_the_end(room: Room) -> None:
    """Its order is from before the incident ended, weeks later too; a message with a later order opens an incident."""
    began = room.watch.now
    first = room.send(order=began)
    end(room, first.incident)
    room.watch.now += timedelta(days=30)
    old = room.send(order=began)
    assert (old.state, old.incident, "before VS-1 ended" in old.reason) == ("old", first.incident, True)
    assert room.send(order=room.watch.now).state == "opened"


def test_a_firing_from_before_the_last_resolution_opens_nothing_after_the_end(room: Room) -> None:
    """The resolution is received after the end of the incident."""
    began = room.watch.now
    first = room.send(order=began)
    end(room, first.incident)
    assert room.send(state="resolved", order=began + MINUTE).state == "ignored"
    assert room.send(order=began + 30 * SECOND).state == "old"
    assert room.send(order=began + 2 * MINUTE).state == "opened"


# --- ends that are no recoveries -----------------------------------------------------------------------------


async def test_an_end_that_is_no_recovery_tells_its_reason_and_does_not_end_the_incident(tmp_path: Path) -> None:
    """The rule was paused: the record, the timeline and the decision say so, until its source reports a recovery."""
    with storm_room(tmp_path) as room:
        first = room.send()
        ended = room.send(state="resolved", no_recovery="its rule was paused")
        assert "because its rule was paused, which is no recovery" in ended.reason
        incident = room.incident(first.incident)
        assert incident.alerts[KEY].no_recovery == "its rule was paused"
        line = line_of(room.engine.journal.entries(incident.id)[-1], incident)
        assert line.text == "Alert from alertmanager ended, but not because of a recovery: its rule was paused. Down 0."
        assert incident.ends_without_recovery == ["its rule was paused"]
        (decision,) = [
            one
            for one in explain(room.engine.journal, room.engine.company, incident.id, room.watch.now).decisions
            if one.state == "resolved"
        ]
        assert "its rule was paused" in decision_text(decision.decision, "resolved", incident.id, decision.reason)
        assert room.send(state="resolved").state == "joined"
        assert room.incident(first.incident).ends_without_recovery == []
        assert room.send(state="resolved").state == "repeat"


async def test_a_flapping_alert_whose_rule_is_paused_has_not_recovered(tmp_path: Path) -> None:
    """The rule flaps until a person pauses it. Once the alert is stable, it counts as ended without a recovery."""
    with storm_room(tmp_path, clear_for="1h") as room:
        first = room.send()
        states: list[State] = ["resolved", "firing"] * 3
        for state in states:
            room.watch.now += SECOND
            room.send(state=state)
        assert room.send(state="resolved", no_recovery="its rule was paused").state == "held"
        assert state_of(room, first.incident) == "firing"
        room.watch.now += 16 * MINUTE
        await room.engine.recovery.check()
        assert state_of(room, first.incident) == "resolved"
        assert room.incident(first.incident).ends_without_recovery == ["its rule was paused"]
