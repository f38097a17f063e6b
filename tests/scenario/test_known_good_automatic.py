"""An automatic step whose target is not known to be good waits for a person (D1, D5)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from allclear.company import Company
from allclear.domain.approval import AutoApproval
from allclear.domain.runbook import Phase
from tests.scenario.response_support import ALERT, broken, vintstreet
from tests.scenario.scenes import scene


def automatic_rollback() -> Company:
    """Return VintStreet with a rollback that needs no approval, if its target is known good."""
    company = vintstreet()
    book = company.runbooks["bad-deployment"]
    contain = [
        step.model_copy(update={"auto_approve": AutoApproval()}) if step.id == "roll-back" else step
        for step in book.contain
    ]
    changed = book.model_copy(update={"contain": contain})
    return replace(company, runbooks=company.runbooks | {"bad-deployment": changed})


async def test_a_rollback_to_what_is_not_known_good_waits_for_a_person(tmp_path: Path) -> None:
    """The audit log alone names the revision: no record of ours saw it healthy. The approver reads why."""
    async with scene(tmp_path, automatic_rollback(), broken(), replace(ALERT, authenticated=True)) as it:
        await it.past_detection()
        ask = it.incident.ask_of(Phase.CONTAIN, "roll-back")
        act = it.incident.act_of(Phase.CONTAIN, "roll-back")
        assert ask is not None
        assert act is not None
        assert ask.ask.window is None
        assert "its target is not known good" in ask.ask.text
        assert not act.proposed.auto_approve
        assert await it.engine.approval_timeouts.apply_due() == []
        assert act.intended is None
