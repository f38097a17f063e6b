"""An act that lacks what only people know, as the attacker's addresses: they choose what was seen, or type it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from allclear.company import find_company
from allclear.domain.approval import AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.errors import NotAllowed
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Wait
from allclear.simulator.scenario import load_scenario
from tests.contract.simulator_support import REPOSITORY
from tests.scenario.response_support import ALERT, person_for
from tests.scenario.scenes import Scene, scene

WHY = "They fetch exports of others."
LEAK = replace(ALERT, key="leak", labels={"alertname": "DataLeak"})


@asynccontextmanager
async def leaking(folder: Path) -> AsyncGenerator[Scene]:
    """Yield RetailGen's data leak, with the evidence kept: addresses are to be blocked, and none is named."""
    production = load_scenario(REPOSITORY / "runbooks" / "retailgen" / "drills" / "data-leak.yaml")
    async with scene(folder, find_company("retailgen"), production, LEAK) as it:
        await it.to(Phase.DETECT)
        for _ in range(10):
            assert isinstance(await it.to(Phase.CONTAIN), Wait)
            asked = [state for state in it.incident.open_asks if state.ask.step != "block-addresses-choice"]
            if it.incident.ask_of(Phase.CONTAIN, "block-addresses-choice"):
                break
            for state in asked:
                it.engine.people.answer(state.ask.id, person_for(state.ask), yes=True, reason="Done.")
        yield it


def question(it: Scene) -> AskState:
    """Return the question for the addresses."""
    ask = it.incident.ask_of(Phase.CONTAIN, "block-addresses-choice")
    assert ask is not None
    return ask


def blocked(it: Scene) -> list[str]:
    """Return what Vercel's firewall blocks."""
    assert it.simulated.world.vercel is not None
    return it.simulated.world.vercel.firewall.blocked()


async def test_addresses_that_no_firewall_has_seen_are_typed_and_then_approved(tmp_path: Path) -> None:
    """The question says what is typed; the change with exactly these addresses needs an approval."""
    async with leaking(tmp_path) as it:
        ask = question(it)
        assert (ask.ask.kind, ask.ask.choices) == (AskKind.CHOICE, [])
        assert "Type: Addresses and ranges, separated by spaces" in ask.ask.text
        it.engine.people.answer(
            ask.ask.id, person_for(ask.ask), yes=True, reason=WHY, choice="203.0.113.7 198.51.100.24"
        )
        await it.to(Phase.CONTAIN)
        act = it.incident.act_of(Phase.CONTAIN, "block-addresses")
        assert act is not None
        assert blocked(it) == []
        approval = it.incident.asks[act.asks[0]].ask
        assert "203.0.113.7 and 198.51.100.24" in approval.text
        it.engine.people.answer(approval.id, person_for(approval), yes=True, reason=WHY)
        await it.to(Phase.CONTAIN)
        assert blocked(it) == ["203.0.113.7", "198.51.100.24"]
        assert "addresses blocked" in [one.proposed.leaves for one in it.incident.in_place]


async def test_what_is_no_address_is_asked_again_with_the_reason(tmp_path: Path) -> None:
    """The next question says what was wrong, and nothing is blocked meanwhile."""
    async with leaking(tmp_path) as it:
        first = question(it)
        it.engine.people.answer(first.ask.id, person_for(first.ask), yes=True, reason=WHY, choice="10.0.0.1")
        await it.to(Phase.CONTAIN)
        again = question(it)
        assert again.open
        assert again.ask.id != first.ask.id
        assert "10.0.0.1 is private" in again.ask.text
        assert blocked(it) == []


async def test_nothing_typed_is_refused_and_none_of_them_goes_on(tmp_path: Path) -> None:
    """A blank answer says what to type; without any address the runbook goes on."""
    async with leaking(tmp_path) as it:
        ask = question(it)
        for blank in (None, "", "   "):
            with pytest.raises(NotAllowed, match="Type: Addresses and ranges"):
                it.engine.people.answer(ask.ask.id, person_for(ask.ask), yes=True, reason=WHY, choice=blank)
        it.engine.people.answer(ask.ask.id, person_for(ask.ask), yes=False, reason="Not known yet.")
        await it.to(Phase.CONTAIN)
        assert it.incident.act_of(Phase.CONTAIN, "attack-mode") is not None
        assert blocked(it) == []
