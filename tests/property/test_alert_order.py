"""Messages about one alert in any order: the sender's newest message, or else the last that arrives, counts."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.engine.alerts.storm_support import Room, State, storm_room

STATES: st.SearchStrategy[State] = st.sampled_from(["firing", "resolved"])
FEW = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
KEYS = count(1)


def last_state(room: Room, key: str) -> str:
    """Return what the alert's source said last, as the journal has it."""
    known = room.engine.journal.alert(f"alertmanager:{key}")
    assert known is not None
    return known.source_state


def test_the_senders_order_decides_in_whatever_order_its_messages_arrive() -> None:
    """Of any messages, each sent up to three times, the one with the highest order counts at the end."""
    with tempfile.TemporaryDirectory() as folder, storm_room(Path(folder)) as room:

        @FEW
        @given(st.lists(STATES, min_size=1, max_size=5), st.data())
        def check(states: list[State], data: st.DataObject) -> None:
            key, times = str(next(KEYS)), 1 + len(states) % 3
            arrivals = data.draw(st.permutations(list(enumerate(states, 1)) * times))
            room.send(key, order=(0,))
            for order, state in arrivals:
                room.watch.now += timedelta(minutes=1)
                room.send(key, state, order=(order,))
            assert last_state(room, key) == states[-1]

        check()


def test_without_an_order_the_last_message_that_says_something_new_decides() -> None:
    """A firing always counts, whatever its start; an end counts if it is later than each end before it."""
    with tempfile.TemporaryDirectory() as folder, storm_room(Path(folder)) as room:
        began = room.watch.now

        @FEW
        @given(st.lists(st.tuples(STATES, st.integers(0, 5)), min_size=1, max_size=8))
        def check(messages: list[tuple[State, int]]) -> None:
            key, expected, ended = str(next(KEYS)), "firing", -1
            room.send(key, at=began)
            for state, minute in messages:
                room.watch.now += timedelta(minutes=1)
                at = began if state == "firing" else began + timedelta(minutes=minute)
                room.send(key, state, at=at)
                if state == "firing":
                    expected = "firing"
                elif minute > ended:
                    expected, ended = "resolved", minute
            assert last_state(room, key) == expected

        check()
