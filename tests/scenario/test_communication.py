"""The public learns of the trouble beside containment: no question about it waits for an answer to another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest

from allclear.company import Company
from allclear.domain.action import ActStatus
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Over
from tests.scenario.response_support import ALERT, broken, person_for, vintstreet
from tests.scenario.scenes import Scene, scene

PROVEN = replace(ALERT, authenticated=True)
STEPS = ("roll-back", "status-page")


def undecided() -> Company:
    """Return VintStreet as a company that does not say what may be done meanwhile."""
    company = vintstreet()
    book = company.runbooks["bad-deployment"]
    steps = [
        step.model_copy(update={"meanwhile": None}) if step.id == "status-page" else step
        for step in book.steps(Phase.CONTAIN)
    ]
    return replace(company, runbooks={**company.runbooks, book.name: book.model_copy(update={"contain": steps})})


def answer(it: Scene, step: str) -> None:
    """Answer the step's question with yes."""
    state = it.incident.ask_of(Phase.CONTAIN, step)
    assert state is not None
    it.engine.people.answer(state.ask.id, person_for(state.ask), yes=True, reason="It is so.")


@pytest.mark.parametrize("company", [vintstreet(), undecided()], ids=["as shipped", "undecided"])
async def test_the_public_is_told_although_no_one_answers_the_roll_back(tmp_path: Path, company: Company) -> None:
    """The question about the status page is open at once, and its standard text is sent after a quarter of an hour."""
    async with scene(tmp_path, company, broken(), PROVEN) as it:
        await it.past_detection()
        assert {state.ask.step for state in it.incident.open_asks} == set(STEPS)
        asked = it.incident.ask_of(Phase.CONTAIN, "status-page")
        assert asked is not None
        assert asked.ask.window is not None
        assert asked.ask.window.until - it.watch.now == timedelta(minutes=15)
        it.watch.now += timedelta(minutes=15)
        assert await it.engine.approval_timeouts.apply_due() == [asked.ask.id]
        await it.to(Phase.CONTAIN)
        told = it.incident.act_of(Phase.CONTAIN, "status-page")
        assert told is not None
        assert told.status is ActStatus.VERIFIED
        assert {state.ask.step for state in it.incident.open_asks} == {"roll-back"}


@pytest.mark.parametrize("order", list(permutations(STEPS)), ids=" ".join)
async def test_independent_questions_are_answered_in_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    """Each answer takes effect at once, and none makes another question go away."""
    async with scene(tmp_path, vintstreet(), broken(), PROVEN) as it:
        await it.past_detection()
        for number, step in enumerate(order, start=1):
            answer(it, step)
            await it.to(Phase.CONTAIN)
            assert {state.ask.step for state in it.incident.open_asks} == set(order[number:])
            act = it.incident.act_of(Phase.CONTAIN, step)
            assert act is not None
            assert act.status is ActStatus.VERIFIED
        assert isinstance(await it.to(Phase.CONTAIN), Over)
        assert it.incident.contained
