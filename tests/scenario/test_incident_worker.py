"""The responder carries out approved acts automatically, with or without Prefect; a later flow adopts the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from allclear.bootstrap import make_engine
from allclear.company import Company
from allclear.domain.approval import AutoApproval
from allclear.domain.base import Clock, utc_now
from allclear.domain.runbook import Phase, Step
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.response.moves import Over
from allclear.engine.response.step_keys import second_check_key
from allclear.journal.sql_journal import SqlJournal
from allclear.responder.workers.incident_worker import AT_ONCE, IncidentWorker
from allclear.settings import Settings
from allclear.simulator.world import World
from tests.contract.simulator_support import Simulated
from tests.patience import until
from tests.scenario.response_support import (
    ALERT,
    MACHINE,
    OPENED,
    Engine,
    announced,
    broken,
    installed,
    new_journal,
    person_for,
    writes,
)
from tests.scenario.response_support import vintstreet as small_vintstreet
from tests.scopes import DRILL


@asynccontextmanager
async def working(
    folder: Path, company: Company | None = None, at_once: int = AT_ONCE, clock: Clock = utc_now
) -> AsyncGenerator[tuple[Engine, World]]:
    """Yield an engine with a running incident worker, and the simulated production.

    `clock` is the engine's; the journal has the real time.
    """
    async with Simulated(broken()) as sim:
        settings = Settings(company="vintstreet", journal_url=new_journal(folder), simulation=announced(sim, folder))
        engine = make_engine(
            settings,
            environ={},
            clock=clock,
            company=company or small_vintstreet(),
            registry=installed(),
            journal=SqlJournal(settings.journal_url, DRILL),
        )
        worker = asyncio.create_task(IncidentWorker(engine, at_once).run())
        try:
            yield engine, sim.world
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
            await engine.close()


def opened_incident(engine: Engine) -> str:
    """Open an incident and return its id."""
    opened = OPENED.model_copy(update={"simulated": True, "company": engine.company.name})
    return engine.journal.open_incident("VS", opened, MACHINE)[0]


def with_containment(step: Step) -> Company:
    """Return VintStreet whose containment starts with `step`."""
    company = small_vintstreet()
    book = company.runbooks["bad-deployment"]
    changed = book.model_copy(update={"contain": [step, *book.contain[1:]]})
    return replace(company, runbooks=company.runbooks | {"bad-deployment": changed})


def an_hour_to_recover() -> Step:
    """Return a step that probes the service until it is healthy, for up to an hour."""
    health = {"service": "{service}"}
    return Step(id="wait", title="Is it healthy yet?", probe="http.smoke", with_=health, within=timedelta(hours=1))


async def test_the_worker_alone_verifies_pages_asks_and_carries_out_an_approval(tmp_path: Path) -> None:
    """No flow runs: the worker pages, asks, and rolls back once the approval is given. A later flow adopts that."""
    async with working(tmp_path) as (engine, world):
        incident = engine.intake.take(ALERT, "delivery-1").incident
        assert incident is not None
        ask = await until(lambda: engine.conductor.incident(incident).ask_of(Phase.CONTAIN, "roll-back"))
        assert [entry["method"] for entry in writes(world, "pagerduty")]
        assert not writes(world, "cloud_run")
        engine.people.answer(ask.ask.id, person_for(ask.ask), yes=True)
        await until(lambda: writes(world, "cloud_run"))
        await until(lambda: engine.conductor.incident(incident).contained)
        flow = await engine.conductor.run(incident, Phase.DETECT, MACHINE)
        assert isinstance(flow, Over)
        assert len(writes(world, "cloud_run")) == 1


async def test_an_incident_opened_for_one_manual_action_starts_no_response(tmp_path: Path) -> None:
    """A person who acts manually wants no pages and messages; a later incident is paged all the same."""
    async with working(tmp_path) as (engine, world):
        by = engine.people.who("Ana", "on_call", "cli")
        request = ManualRequest(
            "feature_flag.disable", {"flag": "live_streams", "service": "storefront"}, "streams fail"
        )
        result = await engine.manual.do(request, by)
        assert result.outcome is not None
        later = opened_incident(engine)
        await until(lambda: writes(world, "pagerduty"))
        await until(lambda: engine.conductor.incident(later).entered == ["detect", "contain"])
        assert engine.conductor.incident(result.incident).entered == []
        assert len(writes(world, "pagerduty")) == 1


async def test_an_incident_that_waits_for_a_probe_holds_up_no_other(tmp_path: Path) -> None:
    """With one slot: the first incident waits up to an hour for its service, and the second is paged meanwhile."""
    async with working(tmp_path, with_containment(an_hour_to_recover()), at_once=1) as (engine, world):
        incidents = [opened_incident(engine) for _ in range(2)]
        await until(lambda: len(writes(world, "pagerduty")) == 2)
        assert [engine.conductor.incident(one).step(Phase.CONTAIN, "wait") for one in incidents] == [None, None]


async def test_an_incident_that_waits_for_its_second_probe_holds_up_no_other(tmp_path: Path) -> None:
    """With one slot: the second incident is paged while the first waits for its second probe.

    The engine's clock is an hour behind the journal's, so the second probe is due an hour from now.
    """
    step = small_vintstreet().runbooks["bad-deployment"].contain[0]
    company = with_containment(step.model_copy(update={"auto_approve": AutoApproval()}))
    async with working(tmp_path, company, at_once=1, clock=lambda: utc_now() - timedelta(hours=1)) as (engine, _):
        incidents: list[str] = []
        for _number in range(2):
            incidents.append(opened_incident(engine))
            await until(lambda: "contain" in engine.conductor.incident(incidents[-1]).entered)
        assert all(engine.conductor.incident(one).paged_at for one in incidents)
        key = second_check_key("roll-back")
        assert [engine.conductor.incident(one).step(Phase.CONTAIN, key) for one in incidents] == [None, None]


async def test_an_approved_act_waits_for_no_probe(tmp_path: Path) -> None:
    """While a step gives the service an hour to recover, an approval is carried out."""
    async with working(tmp_path, with_containment(an_hour_to_recover())) as (engine, world):
        incident = engine.intake.take(ALERT, "delivery-1").incident
        assert incident is not None
        await until(lambda: Phase.CONTAIN.value in engine.conductor.incident(incident).entered)
        request = ManualRequest(
            "cloud_run.rollback_traffic", {"service": "storefront", "to": "previous"}, "errors since 42"
        )
        result = await engine.manual.do(request, engine.people.who("Cleo", "scribe", "cli"))
        assert (result.outcome, len(result.waiting)) == (None, 1)
        state = engine.conductor.incident(incident).asks[result.waiting[0]]
        assert not writes(world, "cloud_run")
        engine.people.answer(state.ask.id, person_for(state.ask), yes=True)
        await until(lambda: writes(world, "cloud_run"))
