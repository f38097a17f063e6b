"""The incident's page: a personal link opens it, and its forms answer."""

from __future__ import annotations

from pathlib import Path

from allclear.domain.proof import Proof
from tests.scenario.pages.pages_support import waiting


async def test_a_personal_link_leads_to_the_change_and_the_form_approves_it(tmp_path: Path) -> None:
    """The page shows before and after; the answer is recorded with what proves the person."""
    async with waiting(tmp_path) as at, at.signed_in("Ana") as ana:
        page = await ana.page()
        assert "100 % vintstreet-00041-wex" in page
        assert "You are Ana, identified by a personal link" in page
        assert "SIMULATED" in page
        said = await ana.answer("approve")
        assert said.startswith(f"Approve: {at.ask}.")
        [answer] = at.incident.asks[at.ask].answers
        assert (answer.by.actor, answer.by.role, answer.by.via, answer.by.proof) == (
            "Ana",
            "on_call",
            "page",
            Proof.LINK,
        )
        assert (
            "by Ana (On-Call), identified by a personal link" in await ana.page() or not at.incident.asks[at.ask].open
        )
