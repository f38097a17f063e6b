"""Shared by the tests of Twilio: a production with an account, and carrying a message out."""

# ruff: noqa: ANN401 - parts of a scenario

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from allclear.domain.action import AnyAction, Outcome
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.write_retries import Write
from allclear.simulator.scenario_schema import TwilioSpec
from allclear.simulator.twilio_account import TwilioAccount
from tests.contract.actions_support import SimulatedContext, production, worked_out
from tests.contract.simulator_support import Simulated, quick

ANA, BEN, CHI = "+49 151 1111 1111", "+4915122222222", "+15003333333"
NUMBERS = {ANA: "+4915111111111", BEN: BEN, CHI: CHI}


def phone(person: str, **behaves: Any) -> dict[str, Any]:
    """Return a phone of a scenario."""
    return {"number": NUMBERS[person], **behaves}


@asynccontextmanager
async def phones(*listed: dict[str, Any], **changes: Any) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run a production with an account at Twilio, and yield it with a context whose clients talk to it."""
    spec = TwilioSpec.model_validate({"phones": list(listed), **changes})
    async with production(quick(twilio=spec)) as (sim, context):
        context.options["twilio"] = {"account": spec.account, "number": spec.number}
        yield sim, context


def at_twilio(sim: Simulated) -> TwilioAccount:
    """Return the simulated account."""
    return sim.world.twilio


async def issued(action: AnyAction, deadline: float = 0.3, **raw: Any) -> Outcome:
    """Carry a message out with the executor's own write, and return its outcome; `deadline` in seconds."""
    params, change = await worked_out(action, **raw)
    change = change.model_copy(update={"deadline": timedelta(seconds=deadline)})
    return await Write(LoadedAct(action, params, change), change, "VS-1/notice/1").issue()
