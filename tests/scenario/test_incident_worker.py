"""The responder contains by itself what is approved, Prefect or no Prefect; a flow that comes later adopts it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from allclear.company import Company
from allclear.domain.approval import AutoApproval
from allclear.domain.runbook import Phase, Step
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.response.moves import Over
from allclear.responder.workers.incident_worker import AT_ONCE, CHECKS, Driver
from allclear.simulator.world import World
from tests.contract.simulator_support import Simulated, until
from tests.scenario.response_support import (
    ALERT,
    MACHINE,
    OPENED,
    Engine,
    announced,
    anybody,
    broken,
    engine_on,
    new_journal,
    writes,
)
from tests.scenario.response_support import vintstreet as small_vintstreet


@asynccontextmanager
async def driven(
    folder: Path, company: Company | None = None, at_once: int = AT_ONCE
) -> AsyncGenerator[tuple[Engine, World]]:
    """Yield an engine whose incidents are carried on by a driver, and the world behind it."""
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(folder), announced(sim, folder), company=company)
        driver = asyncio.create_task(Driver(engine, at_once).run())
        try:
            yield engine, sim.world
        finally:
            driver.cancel()
            with suppress(asyncio.CancelledError):
                await driver
            await engine.close()


async def test_an_alert_is_verified_paged_and_asked_about_and_an_approval_is_carried_out_at_once(
    tmp_path: Path,
) -> None:
    """No flow runs: the driver alone pages, asks, and rolls back within a second of the yes."""
    async with driven(tmp_path) as (engine, world):
        incident = engine.intake.take(ALERT, "delivery-1").incident
        assert incident is not None

        def asked() -> bool:
            return engine.conductor.incident(incident).ask_of(Phase.CONTAIN, "roll-back") is not None

        await until(asked, 20)
        assert [entry["method"] for entry in writes(world, "pagerduty")]
        ask = engine.conductor.incident(incident).ask_of(Phase.CONTAIN, "roll-back")
        assert ask is not None
        assert not writes(world, "cloud_run")
        began = time.monotonic()
        engine.people.answer(ask.ask.id, anybody(ask.ask), yes=True)
        await until(lambda: writes(world, "cloud_run"), 5)
        assert time.monotonic() - began < 3  # generous: the machine is shared
        await until(lambda: engine.conductor.incident(incident).contained, 20)
        flow = await engine.conductor.run(incident, Phase.DETECT, MACHINE)
        assert isinstance(flow, Over)
        assert len(writes(world, "cloud_run")) == 1


async def test_what_was_opened_for_one_act_by_hand_starts_no_response(tmp_path: Path) -> None:
    """Somebody who rolls back by hand has not asked for pages and messages."""
    async with driven(tmp_path) as (engine, world):
        by = engine.people.who("Ana", "on_call", "cli")
        request = ManualRequest(
            "feature_flag.disable", {"flag": "live_streams", "service": "storefront"}, "streams fail"
        )
        result = await engine.manual.do(request, by)
        assert result.outcome is not None
        await asyncio.sleep(5 * CHECKS)
        assert engine.conductor.incident(result.incident).entered == []
        assert not writes(world, "pagerduty")


async def test_an_incident_that_waits_keeps_no_other_from_being_carried_on(tmp_path: Path) -> None:
    """One is carried on at a time; while the first has ten seconds to go before its second look, the next is paged."""
    company = small_vintstreet()
    book = company.runbooks["bad-deployment"]
    lone = book.contain[0].model_copy(update={"auto_approve": AutoApproval()})
    alone = book.model_copy(update={"contain": [lone, *book.contain[1:]]})
    company = replace(company, runbooks=company.runbooks | {"bad-deployment": alone})
    async with driven(tmp_path, company, at_once=1) as (engine, world):
        first, second = (
            engine.journal.open_incident(
                "VS", OPENED.model_copy(update={"simulated": True, "company": company.name}), MACHINE
            )[0]
            for _ in range(2)
        )

        def said() -> list[str]:
            return [str(entry) for entry in writes(world, "pagerduty")]

        await until(lambda: len(said()) == 2, 15)
        proposed = [engine.conductor.incident(one).act_of(Phase.CONTAIN, "roll-back") for one in (first, second)]
        assert proposed == [None, None]


async def test_an_act_that_is_allowed_waits_for_no_check(tmp_path: Path) -> None:
    """While a look of the incident gives the service a minute to get well, an approval is carried out at once."""
    company = small_vintstreet()
    book = company.runbooks["bad-deployment"]
    health = {"service": "{service}"}
    patient = Step(id="wait", title="Is it well yet?", probe="http.smoke", with_=health, within=timedelta(minutes=1))
    waits = book.model_copy(update={"contain": [patient]})
    company = replace(company, runbooks=company.runbooks | {"bad-deployment": waits})
    async with driven(tmp_path, company) as (engine, world):
        incident = engine.intake.take(ALERT, "delivery-1").incident
        assert incident is not None
        await until(lambda: Phase.CONTAIN.value in engine.conductor.incident(incident).entered, 20)
        request = ManualRequest(
            "cloud_run.rollback_traffic", {"service": "storefront", "to": "previous"}, "errors since 42"
        )
        result = await engine.manual.do(request, engine.people.who("Cleo", "scribe", "cli"))
        assert (result.outcome, len(result.waiting)) == (None, 1)
        state = engine.conductor.incident(incident).asks[result.waiting[0]]
        began = time.monotonic()
        engine.people.answer(state.ask.id, anybody(state.ask), yes=True)
        await until(lambda: writes(world, "cloud_run"), 5)
        assert time.monotonic() - began < 3  # generous: the machine is shared
