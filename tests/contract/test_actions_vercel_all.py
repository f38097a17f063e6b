"""What holds for every action of Vercel: a dry run writes nothing, no secret is kept, a failed read has a sentence."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from allclear.domain.action import AnyAction
from allclear.domain.address_ranges import NeverBlocked
from allclear.domain.errors import AllclearError
from tasks.vercel.actions import Promote, RollBack
from tasks.vercel.attack_mode import EndAttackMode, StartAttackMode
from tasks.vercel.config import DisableItem, DisableVercelMaintenance, EnableItem, EnableVercelMaintenance
from tasks.vercel.firewall import BlockAddresses, UnblockAddresses
from tasks.vercel.flags import DisableVercelFlag, EnableVercelFlag
from tests.contract.actions_support import READ_TROUBLES, Carried, SimulatedContext, dumped, proven, worked_out
from tests.contract.simulator_support import Simulated, fault, recorded
from tests.contract.test_actions_vercel import SERVICE
from tests.contract.test_actions_vercel_flags import broken

ADDRESS = {"addresses": "203.0.113.7"}
EVERY: list[tuple[type[AnyAction], dict[str, Any]]] = [
    (RollBack, {}),
    (Promote, {}),
    (BlockAddresses, ADDRESS),
    (UnblockAddresses, ADDRESS),
    (StartAttackMode, {}),
    (EndAttackMode, {}),
    (DisableVercelFlag, {"flag": "export"}),
    (EnableVercelFlag, {"flag": "export"}),
    (DisableItem, {"item": "export"}),
    (EnableItem, {"item": "export"}),
    (EnableVercelMaintenance, {}),
    (DisableVercelMaintenance, {}),
]
NAMES = [kind.name for kind, _ in EVERY]


@asynccontextmanager
async def ready() -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run a production with flags, a rule for an address, and two deployments that have served."""
    never = NeverBlocked.model_validate({"198.51.100.0/28": "our office"})
    async with broken(never_blocked=never) as (sim, context):
        yield sim, context


@pytest.mark.parametrize(("kind", "raw"), EVERY, ids=NAMES)
async def test_a_dry_run_writes_nothing_and_the_act_keeps_no_secret(kind: type[AnyAction], raw: dict[str, Any]) -> None:
    """Observing, planning and prechecking write nothing, and what is stored of the act contains no key."""
    async with ready() as (sim, context):
        action = kind(context)
        params, change = await worked_out(action, service=SERVICE, **raw)
        await action.precheck(params, change)
        assert recorded(sim, "write") == []
        receipt = await action.apply(params, change, "RG-1/contain/one")
        after, finding = await proven(action, params, change, receipt)
        kept = dumped(Carried(params, change, receipt, after, finding)) + repr(context.clients)
        assert [name for name, secret in sim.secrets.items() if secret in kept] == []


@pytest.mark.parametrize("trouble", READ_TROUBLES)
@pytest.mark.parametrize(("kind", "raw"), EVERY, ids=NAMES)
async def test_a_read_that_fails_has_a_sentence_and_a_next_step_and_nothing_is_written(
    kind: type[AnyAction], raw: dict[str, Any], trouble: str
) -> None:
    """For every read: an answer that is cut off or of another shape is never taken for an empty one."""
    async with ready() as (sim, context):
        await fault(sim, "vercel", "*", trouble, times=50)
        with pytest.raises(AllclearError) as failed:
            await worked_out(kind(context), service=SERVICE, **raw)
        assert failed.value.message.endswith(".")
        assert "Vercel" in failed.value.message
        assert failed.value.next_step
        assert recorded(sim, "write") == []
