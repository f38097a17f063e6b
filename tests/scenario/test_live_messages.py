"""The team hears how it stands without waiting for anybody to approve public words."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.bootstrap import make_engine
from allclear.company import check_company, load_company
from allclear.domain.incident import LIVE_MESSAGE
from allclear.domain.placeholders import PLACEHOLDERS
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.actions.registry import Registry
from allclear.engine.response.moves import Over
from allclear.journal.sql_journal import SqlJournal
from allclear.simulator.faults import Fault
from tests.contract.simulator_support import REPOSITORY
from tests.scenario.response_support import ALERT, Mortal, anybody, broken, die, installed
from tests.scenario.response_support import vintstreet as small_vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scopes import DRILL
from tests.unit.domain.stories import ANA

LEAD = By(actor="Ana", role="cto", via="cli")


def team_reads(it: Scene) -> str:
    """Return the message that tells the team how it stands."""
    (text,) = [
        str(message["text"])
        for channel in it.simulated.world.workspace.channels
        for message in channel.messages
        if "\nImpact:" in str(message["text"])
    ]
    return text


async def later(it: Scene) -> None:
    """Let a moment pass, and the responder's clock come round."""
    it.watch.now += timedelta(seconds=5)
    await it.engine.reminders.start_due()
    await it.engine.reminders.wait()


def answer(it: Scene, step: str, *, yes: bool = True) -> None:
    """Somebody who may answers the latest question about a step."""
    ask = next(state.ask for state in reversed(it.incident.open_asks) if state.ask.step == step)
    it.engine.people.answer(ask.id, anybody(ask), yes=yes, reason="So it is.")


@pytest.mark.parametrize("company", ["vintstreet", "retailgen"])
def test_every_message_to_the_team_is_kept_up_to_date(company: str) -> None:
    """It stands in detection, before anything that waits; no later step has to repeat it."""
    for runbook in load_company(REPOSITORY / "runbooks" / company).runbooks.values():
        told = [step for phase in Phase for step in runbook.steps(phase) if "{t_internal_alert}" in str(step.with_)]
        assert [(step.id, step.live) for step in told] == [("internal-alert", True)]


async def test_the_team_hears_each_turn_while_public_words_wait(tmp_path: Path) -> None:
    """Who is on it, what is asked and answered, containment: in one message, and nobody has to approve it."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        await it.past_detection()
        await later(it)
        assert all(words in team_reads(it) for words in ("Status: INVESTIGATING", "allclear approve VS-1/contain/roll"))
        it.engine.people.acknowledge(it.incident_id, ANA)
        await later(it)
        assert all(words in team_reads(it) for words in ("Incident Lead: Ana", "acknowledged the incident."))
        answer(it, "roll-back")
        await later(it)
        assert 'approved "Roll back traffic' in team_reads(it)
        assert "allclear approve VS-1/contain/roll" not in team_reads(it)
        await it.to(Phase.CONTAIN)
        await later(it)
        assert "status-page" in [state.ask.step for state in it.incident.open_asks]
        assert all(words in team_reads(it) for words in ("Status: CONTAINED", "traffic pinned"))


async def test_the_team_hears_of_the_end(tmp_path: Path) -> None:
    """Recovery and the end are turns as well; then the message rests."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        it.engine.people.resolve(it.incident_id, "It was nothing much.", ANA)
        for _ in range(3):
            await later(it)
        assert "Status: RESOLVED" in team_reads(it)
        length = it.incident.length
        await later(it)
        assert it.incident.length == length


async def test_what_comes_within_a_moment_is_told_together(tmp_path: Path) -> None:
    """Ten turns in a second are one update of the message, and each is in it."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        for number in range(10):
            it.engine.people.severity(it.incident_id, ("P1", "P0")[number % 2], f"look {number}", LEAD)
        await later(it)
        await later(it)
        kept = [act for act in it.incident.acts.values() if act.proposed.phase == LIVE_MESSAGE]
        assert len(kept) == 1
        assert all(f"look {number}" in team_reads(it) for number in range(10))


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_an_interrupted_update_is_finished(tmp_path: Path, at: int) -> None:
    """Killed at the proposal, the intent or the outcome: whoever starts next finishes it, and it stands there once."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        it.engine.people.severity(it.incident_id, "P1", "a look", LEAD)
        it.watch.now += timedelta(seconds=5)
        inner = SqlJournal(it.engine.settings.journal_url, DRILL)
        journal: Any = Mortal(inner, at + 3)  # the first three are about the page
        doomed = make_engine(
            it.engine.settings,
            environ={},
            clock=it.watch,
            company=it.engine.company,
            registry=installed(),
            journal=journal,
        )
        await doomed.reminders.start_due()
        await doomed.reminders.wait()
        assert len(journal.writes) == at + 3
        await die(doomed, inner)
        for _ in range(2):
            it.watch.now += timedelta(minutes=1)
            await later(it)
        assert "lowered from P0 to P1: a look" in team_reads(it)
        kept = [act for act in it.incident.acts.values() if act.proposed.phase == LIVE_MESSAGE]
        assert [act.status.value for act in kept] == ["verified"]


async def test_a_channel_that_is_away_is_tried_again(tmp_path: Path) -> None:
    """An update that did not arrive is tried later, and holds up nothing that is to be done."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        await it.past_detection()
        it.simulated.world.faults.set(Fault(api="slack", kind="permission_denied", times=50))
        await later(it)
        answer(it, "roll-back")
        await it.to(Phase.CONTAIN)
        assert it.incident.contained
        it.simulated.world.faults.clear()
        it.watch.now += timedelta(minutes=5)
        await later(it)
        assert "Status: CONTAINED" in team_reads(it)


def test_a_page_is_never_a_live_message(tmp_path: Path) -> None:
    """It would page again at each change, also at its own end: `check` refuses it."""
    folder = tmp_path / "vintstreet"
    shutil.copytree(REPOSITORY / "runbooks" / "vintstreet", folder)
    steps = folder / "common-steps.yaml"
    page = "    action: pagerduty.page\n"
    steps.write_text(steps.read_text().replace(page, f"{page}    live: true\n", 1))
    said = [str(one) for one in check_company(folder, Registry.installed(), PLACEHOLDERS)]
    assert any("`pagerduty.page` does more than send a message" in one for one in said)
