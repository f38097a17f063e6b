"""Shared by the actions' tests: a context for a simulated production, and carrying out an act on it."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from allclear.domain.action import AnyAction, Change, Client, Finding, Receipt, Verdict
from allclear.domain.base import Clock, utc_now
from allclear.domain.baseline import OwnRecord
from allclear.domain.errors import AllclearError, AnswerLost, Denied, NotFound, VendorRefused
from allclear.domain.links import Links, NoLinks
from allclear.domain.systems import Access, Service, Smoke, SmokePath
from allclear.simulator.scenario import Production
from tasks.cloud_run.list_revisions import Revisions
from tasks.cloud_run.rollback import RollbackTraffic
from tasks.maintenance_handle import MaintenanceHandle
from tests.contract.simulator_support import Simulated, quick
from tests.patience import HUNG, patient_kind
from tests.unit.fakes_context import FakeRecord, service_of

C = TypeVar("C", bound=Client)

OPTIONS: dict[str, dict[str, Any]] = {
    "cloud_run": {"project": "vintstreet-prod", "region": "us-central1"},
    "slack": {"channel": "#incidents"},
    "pagerduty_rest": {"service": "PSIMULA", "requester": "ana@example.com"},
    "statuspage": {"page": "vintstreet"},
    "vercel": {"team": "team_simulated"},
}

READ_TROUBLES = ["permission_denied", "unavailable", "cut_off", "other_shape", "login_page"]
"""The faults of a read: none of them may be taken for an empty answer."""


def each_write_fault(purpose: str, *, any_answer: bool = False) -> pytest.MarkDecorator:
    """Run a test with each fault of a write: `kind`, the `error` it must raise, and `words` of its sentence.

    With `any_answer` the vendor's good answers have no shape, so one of another shape is no fault.
    """
    faults: list[tuple[str, type[AllclearError], str]] = [
        ("permission_denied", Denied, f"does not allow our key to {re.escape(purpose)}"),
        ("unavailable", AnswerLost, f"was asked to {re.escape(purpose)}.* and gave no clear answer"),
        ("server_error", AnswerLost, "gave no clear answer"),
        ("answer_lost", AnswerLost, "gave no clear answer"),
        ("cut_off", AnswerLost, "its answer cannot be read"),
        *([] if any_answer else [("other_shape", AnswerLost, "its answer cannot be read")]),
        ("login_page", AnswerLost, "as a proxy or a login page does"),
        ("rate_limited", VendorRefused, "is limiting our requests"),
    ]
    return pytest.mark.parametrize(("kind", "error", "words"), faults)


PatientRollback, PatientRevisions = patient_kind(RollbackTraffic), patient_kind(Revisions)


class SimulatedContext:
    """A context whose clients all talk to one simulation."""

    def __init__(self, sim: Simulated, **service: Any) -> None:
        self.sim = sim
        self.clients: dict[str, Any] = {}
        self.options = dict(OPTIONS)
        """The options of each system in systems.yaml."""
        self.record: OwnRecord = FakeRecord()
        self.links: Links = NoLinks()
        self.clock: Clock = utc_now
        self.zone: tzinfo = UTC
        fields: dict[str, Any] = {
            "title": "VintStreet storefront",
            "url": sim.endpoints["storefront"],
            "cloud_run": "vintstreet",
            "flags": ["new_checkout", "live_streams"],
            "maintenance": MaintenanceHandle(flag="maintenance_mode"),
            "smoke": Smoke.model_validate(
                {
                    "requests": 20,
                    "paths": [SmokePath(path="/"), SmokePath(path="/api/checkout")],
                    "p95": "60s",
                    "timeout": "60s",
                }
            ),
        }
        self.services = {"storefront": service_of(**(fields | service))}

    def service(self, name: str) -> Service:
        """Return the service; raises NotFound."""
        if name not in self.services:
            raise NotFound(f"There is no service {name}.", "There is: storefront.")
        return self.services[name]

    def client(self, vendor: type[C]) -> C:
        """Return the one client of that vendor."""
        name = vendor.system
        if name not in self.clients:
            where = self.sim.endpoints.get({"cloud_run": "cloud_run_grpc"}.get(name, name), "")
            secret = self.sim.secrets.get(name)
            access = Access(
                name=name,
                endpoint=where,
                secret=SecretStr(secret) if secret else None,
                options=self.options.get(name, {}),
                simulated=True,
            )
            self.clients[name] = vendor.connect(access)
        return self.clients[name]

    async def close(self) -> None:
        """Close every client."""
        for client in self.clients.values():
            await client.close()


@asynccontextmanager
async def production(
    scenario: Production | None = None, **service: Any
) -> AsyncGenerator[tuple[Simulated, SimulatedContext]]:
    """Run a simulated production, and yield it with a context whose clients talk to it."""
    async with Simulated(scenario or quick()) as sim:
        context = SimulatedContext(sim, **service)
        try:
            yield sim, context
        finally:
            await context.close()


@dataclass
class Carried:
    """An act that was carried out, and what was observed."""

    params: Any
    change: Change[Any]
    receipt: Receipt
    after: Any
    finding: Finding


async def worked_out(action: AnyAction, **raw: Any) -> tuple[Any, Change[Any]]:
    """Return the parameters and the change of a proposal."""
    params = action.params.model_validate(raw)
    return params, action.plan(params, await action.observe_for_plan(params))


async def carried_out(action: AnyAction, **raw: Any) -> Carried:
    """Carry an act out as the executor does: observe, plan, precheck, apply, and observe until the change shows."""
    params, change = await worked_out(action, **raw)
    assert await action.precheck(params, change) == []
    # The journal keeps a change as JSON: what is applied has been through it.
    change = Change[action.state].model_validate(change.model_dump(mode="json"))
    return await applied(action, params, change)


async def applied(action: AnyAction, params: Any, change: Change[Any]) -> Carried:
    """Apply a change, and observe until it shows."""
    receipt = await action.apply(params, change, "VS-1/contain/one")
    after, finding = await proven(action, params, change, receipt)
    return Carried(params, change, receipt, after, finding)


async def proven(action: AnyAction, params: Any, change: Change[Any], receipt: Receipt | None) -> tuple[Any, Finding]:
    """Observe until the change shows, or its deadline has passed."""
    async with asyncio.timeout(HUNG):
        while True:
            after = action.state_after(change, await action.observe(params), receipt)
            finding = action.verify(change, after, receipt)
            if finding.final or finding.verdict is not Verdict.INCONCLUSIVE:
                return after, finding


async def undone(action: AnyAction, done: Carried) -> Carried:
    """Undo an act as the executor does: with the same action, and the change that `undo` returns."""
    now = await action.observe(done.params)
    change = action.undo(done.params, done.change, now)
    assert await action.precheck(done.params, change) == []
    return await applied(action, done.params, change)


def dumped(done: Carried) -> str:
    """Return everything that a journal would store of the act."""
    return done.change.model_dump_json() + done.receipt.model_dump_json() + done.after.model_dump_json() + repr(done)
