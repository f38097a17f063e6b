"""The responder contains by itself what is approved, Prefect or no Prefect; a flow that comes later adopts it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from allclear.domain.runbook import Phase
from allclear.engine.by_hand import Order
from allclear.engine.course import Over
from allclear.responder.drive import LOOKS, Driver
from allclear.simulator.world import World
from tests.contract.simulator_support import Simulated, until
from tests.property.response_support import (
    ALERT,
    MACHINE,
    Engine,
    announced,
    anybody,
    broken,
    engine_on,
    new_journal,
    writes,
)


@asynccontextmanager
async def driven(folder: Path) -> AsyncGenerator[tuple[Engine, World]]:
    """Yield an engine whose incidents are carried on by a driver, and the world behind it."""
    async with Simulated(broken()) as sim:
        engine = engine_on(new_journal(folder), announced(sim, folder))
        driver = asyncio.create_task(Driver(engine).run())
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
        order = Order("feature_flag.disable", {"flag": "live_streams", "service": "storefront"}, "streams fail")
        result = await engine.by_hand.do(order, by)
        assert result.outcome is not None
        await asyncio.sleep(5 * LOOKS)
        assert engine.conductor.incident(result.incident).entered == []
        assert not writes(world, "pagerduty")
