"""If no evidence shows which revision served well before, a person chooses among the candidates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from allclear.company import Company
from allclear.domain.approval import AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.errors import NotAllowed
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Over, Wait
from tests.scenario.response_support import ALERT, broken, person_for
from tests.scenario.response_support import vintstreet as small_vintstreet
from tests.scenario.scenes import Scene, scene


def without_evidence() -> Company:
    """Return VintStreet without metrics and logs."""
    company = small_vintstreet()
    known = {name: one for name, one in company.systems.systems.items() if name not in EVIDENCE_SOURCES}
    return replace(company, systems=company.systems.model_copy(update={"systems": known}))


EVIDENCE_SOURCES = {"cloud_monitoring", "cloud_logging"}


async def asked(it: Scene) -> AskState:
    """Go on until a person has to choose, and return the ask."""
    assert isinstance(await it.to(Phase.DETECT), Over)
    assert isinstance(await it.to(Phase.CONTAIN), Wait)
    ask = it.incident.ask_of(Phase.CONTAIN, "roll-back-choice")
    assert ask is not None
    return ask


async def test_a_chosen_candidate_is_proposed_and_approved(tmp_path: Path) -> None:
    """The question lists the candidates with what is known of each; the chosen one is proposed, then approved."""
    async with scene(tmp_path, without_evidence(), broken(), ALERT) as it:
        ask = await asked(it)
        names = [candidate.name for candidate in ask.ask.choices]
        assert ask.ask.kind is AskKind.CHOICE
        assert names[:3] == ["vintstreet-00041-wex", "vintstreet-00040-kip", "vintstreet-00039-dex"]
        assert "vintstreet-00040-kip" in ask.ask.text
        it.engine.people.answer(ask.ask.id, person_for(ask.ask), yes=True, choice="vintstreet-00040-kip")
        assert isinstance(await it.to(Phase.CONTAIN), Wait)
        act = it.incident.act_of(Phase.CONTAIN, "roll-back")
        assert act is not None
        assert act.proposed.params["to"] == "vintstreet-00040-kip"
        approval = it.incident.asks[act.asks[0]]
        assert approval.open
        it.engine.people.answer(approval.ask.id, person_for(approval.ask), yes=True)
        await it.to(Phase.CONTAIN)
        assert it.incident.contained is not None
        assert it.simulated.world.service.state.serves() == [("vintstreet-00040-kip", 100)]


async def test_only_a_candidate_can_be_chosen(tmp_path: Path) -> None:
    """Another name, or none, is refused with the names of the candidates; the ask stays open."""
    async with scene(tmp_path, without_evidence(), broken(), ALERT) as it:
        ask = await asked(it)
        for choice in ("vintstreet-00042-qoz", "", None):
            with pytest.raises(NotAllowed, match="vintstreet-00041-wex"):
                it.engine.people.answer(ask.ask.id, person_for(ask.ask), yes=True, choice=choice)
        assert it.incident.asks[ask.ask.id].open


async def test_after_no_choice_the_next_measure_is_proposed(tmp_path: Path) -> None:
    """The rollback is not done, and a revert is proposed."""
    async with scene(tmp_path, without_evidence(), broken(), ALERT) as it:
        ask = await asked(it)
        it.engine.people.answer(ask.ask.id, person_for(ask.ask), yes=False, reason="None of them is right.")
        assert isinstance(await it.to(Phase.CONTAIN), Wait)
        assert it.incident.act_of(Phase.CONTAIN, "open-revert") is not None
        assert it.simulated.world.service.state.serves() == [("vintstreet-00042-qoz", 100)]
