"""Live messages: the team reads the state of an incident without waiting for an approval of the public texts."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.bootstrap import make_engine
from allclear.company import load_company
from allclear.company.check import check_company
from allclear.domain.placeholders import PLACEHOLDERS
from allclear.domain.pseudo_phases import LIVE_MESSAGE
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.actions.registry import Registry
from allclear.engine.response.moves import Over
from allclear.journal.sql_journal import SqlJournal
from allclear.simulator.faults import Fault
from tests.contract.simulator_support import REPOSITORY
from tests.scenario.response_support import ALERT, Mortal, broken, die, installed, person_for
from tests.scenario.response_support import notifying_no_one as small_vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scopes import DRILL
from tests.unit.domain.stories import ANA

LEAD = By(actor="Ana", role="cto", via="cli")


def team_reads(it: Scene) -> str:
    """Return the live message in the team's channel."""
    (text,) = [
        str(message["text"])
        for channel in it.simulated.world.workspace.channels
        for message in channel.messages
        if "\nImpact:" in str(message["text"])
    ]
    return text


async def later(it: Scene) -> None:
    """Advance the clock by five seconds, and send everything that is due."""
    it.watch.now += timedelta(seconds=5)
    await it.engine.reminders.start_due()
    await it.engine.reminders.wait()


def answer(it: Scene, step: str, *, yes: bool = True) -> None:
    """Answer the latest question about a step, as a person who may answer it."""
    ask = next(state.ask for state in reversed(it.incident.open_asks) if state.ask.step == step)
    it.engine.people.answer(ask.id, person_for(ask), yes=yes, reason="So it is.")


@pytest.mark.parametrize("company", ["vintstreet", "retailgen"])
def test_the_message_to_the_team_is_a_live_message(company: str) -> None:
    """It is posted once in detection, before any step that waits, and no later step repeats it."""
    for runbook in load_company(REPOSITORY / "runbooks" / company).runbooks.values():
        steps = [step for phase in Phase for step in runbook.steps(phase) if "{t_internal_alert}" in str(step.with_)]
        assert [(step.id, step.live) for step in steps] == [("internal-alert", True)]


async def test_the_live_message_shows_each_change_while_public_texts_wait_for_approval(tmp_path: Path) -> None:
    """One message shows who leads, the questions, the answers and the containment, without an approval."""
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


async def test_the_live_message_shows_the_end_and_is_not_updated_afterwards(tmp_path: Path) -> None:
    """After the update that shows the end, nothing more is recorded or sent."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        it.engine.people.resolve(it.incident_id, "It was nothing much.", ANA)
        for _ in range(3):
            await later(it)
        assert "Status: RESOLVED" in team_reads(it)
        length = it.incident.length
        await later(it)
        assert it.incident.length == length


async def test_changes_within_a_moment_are_one_update(tmp_path: Path) -> None:
    """Ten changes at one moment are one update of the message, which shows each of them."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        for number in range(10):
            it.engine.people.severity(it.incident_id, ("P1", "P0")[number % 2], f"reason {number}", LEAD)
        await later(it)
        await later(it)
        updates = [act for act in it.incident.acts.values() if act.proposed.phase == LIVE_MESSAGE]
        assert len(updates) == 1
        assert all(f"reason {number}" in team_reads(it) for number in range(10))


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_an_interrupted_update_is_finished(tmp_path: Path, at: int) -> None:
    """After a kill at the proposal, the intent or the outcome, the next process finishes the one update."""
    async with scene(tmp_path, small_vintstreet(), broken(), ALERT) as it:
        assert isinstance(await it.to(Phase.DETECT), Over)
        it.engine.people.severity(it.incident_id, "P1", "fewer users", LEAD)
        it.watch.now += timedelta(seconds=5)
        inner = SqlJournal(it.engine.settings.journal_url, DRILL)
        journal: Any = Mortal(inner, at)
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
        assert len(journal.writes) == at
        await die(doomed, inner)
        for _ in range(2):
            it.watch.now += timedelta(minutes=1)
            await later(it)
        assert "lowered from P0 to P1: fewer users" in team_reads(it)
        updates = [act for act in it.incident.acts.values() if act.proposed.phase == LIVE_MESSAGE]
        assert [act.status.value for act in updates] == ["verified"]


async def test_an_update_that_failed_is_retried_and_holds_up_no_step(tmp_path: Path) -> None:
    """While Slack refuses the update, the incident is contained; later the update is sent."""
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
    """`check` refuses `live` on a page, because it would page again at each change."""
    folder = tmp_path / "vintstreet"
    shutil.copytree(REPOSITORY / "runbooks" / "vintstreet", folder)
    steps = folder / "common-steps.yaml"
    page = "    action: pagerduty.page\n"
    steps.write_text(steps.read_text().replace(page, f"{page}    live: true\n", 1))
    findings = [str(finding) for finding in check_company(folder, Registry.installed(), PLACEHOLDERS)]
    assert any("`pagerduty.page` does more than send a message" in finding for finding in findings)
