"""The public page says that it is resolved, and the trouble comes back: the communications lead is asked, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from allclear.domain.alert import Alert
from allclear.domain.approval import AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Over, Wait
from allclear.simulator.scenario_schema import Trouble
from tests.scenario.response_support import ALERT, broken, person_for, say_yes, vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_states_that_change_back import MINUTE


def alert(state: str) -> Alert:
    """Return the alert without times, so that the order of arrival counts."""
    return replace(ALERT, state=state, at=None)  # pyright: ignore[reportArgumentType]


async def through(it: Scene, phase: Phase, *, but: str = "") -> None:
    """Carry the incident on through a phase with a yes to every question but the step `but`, which stays open."""
    move = await it.to(phase)
    while isinstance(move, Wait):
        it.watch.now += MINUTE
        asked = [state for state in it.incident.open_asks if state.ask.id in move.asks and state.ask.step != but]
        if not asked:
            return
        for state in asked:
            if state.ask.kind is AskKind.RETRY:  # an undo that is refused: the change is left in place
                it.engine.people.answer(state.ask.id, person_for(state.ask), yes=False, reason="Leave it.")
            else:
                say_yes(it.engine, it.simulated.world, state.ask)
        move = await it.to(phase)
    assert isinstance(move, Over)


def published(it: Scene) -> list[str]:
    """Return the statuses that the public has read of our incidents, the oldest first."""
    incidents = it.simulated.world.status_board.incidents
    return [update["status"] for one in reversed(incidents) for update in reversed(one["incident_updates"])]


def questions(it: Scene) -> list[AskState]:
    """Return every question about the first message on the status page."""
    return [state for state in it.incident.asks.values() if state.ask.step == "status-page"]


async def resolved_in_public_and_back(it: Scene) -> None:
    """Resolve the incident on the status page; then the service fails again, before the incident has ended."""
    await it.past_detection()
    await through(it, Phase.CONTAIN)
    await through(it, Phase.INVESTIGATE)
    await through(it, Phase.RESOLVE, but="data-statement")
    assert published(it)[-1] == "resolved"
    for revision in it.simulated.world.service.revisions.values():
        revision.faults["/api/checkout"] = Trouble(path="/api/checkout", error_rate=1.0)
    it.engine.intake.take(alert("resolved"), "d2")
    it.watch.now += MINUTE
    it.engine.intake.take(alert("firing"), "d3")
    await it.to(Phase.CONTAIN)
    assert it.incident.loss is not None


@pytest.mark.parametrize("reopens", [True, False])
async def test_the_public_reads_that_it_is_back(tmp_path: Path, *, reopens: bool) -> None:
    """Asked once; after the yes the page says `investigating`, and at the end it is resolved again."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        it.simulated.world.status_board.reopens = reopens
        await resolved_in_public_and_back(it)
        first, again = questions(it)
        assert (first.open, again.open, again.ask.policy.roles[0]) == (False, True, "communications_lead")
        assert "The page says that it is resolved" in again.ask.text
        for _ in range(3):
            await it.to(Phase.CONTAIN)
        assert len(questions(it)) == 2
        it.engine.people.answer(again.ask.id, person_for(again.ask), yes=True, reason="It is back.")
        await it.to(Phase.CONTAIN)
        assert published(it)[-1] == "investigating"
        assert len(it.simulated.world.status_board.incidents) == (1 if reopens else 2)
        for revision in it.simulated.world.service.revisions.values():
            revision.faults.clear()
        await through(it, Phase.CONTAIN)
        await through(it, Phase.RESOLVE, but="data-statement")
        assert published(it)[-1] == "resolved"
        assert len(questions(it)) == 2


async def test_a_no_is_kept_and_nothing_is_published(tmp_path: Path) -> None:
    """The communications lead decides; the question is not asked a second time for the same failure."""
    async with scene(tmp_path, vintstreet(), broken(), alert("firing")) as it:
        await resolved_in_public_and_back(it)
        _, again = questions(it)
        it.engine.people.answer(again.ask.id, person_for(again.ask), yes=False, reason="Only our own test.")
        for _ in range(3):
            await it.to(Phase.CONTAIN)
        assert len(questions(it)) == 2
        assert published(it)[-1] == "resolved"
