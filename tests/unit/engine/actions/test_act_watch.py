"""After an act: unknown outcomes are settled by later reads, and news of what is in place is reported once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.errors import Unreachable
from allclear.domain.records import ActSettled, LedgerNoted
from allclear.domain.reminders.due_reminders import reminders
from allclear.engine.actions.act_watch import NEWS_EVERY, ActWatcher
from allclear.engine.actions.executor import LEASE
from tests.unit.domain.stories import MACHINE, plan
from tests.unit.engine.actions.executor_support import Office, Time
from tests.unit.fakes_actions import LOST, Desk, SetDial, TurnDial, nothing, raising

DOWN = raising(Unreachable("The dial could not be reached to read it (no answer).", "Check the dial."))


@pytest.fixture
def watched(office: Office) -> tuple[Desk, ActWatcher, Time]:
    """A desk, a watcher of its acts, and the clock of both."""
    desk = office.desk()
    return desk, ActWatcher(desk.journal, desk.executor, office.time), office.time


async def doubtful(desk: Desk, kind: type[TurnDial] = TurnDial, *, lands: bool) -> tuple[str, str]:
    """Return an incident and an act whose outcome is not known, because reads were down until its deadline."""
    incident = desk.opened()
    act = await desk.approved(incident, kind, 5)
    (desk.dials.after_write if lands else desk.dials.before_write).append(LOST)
    desk.dials.at_check = [nothing, *[DOWN] * 1000]
    outcome = await desk.executor.carry_out(incident, act, MACHINE)
    assert outcome.status is ActStatus.INDETERMINATE
    desk.dials.at_check = []
    return incident, act


async def test_an_unknown_outcome_is_settled_as_soon_as_a_read_can_tell(
    watched: tuple[Desk, ActWatcher, Time],
) -> None:
    """The write took effect: it is verified, ours to undo, and the first outcome stays in the record."""
    desk, watcher, time = watched
    incident, act = await doubtful(desk, lands=True)
    time.now += timedelta(seconds=10)
    assert await watcher.check() == [incident]
    settled = desk.act(incident, act)
    assert (settled.status, settled.in_place, settled.settled_at) == (ActStatus.VERIFIED, True, time.now)
    assert isinstance(desk.journal.entries(incident)[-1].record, ActSettled)


async def test_reads_that_stay_down_settle_nothing_and_are_tried_again(
    watched: tuple[Desk, ActWatcher, Time],
) -> None:
    """A failed read is no proof of anything."""
    desk, watcher, time = watched
    incident, act = await doubtful(desk, lands=True)
    desk.dials.at_check = [DOWN]
    time.now += timedelta(seconds=10)
    assert await watcher.check() == []
    assert desk.act(incident, act).status is ActStatus.INDETERMINATE
    time.now += timedelta(minutes=10)
    assert await watcher.check() == [incident]


@pytest.mark.parametrize("kind", [TurnDial, SetDial])
async def test_a_write_that_never_landed_is_settled_as_without_effect(
    watched: tuple[Desk, ActWatcher, Time], kind: type[TurnDial]
) -> None:
    """Not at once, because it may still land; after the lease nothing is in place, and the incident can end."""
    desk, watcher, time = watched
    incident, act = await doubtful(desk, kind, lands=False)
    time.now += timedelta(seconds=10)
    assert await watcher.check() == []
    time.now += LEASE
    assert await watcher.check() == [incident]
    settled = desk.act(incident, act)
    assert (settled.status, settled.in_place) == (ActStatus.FAILED, False)
    assert desk.incident(incident).blocks_ending == []


async def test_a_state_that_is_neither_as_before_nor_as_intended_is_left_to_people(
    watched: tuple[Desk, ActWatcher, Time],
) -> None:
    """Another person turned the dial: what became of the write is not known."""
    desk, watcher, time = watched
    incident, act = await doubtful(desk, lands=True)
    desk.dials.turn("main", 9)
    time.now += timedelta(minutes=10)
    assert await watcher.check() == []
    assert desk.act(incident, act).status is ActStatus.INDETERMINATE


# --- news of what is in place -------------------------------------------------------------------------------------


async def test_a_change_in_place_that_another_person_moved_is_told_once(
    watched: tuple[Desk, ActWatcher, Time],
) -> None:
    """In the record, with what is in place, and as a reminder to the team's channel."""
    desk, watcher, time = watched
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    assert (await desk.executor.carry_out(incident, act, MACHINE)).good
    time.now += NEWS_EVERY + timedelta(seconds=1)
    assert await watcher.check() == []
    desk.dials.turn("main", 9)
    time.now += NEWS_EVERY + timedelta(seconds=1)
    assert await watcher.check() == [incident]
    time.now += NEWS_EVERY + timedelta(seconds=1)
    assert await watcher.check() == []
    noted = [one.record for one in desk.journal.entries(incident) if isinstance(one.record, LedgerNoted)]
    assert [record.text for record in noted] == ["The dial was turned to 9 by Eve."]
    told = [one for one in reminders(plan(), desk.incident(incident)) if one.topic.startswith("left-news:")]
    assert len(told) == 1
    assert "The dial was turned to 9 by Eve." in told[0].sentence
    assert f"allclear undo {incident} {act}" in told[0].sentence
