"""The executor on a rollback at Vercel and on a flag in Supabase: lost answers, reads that are down, limits, races.

Cloud Run's cases are in test_cloud_run_cases_trouble.py; the same questions are asked of the other vendors here.
"""

# ruff: noqa: ANN401 - clients of any vendor

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.domain.act import Act
from allclear.domain.action import ActStatus, AnyAction
from allclear.domain.base import JsonDict, utc_now
from allclear.engine.actions.act_watch import ActWatcher
from allclear.simulator.faults import Fault
from allclear.vendors.supabase import SupabaseFlags
from allclear.vendors.vercel import Vercel
from tasks.feature_flags import DisableFlag
from tasks.vercel.actions import RollBack
from tests.contract.actions_support import SimulatedContext, production
from tests.contract.acts_support import LONG, Acts
from tests.contract.simulator_support import Simulated, control, recorded
from tests.contract.test_actions_vercel import GOOD, SERVICE, hosted

SHORT = timedelta(seconds=0.4)
"""A deadline that passes while every read fails."""


@dataclass(frozen=True)
class Vendor:
    """One action, and how it meets its vendor."""

    kind: type[AnyAction]
    params: JsonDict
    client: type[Any]
    writes: str
    """The client's method that writes."""
    method: str
    """The vendor's call that it makes."""
    reads: tuple[str, ...]
    """The vendor's calls that read the result."""
    opened: Callable[[], Any]
    changed: Callable[[Simulated], bool]
    """Whether the change has taken effect in production."""


def _off(sim: Simulated) -> bool:
    (row,) = sim.world.flags.rows(lambda row: row["name"] == "live_streams")
    return row["enabled"] is False


VENDORS = [
    pytest.param(
        Vendor(
            RollBack,
            {"service": SERVICE},
            Vercel,
            "roll_back",
            "rollback",
            ("get_project", "get_alias", "list_deployments", "get_deployment"),
            hosted,
            lambda sim: sim.world.serving() == {GOOD: 100},
        ),
        id="vercel rollback",
    ),
    pytest.param(
        Vendor(
            DisableFlag,
            {"flag": "live_streams", "service": SERVICE},
            SupabaseFlags,
            "set",
            "update",
            ("select",),
            production,
            _off,
        ),
        id="supabase flag",
    ),
]
EACH = pytest.mark.parametrize("vendor", VENDORS)


class Client:
    """A vendor's client, by delegation, with something that happens before or after its write."""

    def __init__(self, inner: Any, method: str) -> None:
        self._inner, self._method = inner, method
        self.before: list[Callable[[], Any]] = []
        self.after: list[Callable[[], Any]] = []

    def __getattr__(self, name: str) -> Any:
        """Return the client's attribute; around the write, what waits is called once."""
        own = getattr(self._inner, name)
        if name != self._method:
            return own

        async def write(*args: Any, **more: Any) -> Any:
            while self.before:
                await self.before.pop()()
            try:
                return await own(*args, **more)
            finally:
                while self.after:
                    self.after.pop()()

        return write


@dataclass
class Room:
    """A simulated vendor with one incident on it."""

    vendor: Vendor
    sim: Simulated
    context: SimulatedContext
    acts: Acts
    client: Client

    def fail(self, *methods: str, kind: str, times: int = 1000) -> None:
        """Let the next calls of these methods fail."""
        for method in methods:
            fault = {"api": self.vendor.client.system, "method": method, "kind": kind, "times": times}
            self.sim.world.faults.set(Fault.model_validate(fault))

    def written(self) -> list[Any]:
        """Return how each try to write ended."""
        writes = recorded(self.sim, "write", api=self.vendor.client.system, method=self.vendor.method)
        return [entry["result"] for entry in writes]

    def state(self, act: Act) -> Act:
        """Return the act as it is now."""
        return self.acts.incident.acts[act.id]


@asynccontextmanager
async def room(vendor: Vendor, folder: Path, deadline: timedelta = LONG) -> AsyncGenerator[tuple[Room, Act]]:
    """Yield the vendor with an approved act."""
    async with vendor.opened() as (sim, context):
        context.client(vendor.client)
        client = Client(context.clients[vendor.client.system], vendor.writes)
        context.clients[vendor.client.system] = client
        acts = Acts(folder, context, [vendor.kind], vendor.params, deadline)
        try:
            yield Room(vendor, sim, context, acts, client), await acts.approved()
        finally:
            acts.journal.close()


@EACH
async def test_a_lost_answer_with_reads_down_claims_nothing_and_is_settled_when_they_work_again(
    tmp_path: Path, vendor: Vendor
) -> None:
    """D6 and D7: the write took effect. Nothing says that nothing was changed, and a later read proves it."""
    async with room(vendor, tmp_path, SHORT) as (it, act):
        it.fail(vendor.method, kind="answer_lost", times=1)
        it.client.after.append(lambda: it.fail(*vendor.reads, kind="unavailable"))
        outcome = await it.acts.carried_out(act)
        assert (outcome.status, outcome.changed) == (ActStatus.INDETERMINATE, True)
        assert "nothing was" not in outcome.sentence.lower()
        assert it.acts.incident.in_place
        it.sim.world.faults.clear()
        later = utc_now() + timedelta(minutes=5)
        assert await ActWatcher(it.acts.journal, it.acts.executor, lambda: later).check() == [it.acts.id]
        assert it.state(act).status is ActStatus.VERIFIED
        assert vendor.changed(it.sim)


@EACH
async def test_reads_that_come_back_within_the_deadline_prove_a_write_whose_answer_was_lost(
    tmp_path: Path, vendor: Vendor
) -> None:
    """D7: it is looked for until then, and made once."""
    async with room(vendor, tmp_path) as (it, act):
        it.fail(vendor.method, kind="answer_lost", times=1)
        it.client.after.append(lambda: it.fail(*vendor.reads, kind="unavailable", times=3))
        outcome = await it.acts.carried_out(act)
        assert (outcome.status, outcome.changed, len(it.written())) == (ActStatus.VERIFIED, True, 1)
        assert "answer to the write was lost" in outcome.sentence


@EACH
async def test_a_rate_limited_write_is_sent_again_within_the_deadline(tmp_path: Path, vendor: Vendor) -> None:
    """D8: the first one changed nothing."""
    async with room(vendor, tmp_path) as (it, act):
        it.fail(vendor.method, kind="rate_limited", times=1)
        outcome = await it.acts.carried_out(act)
        assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)
        assert vendor.changed(it.sim)
        assert it.sim.world.faults.waiting() == []


async def test_a_flag_that_another_person_switches_off_first_is_already_done(tmp_path: Path) -> None:
    """D9: the old value is compared, and the flag is read after the conflict. The change is not ours to undo."""
    vendor = next(one for one in (case.values[0] for case in VENDORS) if one.kind is DisableFlag)
    async with room(vendor, tmp_path) as (it, act):

        async def switch_off() -> None:
            await control(it.sim, "POST", "/flags", {"name": "live_streams", "enabled": False})

        it.client.before.append(switch_off)
        outcome = await it.acts.carried_out(act)
        assert (outcome.status, outcome.changed, len(it.written())) == (ActStatus.VERIFIED, False, 1)
        assert outcome.sentence.startswith("It was already done: ")
        assert not it.acts.incident.in_place
