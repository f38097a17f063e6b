"""A simulated production is restarted and the journal is not: incidents of before are ended and send nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from allclear.bootstrap import Engine, make_engine
from allclear.domain.base import utc_now
from allclear.domain.errors import JournalError
from allclear.domain.records import ActFinished, AskWithdrawn, IncidentEnded, LedgerSuperseded
from allclear.domain.runbook import Phase
from allclear.domain.timeline import timeline
from allclear.engine.response.earlier_simulation import EarlierSimulation
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated, recorded
from tests.scenario.response_support import ALERT, MACHINE, broken, installed, new_journal, vintstreet
from tests.scenario.scenes import Watch
from tests.unit.responder.responder_support import running_responder


@asynccontextmanager
async def simulation(
    folder: Path, watch: Watch, url: str, *, says_since: bool = True
) -> AsyncGenerator[tuple[Engine, Simulated]]:
    """Yield an engine on a simulated production that starts now."""
    async with Simulated(broken(), utc_now) as simulated:
        path = folder / "simulation.json"
        since = {"since": watch.now.isoformat()} if says_since else {}
        path.write_text(json.dumps(simulated.announcement() | since))
        settings = Settings(company="vintstreet", journal_url=url, simulation=path)
        engine = make_engine(settings, environ={}, clock=watch, company=vintstreet(), registry=installed())
        try:
            yield engine, simulated
        finally:
            await engine.close()


def opened(engine: Engine, watch: Watch) -> str:
    """Return the incident that an alert opens a second later."""
    watch.now += timedelta(seconds=1)
    taken = engine.intake.take(ALERT, f"delivery at {watch.now}").incident
    assert taken is not None
    return taken


async def rounds(engine: Engine, watch: Watch) -> None:
    """Let an hour pass, minute by minute, and send everything that is due."""
    for _ in range(60):
        watch.now += timedelta(minutes=1)
        await engine.reminders.start_due()
        await engine.reminders.wait()


async def test_an_incident_of_before_the_restart_ends_with_one_reason_and_sends_nothing(tmp_path: Path) -> None:
    """Its Slack messages, its page and its ticket are unknown to the vendors of now: none of them is asked."""
    watch, url = Watch(), new_journal(tmp_path)
    async with simulation(tmp_path, watch, url) as (engine, before):
        old = opened(engine, watch)
        await engine.conductor.run(old, Phase.DETECT, MACHINE)
        await rounds(engine, watch)
        incident = engine.conductor.incident(old)
        assert before.world.workspace.channels[0].messages
        assert incident.open_pages
    watch.now += timedelta(minutes=1)
    async with simulation(tmp_path, watch, url) as (engine, after):
        assert engine.earlier_simulation.end_incidents() == [old]
        assert engine.earlier_simulation.end_incidents() == []
        await rounds(engine, watch)
        assert recorded(after, "write") == []
        ended = engine.conductor.incident(old)
        added = [entry.record for entry in engine.journal.entries(old, after=incident.length)]
        closed = {LedgerSuperseded, AskWithdrawn, ActFinished}
        assert {type(one) for one in added} <= closed | {IncidentEnded}
        assert sum(isinstance(one, IncidentEnded) for one in added) == 1
        assert (ended.open_pages, ended.in_place, ended.open_asks) == (0, [], [])
        shown = timeline(engine.journal.entries(old), engine.company.plan)[-1].text
        assert "The simulated production was restarted and knows nothing of it" in shown


async def test_what_fails_after_the_restart_opens_an_incident_of_its_own(tmp_path: Path) -> None:
    """The same alert does not join the one of before; the new one is carried on as ever."""
    watch, url = Watch(), new_journal(tmp_path)
    async with simulation(tmp_path, watch, url) as (engine, _):
        old = opened(engine, watch)
    watch.now += timedelta(minutes=1)
    async with simulation(tmp_path, watch, url) as (engine, after):
        engine.earlier_simulation.end_incidents()
        new = opened(engine, watch)
        assert new != old
        await engine.conductor.run(new, Phase.DETECT, MACHINE)
        await rounds(engine, watch)
        assert engine.earlier_simulation.end_incidents() == []
        assert recorded(after, "write") != []
        assert not engine.conductor.incident(new).over


async def test_the_responder_ends_them_before_it_takes_an_alert_in(tmp_path: Path) -> None:
    """It is done at the start, so that no alert can join one of them."""
    watch, url = Watch(), new_journal(tmp_path)
    async with simulation(tmp_path, watch, url) as (engine, _):
        old = opened(engine, watch)
    watch.now += timedelta(minutes=1)
    async with simulation(tmp_path, watch, url) as (engine, _):
        with running_responder(engine):
            assert engine.conductor.incident(old).over


class Unreachable(EarlierSimulation):
    """The incidents of before, in a journal that does not answer."""

    @override
    def end_incidents(self) -> list[str]:
        msg = "The journal does not answer."
        raise JournalError(msg, "Wait.")


async def test_the_responder_starts_while_the_journal_does_not_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says that incidents of before may be open."""
    watch = Watch()
    async with simulation(tmp_path, watch, new_journal(tmp_path)) as (engine, _):
        away = replace(engine, earlier_simulation=Unreachable(engine.journal, watch.now))
        with running_responder(away):
            assert "may be open: The journal does not answer." in caplog.text


async def test_a_real_incident_is_older_than_no_production(tmp_path: Path) -> None:
    """Without a simulated production, or if its line does not say since when it runs, nothing is ended."""
    watch, url = Watch(), new_journal(tmp_path)
    async with simulation(tmp_path, watch, url, says_since=False) as (engine, _):
        old = opened(engine, watch)
        watch.now += timedelta(days=1)
        assert engine.earlier_simulation.end_incidents() == []
        assert not engine.conductor.incident(old).over
