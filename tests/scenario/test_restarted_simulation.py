"""A simulated production is restarted and the journal is not: incidents of before are ended and send nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from allclear.bootstrap import Engine, make_engine
from allclear.domain.base import JsonDict, utc_now
from allclear.domain.errors import JournalError
from allclear.domain.records import ActFinished, AskWithdrawn, IncidentEnded, LedgerSuperseded
from allclear.domain.runbook import Phase
from allclear.domain.template_values import status_words
from allclear.domain.timeline import timeline
from allclear.engine.response.earlier_simulation import EarlierSimulation
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated, recorded
from tests.scenario.response_support import ALERT, MACHINE, broken, installed, new_journal, vintstreet
from tests.scenario.scenes import Watch
from tests.unit.responder.responder_support import running_responder


@asynccontextmanager
async def engine_on(folder: Path, line: JsonDict, watch: Watch) -> AsyncGenerator[Engine]:
    """Yield an engine on the simulated production that announces itself with `line`. The journal is in `folder`."""
    path, journal = folder / "simulation.json", folder / "journal.db"
    path.write_text(json.dumps(line))
    url = f"sqlite:///{journal}" if journal.exists() else new_journal(folder)
    settings = Settings(company="vintstreet", journal_url=url, simulation=path)
    engine = make_engine(settings, environ={}, clock=watch, company=vintstreet(), registry=installed())
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def simulation(folder: Path, watch: Watch) -> AsyncGenerator[tuple[Engine, Simulated]]:
    """Yield an engine on a simulated production that starts now."""
    async with Simulated(broken(), utc_now) as simulated, engine_on(folder, simulated.announcement(), watch) as engine:
        yield engine, simulated


def without_id(simulated: Simulated) -> JsonDict:
    """Return the line of a simulated production that says no id."""
    return {name: value for name, value in simulated.announcement().items() if name != "id"}


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


@dataclass
class Restarted:
    """An engine on a simulated production that was restarted while an incident was open."""

    engine: Engine
    simulated: Simulated
    watch: Watch
    old: str
    """The incident."""


@pytest.fixture
async def restarted(tmp_path: Path) -> AsyncGenerator[Restarted]:
    """An incident is opened, and a minute later the simulated production is restarted."""
    watch = Watch()
    async with simulation(tmp_path, watch) as (engine, _):
        old = opened(engine, watch)
    watch.now += timedelta(minutes=1)
    async with simulation(tmp_path, watch) as (engine, simulated):
        yield Restarted(engine, simulated, watch, old)


async def test_an_incident_of_before_the_restart_ends_with_one_reason_and_sends_nothing(tmp_path: Path) -> None:
    """Its Slack messages, its page and its ticket are unknown to the vendors of now: none of them is asked."""
    watch = Watch()
    async with simulation(tmp_path, watch) as (engine, before):
        old = opened(engine, watch)
        await engine.conductor.run(old, Phase.DETECT, MACHINE)
        await rounds(engine, watch)
        incident = engine.conductor.incident(old)
        assert before.world.workspace.channels[0].messages
        assert incident.open_pages
    watch.now += timedelta(minutes=1)
    async with simulation(tmp_path, watch) as (engine, after):
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
        assert shown.startswith("Abandoned: The simulated production was restarted and knows nothing of it")
        assert status_words(ended, engine.company.plan) == "ABANDONED"


async def test_what_fails_after_the_restart_opens_an_incident_of_its_own(restarted: Restarted) -> None:
    """The same alert does not join the one of before; the new one is carried on as ever."""
    engine, watch = restarted.engine, restarted.watch
    engine.earlier_simulation.end_incidents()
    new = opened(engine, watch)
    assert new != restarted.old
    await engine.conductor.run(new, Phase.DETECT, MACHINE)
    await rounds(engine, watch)
    assert engine.earlier_simulation.end_incidents() == []
    assert recorded(restarted.simulated, "write") != []
    assert not engine.conductor.incident(new).over


async def test_the_responder_ends_them_before_it_takes_an_alert_in(restarted: Restarted) -> None:
    """It is done at the start, so that no alert can join one of them."""
    with running_responder(restarted.engine):
        assert restarted.engine.conductor.incident(restarted.old).over


BACK = timedelta(hours=-1)
ON = timedelta(minutes=1)


@pytest.mark.parametrize("step", [ON, BACK], ids=["on", "back"])
async def test_the_clock_says_nothing_about_which_production_it_is(tmp_path: Path, step: timedelta) -> None:
    """The responder is started again on the same production, and then on a new one, while its clock steps back."""
    watch = Watch()
    async with Simulated(broken(), utc_now) as simulated:
        async with engine_on(tmp_path, simulated.announcement(), watch) as engine:
            incident = opened(engine, watch)
        watch.now += step
        async with engine_on(tmp_path, simulated.announcement(), watch) as engine:
            assert engine.earlier_simulation.end_incidents() == []
    watch.now += step
    async with simulation(tmp_path, watch) as (engine, _):
        assert engine.earlier_simulation.end_incidents() == [incident]


async def test_an_incident_that_was_recorded_without_an_id_is_of_before(tmp_path: Path) -> None:
    """Journals have such incidents from the time before productions had ids."""
    watch = Watch()
    async with Simulated(broken(), utc_now) as simulated:
        async with engine_on(tmp_path, without_id(simulated), watch) as engine:
            incident = opened(engine, watch)
        async with engine_on(tmp_path, simulated.announcement(), watch) as engine:
            assert engine.conductor.incident(incident).opened.simulation == ""
            assert engine.earlier_simulation.end_incidents() == [incident]


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
    async with simulation(tmp_path, watch) as (engine, _):
        away = replace(engine, earlier_simulation=Unreachable(engine.journal))
        with running_responder(away):
            assert "may be open: The journal does not answer." in caplog.text


@pytest.mark.parametrize("blank", [{}, {"id": ""}, {"id": " "}])
async def test_nothing_ends_if_it_is_not_known_which_production_it_is(tmp_path: Path, blank: JsonDict) -> None:
    """The line of the production has no id, as that of an older version, or a blank one."""
    watch = Watch()
    async with Simulated(broken(), utc_now) as simulated:
        async with engine_on(tmp_path, simulated.announcement(), watch) as engine:
            old = opened(engine, watch)
        watch.now += timedelta(days=1)
        async with engine_on(tmp_path, without_id(simulated) | blank, watch) as engine:
            assert engine.earlier_simulation.end_incidents() == []
            assert not engine.conductor.incident(old).over
