"""Runs that died are started again, once, and never beside one that lives."""

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


class Room:
    """An incident in its containment, whose run has begun in another process."""

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

    def begun(self, state: str, *, since: datetime | None = None) -> str:
        """Put a run of the containment into Prefect, which has come to its first line, and returns its id."""
        run = self.prefect.add(f"{self.incident} contain", state, since=since)
        self.other.append(self.incident, [RunStarted(phase="contain", run=run, holder=self.other.holder)], MACHINE)
        return run


@asynccontextmanager
async def room_in(folder: Path) -> AsyncGenerator[Room]:
    """Yield a room; its other process is one more holder of the same journal."""
    url = f"sqlite:///{folder / 'journal.db'}"
    with prefect_at() as (prefect, api):
        settings = Settings(journal_url=url, PREFECT_API_URL=api)  # pyright: ignore[reportCallIssue] - its alias
        engine, client, other = make_engine(settings, environ={}), PrefectApi(api, "vintstreet"), SqlJournal(url, REAL)
        try:
            yield Room(engine, RunRecovery(engine, client), prefect, other)
        finally:
            other.close()
            await client.close()
            await engine.close()


async def test_a_run_whose_process_is_gone_is_called_crashed_and_started_again_once(tmp_path: Path) -> None:
    """Prefect believes that it is running; it is told better, and the phase gets one new run, however often we look."""
    async with room_in(tmp_path) as room:
        dead = room.begun("RUNNING")
        assert await room.runs.check() == []
        room.other.close()
        assert await room.runs.check() == [f"{room.incident} contain"]
        assert await room.runs.check() == []
        assert room.prefect.state(dead) == "CRASHED"
        assert room.prefect.keys[1:] == [f"{room.incident}/contain/again-1"]


@pytest.mark.parametrize("state", ["SCHEDULED", "PAUSED", "COMPLETED", "CANCELLED", "CANCELLING"])
async def test_what_waits_or_was_cancelled_is_left_alone(tmp_path: Path, state: str) -> None:
    """A run that waits for people has no process and is not dead; one that a person cancelled stays cancelled."""
    async with room_in(tmp_path) as room:
        room.begun(state, since=LONG_AGO)
        room.other.close()
        assert await room.runs.check() == []
        assert len(room.prefect.runs) == 1


@pytest.mark.parametrize("state", ["CRASHED", "FAILED"])
async def test_what_keeps_dying_is_started_again_ever_more_rarely(tmp_path: Path, state: str) -> None:
    """The first time at once; when the second dies too, not within the next minute."""
    async with room_in(tmp_path) as room:
        room.begun(state)
        assert await room.runs.check() == [f"{room.incident} contain"]
        again = list(room.prefect.runs.values())[1]
        again["state_type"], again["state"] = state, {"timestamp": datetime.now(UTC).isoformat()}
        assert await room.runs.check() == []
        again["state"] = {"timestamp": LONG_AGO.isoformat()}
        assert await room.runs.check() == [f"{room.incident} contain"]
        assert room.prefect.keys[2:] == [f"{room.incident}/contain/again-2"]


async def test_a_run_that_begins_again_after_an_answer_is_not_taken_for_dead(tmp_path: Path) -> None:
    """Its first process ended when it was suspended; the new one has not come to its first line yet."""
    async with room_in(tmp_path) as room:
        room.begun("RUNNING", since=datetime.now(UTC) + timedelta(seconds=1))
        room.other.close()
        assert await room.runs.check() == []


async def test_a_run_that_never_came_to_its_first_line_is_given_up_after_a_while(tmp_path: Path) -> None:
    """Its runner was killed between Prefect's word and the first line: five minutes later, another one is started."""
    async with room_in(tmp_path) as room:
        tags = tags_of(room.engine.conductor.incident(room.incident))
        dead = room.prefect.add(f"{room.incident} contain", "PENDING", since=LONG_AGO, tags=tags)
        assert await room.runs.check() == [f"{room.incident} contain"]
        assert room.prefect.state(dead) == "CRASHED"


async def test_the_dead_run_of_a_phase_that_is_over_is_only_buried(tmp_path: Path) -> None:
    """Somebody else went on: Prefect tells the truth of it, and nothing is started."""
    async with room_in(tmp_path) as room:
        dead = room.begun("RUNNING")
        ended = [PhaseLeft(phase="contain"), IncidentEnded(ending="false-alarm", reason="all is well")]
        room.other.append(room.incident, ended, MACHINE)
        room.other.close()
        assert await room.runs.check() == []
        assert room.prefect.state(dead) == "CRASHED"


async def test_the_incidents_of_another_company_are_not_ours_to_watch(tmp_path: Path) -> None:
    """Two companies in one journal: neither starts the other's runs."""
    async with room_in(tmp_path) as room:
        opened = IncidentOpened(
            company="retailgen", title="Errors", severity="SEV-1", service="web", runbook="bad", reported="by Ana"
        )
        journal = SqlJournal(room.engine.settings.journal_url, Scope("retailgen", simulated=False))
        theirs = journal.open_incident("RG", opened, MACHINE)[0]
        journal.close()
        dead = room.prefect.add(f"{theirs} detect", "CRASHED")
        room.begun("SCHEDULED")
        assert await room.runs.check() == []
        assert room.prefect.state(dead) == "CRASHED"


async def test_the_runs_of_another_journal_are_not_ours_to_bury(tmp_path: Path) -> None:
    """On the same Prefect it has an incident of the same name: its runs are left alone, and ours are made beside."""
    async with room_in(tmp_path) as room:
        opened = room.engine.conductor.incident(room.incident).opened_at
        tags = [room.incident, "P0", "real", f"opened {opened - timedelta(days=1):%Y-%m-%dT%H:%M:%S.%fZ}"]
        theirs = [
            room.prefect.add(f"{room.incident} contain", state, since=LONG_AGO, tags=tags)
            for state in ("PENDING", "CRASHED")
        ]
        room.begun("CRASHED")
        assert await room.runs.check() == [f"{room.incident} contain"]
        assert [room.prefect.state(one) for one in theirs] == ["PENDING", "CRASHED"]
        assert room.prefect.keys[-1] == f"{room.incident}/contain/again-1"
