"""A phase whose flow run died gets one new run, and never a second run beside a living one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from allclear.bootstrap import Engine, make_engine
from allclear.domain.records import By, IncidentEnded, IncidentOpened, PhaseEntered, PhaseLeft, RunStarted
from allclear.domain.scope import Scope
from allclear.engine.outbox import tags_of
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


@pytest.mark.parametrize("state", ["SCHEDULED", "PAUSED", "COMPLETED", "CANCELLED", "CANCELLING"])
async def test_waiting_and_cancelled_runs_are_not_replaced(tmp_path: Path, state: str) -> None:
    """A run that waits for people has no process and is not dead. A run that a person cancelled stays cancelled."""
    async with containment_in(tmp_path) as case:
        case.add_run(state, since=LONG_AGO)
        case.other.close()
        assert await case.runs.check() == []
        assert len(case.prefect.runs) == 1


@pytest.mark.parametrize("state", ["CRASHED", "FAILED"])
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
