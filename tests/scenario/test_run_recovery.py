"""A phase or a question whose flow run is gone gets one new run, and never a second run beside a living one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from allclear.bootstrap import Engine, make_engine
from allclear.domain.records import AskOpened, By, IncidentEnded, IncidentOpened, PhaseEntered, PhaseLeft, RunStarted
from allclear.domain.reminders.due_reminders import reminders
from allclear.domain.scope import Scope
from allclear.engine.actions.approval_requests import step_ask
from allclear.engine.flow_runs import QUESTION, numbered, run_name, tags_of
from allclear.journal.sql_journal import SqlJournal
from allclear.prefect_api import PrefectApi
from allclear.responder.workers.run_recovery import RunRecovery
from allclear.settings import Settings
from tests.scopes import REAL
from tests.unit.fakes_prefect import FakePrefect, prefect_at

MACHINE = By(actor="allclear", via="test")
LONG_AGO = datetime.now(UTC) - timedelta(hours=1)
SOON = timedelta(minutes=10)
"""Longer than a test takes on a busy machine."""


class Containment:
    """An incident in containment, whose flow run began in another process (`other`)."""

    def __init__(self, engine: Engine, runs: RunRecovery, prefect: FakePrefect, other: SqlJournal) -> None:
        self.engine, self.runs, self.prefect, self.other = engine, runs, prefect, other
        opened = IncidentOpened(
            company="vintstreet",
            title="Errors",
            severity="P0",
            service="storefront",
            runbook="bad-deployment",
            reported="declared by Ana",
        )
        self.incident = other.open_incident("VS", opened, MACHINE)[0]
        done = [PhaseEntered(phase="detect"), PhaseLeft(phase="detect"), PhaseEntered(phase="contain")]
        other.append(self.incident, done, MACHINE)

    def add_run(self, state: str, *, since: datetime | None = None) -> str:
        """Add a run of the containment that has recorded its process to Prefect, and return its id."""
        run = self.prefect.add(f"{self.incident} contain", state, since=since)
        self.other.append(self.incident, [RunStarted(phase="contain", run=run, holder=self.other.holder)], MACHINE)
        return run

    def ask(self) -> str:
        """Open the question about the roll back, and return its id."""
        step = self.engine.company.runbook("bad-deployment").contain[0]
        ask = step_ask(self.engine.conductor.incident(self.incident), "contain", step, "Roll back?")
        self.other.append(self.incident, [AskOpened(ask=ask)], MACHINE)
        return ask.id

    def numbered(self, ask: str) -> str:
        """Return the name of a question that Prefect has in the keys of runs."""
        return numbered(self.engine.conductor.incident(self.incident), ask)

    def show(self, ask: str, state: str = "PAUSED", *, since: datetime | None = None) -> str:
        """Add the run that shows a question to Prefect, and return its id."""
        incident = self.engine.conductor.incident(self.incident)
        tags = [*tags_of(incident), QUESTION]
        run = self.prefect.add(
            run_name(self.engine.company.plan, incident, QUESTION, ask), state, since=since, tags=tags, form=True
        )
        self.other.add_waiting_run(run, self.incident, ask)
        return run

    @property
    def told(self) -> list[str]:
        """Return the sentences that the team is sent about its runs."""
        incident = self.engine.conductor.incident(self.incident)
        due = reminders(self.engine.company.plan, incident)
        return [reminder.sentence for reminder in due if reminder.topic.startswith("run:")]


@asynccontextmanager
async def containment_in(folder: Path) -> AsyncGenerator[Containment]:
    """Yield an incident in containment; the other process is a second holder of the same journal."""
    url = f"sqlite:///{folder / 'journal.db'}"
    with prefect_at() as (prefect, api):
        settings = Settings(journal_url=url, PREFECT_API_URL=api)  # pyright: ignore[reportCallIssue] - its alias
        engine, client, other = make_engine(settings, environ={}), PrefectApi(api, "vintstreet"), SqlJournal(url, REAL)
        try:
            yield Containment(engine, RunRecovery(engine, client), prefect, other)
        finally:
            other.close()
            await client.close()
            await engine.close()


async def test_a_run_whose_process_is_gone_is_marked_as_crashed_and_replaced_once(tmp_path: Path) -> None:
    """Prefect shows the run as running until it is marked. Further checks start no second replacement."""
    async with containment_in(tmp_path) as case:
        dead = case.add_run("RUNNING")
        assert await case.runs.check() == []
        case.other.close()
        assert await case.runs.check() == [f"{case.incident} contain"]
        assert await case.runs.check() == []
        assert case.prefect.state(dead) == "CRASHED"
        assert case.prefect.keys[1:] == [f"{case.incident}/contain/again-1"]


@pytest.mark.parametrize("state", ["SCHEDULED", "PAUSED", "COMPLETED"])
async def test_waiting_runs_are_not_replaced(tmp_path: Path, state: str) -> None:
    """A run that waits for people has no process and is not dead."""
    async with containment_in(tmp_path) as case:
        case.ask()
        case.add_run(state, since=LONG_AGO)
        case.other.close()
        assert await case.runs.check() == []
        assert len(case.prefect.runs) == 1


@pytest.mark.parametrize("state", ["CRASHED", "FAILED", "CANCELLED"])
async def test_restarts_of_a_phase_back_off(tmp_path: Path, state: str) -> None:
    """The first restart is immediate. If the second run dies too, the next restart waits at least a minute."""
    async with containment_in(tmp_path) as case:
        case.add_run(state)
        assert await case.runs.check() == [f"{case.incident} contain"]
        second = list(case.prefect.runs.values())[1]
        second["state_type"], second["state"] = state, {"timestamp": datetime.now(UTC).isoformat()}
        assert await case.runs.check() == []
        second["state"] = {"timestamp": LONG_AGO.isoformat()}
        assert await case.runs.check() == [f"{case.incident} contain"]
        assert case.prefect.keys[2:] == [f"{case.incident}/contain/again-2"]


async def test_a_run_that_resumes_after_an_answer_does_not_count_as_dead(tmp_path: Path) -> None:
    """Its first process ended when it was suspended, and the new process has not recorded itself yet."""
    async with containment_in(tmp_path) as case:
        case.add_run("RUNNING", since=datetime.now(UTC) + SOON)
        case.other.close()
        assert await case.runs.check() == []


async def test_a_run_that_never_recorded_its_process_is_replaced_after_five_minutes(tmp_path: Path) -> None:
    """The runner was killed between the start of the run and its first line."""
    async with containment_in(tmp_path) as case:
        tags = tags_of(case.engine.conductor.incident(case.incident))
        dead = case.prefect.add(f"{case.incident} contain", "PENDING", since=LONG_AGO, tags=tags)
        assert await case.runs.check() == [f"{case.incident} contain"]
        assert case.prefect.state(dead) == "CRASHED"


async def test_the_dead_run_of_a_finished_phase_is_only_marked_as_crashed(tmp_path: Path) -> None:
    """The incident has ended without the run, so no new run is started."""
    async with containment_in(tmp_path) as case:
        dead = case.add_run("RUNNING")
        ended = [PhaseLeft(phase="contain"), IncidentEnded(ending="false-alarm", reason="all is well")]
        case.other.append(case.incident, ended, MACHINE)
        case.other.close()
        assert await case.runs.check() == []
        assert case.prefect.state(dead) == "CRASHED"


async def test_runs_of_another_companys_incidents_are_not_replaced(tmp_path: Path) -> None:
    """If two companies share a journal, each replaces the runs of its own incidents only."""
    async with containment_in(tmp_path) as case:
        opened = IncidentOpened(
            company="retailgen", title="Errors", severity="SEV-1", service="web", runbook="bad", reported="by Ana"
        )
        journal = SqlJournal(case.engine.settings.journal_url, Scope("retailgen", simulated=False))
        theirs = journal.open_incident("RG", opened, MACHINE)[0]
        journal.close()
        dead = case.prefect.add(f"{theirs} detect", "CRASHED")
        case.add_run("SCHEDULED")
        assert await case.runs.check() == []
        assert case.prefect.state(dead) == "CRASHED"


async def test_runs_of_another_journal_are_not_marked(tmp_path: Path) -> None:
    """Two journals on one Prefect may have incidents of the same id. Only the runs of ours are marked and replaced."""
    async with containment_in(tmp_path) as case:
        opened = case.engine.conductor.incident(case.incident).opened_at
        tags = [case.incident, "P0", "real", f"opened {opened - timedelta(days=1):%Y-%m-%dT%H:%M:%S.%fZ}"]
        theirs = [
            case.prefect.add(f"{case.incident} contain", state, since=LONG_AGO, tags=tags)
            for state in ("PENDING", "CRASHED")
        ]
        case.add_run("CRASHED")
        assert await case.runs.check() == [f"{case.incident} contain"]
        assert [case.prefect.state(one) for one in theirs] == ["PENDING", "CRASHED"]
        assert case.prefect.keys[-1] == f"{case.incident}/contain/again-1"


# --- what a person did in Prefect ------------------------------------------------------------------------


async def test_the_cancelled_run_of_a_question_is_replaced_and_the_team_is_told_once(tmp_path: Path) -> None:
    """The question stays open and gets a new form. The message has the commands that answer it, too."""
    async with containment_in(tmp_path) as case:
        case.add_run("PAUSED")
        ask = case.ask()
        run = case.show(ask)
        assert await case.runs.check() == []
        case.prefect.set(run, "CANCELLED")
        assert await case.runs.check() == [f"{case.incident} asks contain/roll-back"]
        assert await case.runs.check() == []
        assert case.prefect.keys[-1] == f"question:{case.numbered(ask)}/again-1"
        [told] = case.told
        assert f'"{case.incident} asks contain/roll-back" was cancelled in Prefect' in told
        assert f"allclear done {ask} --as NAME" in told
        assert ask in [state.ask.id for state in case.engine.conductor.incident(case.incident).open_asks]


async def test_a_cancelled_or_deleted_run_of_a_phase_is_replaced_and_the_team_is_told(tmp_path: Path) -> None:
    """Each time: first it is cancelled, then its replacement is deleted."""
    async with containment_in(tmp_path) as case:
        run = case.add_run("PAUSED")
        case.prefect.set(run, "CANCELLED")
        assert await case.runs.check() == [f"{case.incident} contain"]
        [first] = case.told
        assert f'The run "{case.incident} contain" was cancelled in Prefect' in first
        assert f"allclear show {case.incident}" in first
        case.prefect.runs.clear()
        again = case.add_run("PAUSED")
        case.prefect.delete(again)
        assert await case.runs.check() == [f"{case.incident} contain"]
        assert await case.runs.check() == []
        assert "was deleted in Prefect" in case.told[1]


async def test_the_deleted_run_of_a_question_is_replaced(tmp_path: Path) -> None:
    """Prefect has no run of it any more, so it gets one under the key of the first."""
    async with containment_in(tmp_path) as case:
        case.add_run("PAUSED")
        ask = case.ask()
        case.prefect.delete(case.show(ask))
        assert await case.runs.check() == [f"{case.incident} asks contain/roll-back"]
        assert case.prefect.keys[-1] == f"question:{case.numbered(ask)}"
        assert "was deleted in Prefect" in case.told[0]


async def test_a_crashed_run_is_replaced_without_a_message(tmp_path: Path) -> None:
    """No person did that, and nothing is left to be done about it; the record has it."""
    async with containment_in(tmp_path) as case:
        run = case.add_run("CRASHED")
        assert await case.runs.check() == [f"{case.incident} contain"]
        assert case.told == []
        assert case.engine.conductor.incident(case.incident).replaced_runs[run][0].state == "crashed"


async def test_a_run_that_a_person_is_cancelling_is_left_to_its_runner(tmp_path: Path) -> None:
    """It ends by itself. If its runner is gone, it counts as cancelled after five minutes."""
    async with containment_in(tmp_path) as case:
        run = case.add_run("CANCELLING")
        assert await case.runs.check() == []
        case.prefect.set(run, "CANCELLING", since=LONG_AGO)
        assert await case.runs.check() == [f"{case.incident} contain"]


async def test_a_run_whose_deployment_was_deleted_is_replaced_and_its_form_is_closed(tmp_path: Path) -> None:
    """No runner picks it up again, so an answer in its form would be lost."""
    async with containment_in(tmp_path) as case:
        case.add_run("PAUSED")
        ask = case.ask()
        run = case.show(ask)
        next(one for one in case.prefect.runs.values() if one["id"] == run)["deployment_id"] = None
        assert await case.runs.check() == [f"{case.incident} asks contain/roll-back"]
        assert case.prefect.state(run) == "COMPLETED"


async def test_a_question_without_a_run_gets_one(tmp_path: Path) -> None:
    """Its outbox message was lost, or the journal is from before questions had runs; for a minute it is left alone."""
    async with containment_in(tmp_path) as case:
        case.add_run("PAUSED")
        ask = case.ask()
        assert await case.runs.check() == []
        other = case.add_run("PAUSED")
        case.other.add_waiting_run(other, case.incident, ask)
        assert await case.runs.check() == []
        assert case.told == []


async def test_the_run_of_an_answered_question_is_ended(tmp_path: Path) -> None:
    """Its message was lost, or it was suspended too late for it. Its page tells what is asked now."""
    async with containment_in(tmp_path) as case:
        case.add_run("RUNNING")
        ask = case.ask()
        run = case.show(ask)
        by = By(actor="Ana", role="incident_commander", via="cli")
        case.engine.people.answer(ask, by, yes=False, reason="Not now.")
        await case.runs.check()
        assert case.prefect.state(run) == "COMPLETED"
        assert "not done, said Ana" in next(one["message"] for one in case.prefect.runs.values() if one["id"] == run)


async def test_a_suspended_phase_in_which_something_is_to_be_done_is_resumed(tmp_path: Path) -> None:
    """It was suspended too late for the message that resumes it."""
    async with containment_in(tmp_path) as case:
        run = case.add_run("PAUSED")
        assert await case.runs.check() == []
        assert case.prefect.resumed == [run]
