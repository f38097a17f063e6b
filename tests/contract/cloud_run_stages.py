"""The two kinds of Cloud Run for the difficult cases: the simulator and the tests' own fake, over gRPC and REST.

A `Stage` is set up from one `Setting`, and lets a test act as other people.
"""

# ruff: noqa: ANN401 - what is handed on to a model

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta, tzinfo
from pathlib import Path
from typing import Any, Protocol, TypeVar

from allclear.domain.action import Client
from allclear.domain.base import Clock, utc_now
from allclear.domain.baseline import Baseline
from allclear.domain.errors import ConfigError
from allclear.domain.links import Links, NoLinks
from allclear.domain.systems import Access, Service
from allclear.simulator.faults import Fault
from allclear.simulator.scenario_schema import OtherServiceSpec, RevisionSpec, TrafficSpec, UsersSpec
from allclear.vendors.cloud_run.client import CloudRun
from tasks.cloud_run.list_revisions import Revisions
from tasks.cloud_run.restore_latest import RestoreLatest
from tasks.cloud_run.rollback import RollbackTraffic
from tasks.maintenance import DisableMaintenance, EnableMaintenance
from tests.contract.acts_support import Acts
from tests.contract.fake_cloud_run import Entry, FakeCloudRun
from tests.contract.fake_cloud_run_servers import Line, serving
from tests.contract.simulator_support import SERVICE, Simulated, end_operations, quick
from tests.patience import HUNG, until
from tests.unit.fakes_context import FakeRecord, a_service

C = TypeVar("C", bound=Client)

PROJECT, REGION, NAME = "vintstreet-prod", "us-central1", "vintstreet"
OLDER, GOOD, BAD, FIX = f"{NAME}-1", f"{NAME}-2", f"{NAME}-3", f"{NAME}-4"
ALL_LATEST: list[Entry] = [(None, 100, "")]


@dataclass(frozen=True)
class Setting:
    """Cloud Run at the start of a case."""

    revisions: dict[str, bool] = field(default_factory=lambda: {OLDER: True, GOOD: True, BAD: True})
    """The revisions, oldest first, and whether each is ready."""
    traffic: list[Entry] = field(default_factory=lambda: list(ALL_LATEST))
    seen: tuple[str, ...] = (OLDER, GOOD)
    """The revisions that our own record saw healthy with all users, oldest first."""
    elsewhere: dict[tuple[str, str], dict[str, bool]] = field(default_factory=dict[tuple[str, str], dict[str, bool]])
    """Other services by region and name, with their revisions; all traffic is on the latest."""
    operation_takes: float = 0.05
    serves_after: float = 0.0
    deadline: timedelta = timedelta(seconds=HUNG)
    """How long an act's change may take to show."""
    service: dict[str, Any] = field(default_factory=dict[str, Any])
    options: dict[str, str] = field(default_factory=dict[str, str])
    """What differs in systems.yaml, for the service and for the system."""


class Stage(Protocol):
    """A Cloud Run that a test inspects directly, and what other people do to it."""

    client: CloudRun
    path: str

    def serving(self, path: str = "") -> dict[str, int]:
        """Return where users are sent, by the service of that full name if one is named."""
        ...

    def asked(self) -> list[Entry]:
        """Return the configured traffic."""
        ...

    def writes(self) -> int:
        """Return how many writes were accepted, of all services."""
        ...

    def deploy(self, name: str) -> None:
        """Deploy, as another person."""
        ...

    def redirect(self, traffic: list[Entry]) -> None:
        """Move the traffic, as another person."""
        ...

    def label(self) -> None:
        """Edit a part that does not concern traffic, as another person."""
        ...

    def spoil(self, name: str) -> None:
        """Make a revision stop being ready."""
        ...

    def forbid(self) -> None:
        """Take away our permission to write."""
        ...

    def delete(self, name: str) -> None:
        """Delete a revision."""
        ...

    def before_write(self, do: Callable[[], None]) -> None:
        """Call `do` between our last read and our write."""
        ...

    def during(self, do: Callable[[], None]) -> None:
        """Call `do` while our operation runs."""
        ...

    def lose_answer(self) -> None:
        """Make the next write take effect and lose its answer."""
        ...

    def fail(self, method: str, code: str, times: int = 1000) -> None:
        """Make the next calls of a method, as `ListRevisions`, fail with a canonical code."""
        ...

    def failures_left(self, method: str) -> int:
        """Return how many of the failures of a method that `fail` began no call has met yet."""
        ...

    def recover(self) -> None:
        """End every failure that `fail` began."""
        ...

    def end_rollouts(self) -> None:
        """End every rollout now, as its operation would later."""
        ...


class OnFake:
    """The tests' own fake, behind a network connection."""

    def __init__(self, setting: Setting, fake: FakeCloudRun, line: Line, client: CloudRun) -> None:
        self.fake, self.line, self.client = fake, line, client
        self.path = fake.add(REGION, NAME, setting.revisions, setting.traffic)
        for (region, name), revisions in setting.elsewhere.items():
            fake.add(region, name, revisions, ALL_LATEST)
        self.deploy = lambda name: fake.deploy(self.path, name)
        self.redirect = lambda traffic: fake.redirect(self.path, traffic)
        self.label = lambda: fake.label(self.path)
        self.spoil = lambda name: fake.spoil(self.path, name)
        self.delete = lambda name: fake.delete(self.path, name)
        self.forbid = lambda: fake.permissions.discard("run.services.update")
        self.before_write, self.during = fake.before_write.append, fake.after_write.append
        self.lose_answer, self.end_rollouts = line.lose_answer, fake.end_operations

    def fail(self, method: str, code: str, times: int = 1000) -> None:
        """Make the next calls of a method fail with a canonical code."""
        self.line.faults.setdefault(method, []).extend([code] * times)

    def failures_left(self, method: str) -> int:
        """Return how many of the failures of a method that `fail` began no call has met yet."""
        return len(self.line.faults.get(method, []))

    def recover(self) -> None:
        """End every failure that `fail` began."""
        self.line.faults.clear()

    def serving(self, path: str = "") -> dict[str, int]:
        """Return where users are sent, by the service of that full name if one is named."""
        return self.fake.serving(path or self.path)

    def asked(self) -> list[Entry]:
        """Return the configured traffic."""
        return self.fake.asked(self.path)

    def writes(self) -> int:
        """Return how many writes were accepted, of all services."""
        return len(self.fake.updates)


_KINDS = {
    "UNAVAILABLE": "unavailable",
    "RESOURCE_EXHAUSTED": "rate_limited",
    "INTERNAL": "server_error",
    "PERMISSION_DENIED": "permission_denied",
    "UNAUTHENTICATED": "unauthenticated",
    "ALREADY_EXISTS": "already_exists",
}
"""Canonical code -> the simulator's fault."""


class OnSimulator:
    """The simulated production; other people act while one of its faults delays a call."""

    def __init__(self, sim: Simulated, client: CloudRun) -> None:
        self.sim, self.client, self.path = sim, client, SERVICE
        self.tasks: list[asyncio.Task[None]] = []

    def serving(self, path: str = "") -> dict[str, int]:
        """Return where users are sent, by the service of that full name if one is named."""
        return next(
            site
            for site in self.sim.world.regional_services
            if full_name(site.region, site.name) == (path or self.path)
        ).serving()

    def asked(self) -> list[Entry]:
        """Return the configured traffic."""
        return [(one.revision, one.percent, one.tag) for one in self.sim.world.service.state.traffic]

    def writes(self) -> int:
        """Return how many writes were accepted, of all services."""
        return sum(len(site.service.operations) for site in self.sim.world.regional_services)

    def deploy(self, name: str) -> None:
        """Deploy, as another person."""
        self.sim.world.deploy(RevisionSpec(name=name), by="another person")

    def redirect(self, traffic: list[Entry]) -> None:
        """Move the traffic, as another person."""
        self.sim.world.redirect(_specs(traffic), by="another person")

    def label(self) -> None:
        """Edit a part that does not concern traffic, as another person."""
        self.sim.world.service.touch()

    def spoil(self, name: str) -> None:
        """Make a revision stop being ready."""
        revisions = self.sim.world.service.revisions
        revisions[name] = replace(revisions[name], ready=False, not_ready_because="It was evicted.")

    def delete(self, name: str) -> None:
        """Delete a revision."""
        revisions = self.sim.world.service.revisions
        revisions[name] = replace(revisions[name], deleted_at=utc_now())

    def forbid(self) -> None:
        """Take away our permission to write."""
        self.sim.world.scenario.permissions.remove("run.services.update")

    def before_write(self, do: Callable[[], None]) -> None:
        """Call `do` between our last read and our write."""
        faults = self.sim.world.faults
        faults.set(Fault(api="cloud_run", method="UpdateService", kind="slow", seconds=0.1))
        self._when(lambda: all(one.kind != "slow" for one in faults.waiting()), do)

    def during(self, do: Callable[[], None]) -> None:
        """Call `do` while our operation runs."""
        self._when(lambda: self.sim.world.service.state.reconciling, do)

    def lose_answer(self) -> None:
        """Make the next write take effect and lose its answer."""
        self.sim.world.faults.set(Fault(api="cloud_run", method="UpdateService", kind="answer_lost"))

    def fail(self, method: str, code: str, times: int = 1000) -> None:
        """Make the next calls of a method fail with a canonical code."""
        fault = Fault.model_validate({"api": "cloud_run", "method": method, "kind": _KINDS[code], "times": times})
        self.sim.world.faults.set(fault)

    def failures_left(self, method: str) -> int:
        """Return how many of the failures of a method that `fail` began no call has met yet."""
        return sum(one.times for one in self.sim.world.faults.waiting() if one.method == method)

    def recover(self) -> None:
        """End every failure that `fail` began."""
        self.sim.world.faults.clear()

    def end_rollouts(self) -> None:
        """End every rollout now, as its operation would later."""
        end_operations(self.sim)

    def _when(self, true: Callable[[], bool], do: Callable[[], None]) -> None:
        async def wait() -> None:
            await until(true)
            do()

        self.tasks.append(asyncio.create_task(wait()))


Scene = Callable[..., Awaitable[tuple[Stage, Acts]]]
"""Opens a stage as a `Setting` describes it, with an incident on it."""


def full_name(region: str, name: str) -> str:
    """Return the full name of a service in Cloud Run."""
    return f"projects/{PROJECT}/locations/{region}/services/{name}"


def _revisions(known: dict[str, bool]) -> list[RevisionSpec]:
    """Return the revisions as in a scenario, one hour apart."""
    return [
        RevisionSpec.model_validate({"name": name, "ready": ready, "age": f"{len(known) - number}h"})
        for number, (name, ready) in enumerate(known.items())
    ]


def _specs(traffic: list[Entry]) -> list[TrafficSpec]:
    return [TrafficSpec(revision=name or "latest", percent=percent, tag=tag) for name, percent, tag in traffic]


def _client(address: str, transport: str, setting: Setting) -> CloudRun:
    options = {"project": PROJECT, "region": REGION, "transport": transport} | setting.options
    return CloudRun.connect(Access(name="cloud_run", endpoint=address, options=options, simulated=True))


@asynccontextmanager
async def _on_fake(transport: str, setting: Setting) -> AsyncGenerator[Stage]:
    fake = FakeCloudRun(operation_seconds=setting.operation_takes, serves_after=setting.serves_after)
    async with serving(fake, transport) as line:
        yield OnFake(setting, fake, line, _client(line.address, transport, setting))


@asynccontextmanager
async def _on_simulator(transport: str, setting: Setting) -> AsyncGenerator[Stage]:
    others = [
        OtherServiceSpec(region=region, service=name, revisions=_revisions(known))
        for (region, name), known in setting.elsewhere.items()
    ]
    scenario = quick(
        "healthy",
        revisions=_revisions(setting.revisions),
        traffic=_specs(setting.traffic),
        other_services=others,
        outbreak=None,
        users=UsersSpec(per_second=1),
        operation_takes=timedelta(seconds=setting.operation_takes),
        traffic_lags=timedelta(seconds=setting.serves_after),
        permissions=list(quick("healthy").permissions),
    )
    async with Simulated(scenario) as sim:
        address = sim.endpoints["cloud_run_grpc" if transport == "grpc" else "cloud_run"]
        stage = OnSimulator(sim, _client(address, transport, setting))
        yield stage
        await asyncio.gather(*stage.tasks)


@asynccontextmanager
async def staged(where: str, transport: str, setting: Setting) -> AsyncGenerator[Stage]:
    """Yield the stage `where` (`simulator` or `fake`), with our client connected over `transport`."""
    async with (_on_fake if where == "fake" else _on_simulator)(transport, setting) as stage:
        try:
            yield stage
        finally:
            await stage.client.close()


# --- an act from proposal to outcome ------------------------------------------------------------------------


class CompanyContext:
    """A context with one service, `shop`, and the stage's client."""

    def __init__(self, client: Any, record: FakeRecord, **service: Any) -> None:
        self._client = client
        self.record = record
        self.links: Links = NoLinks()
        self.clock: Clock = utc_now
        self.zone: tzinfo = UTC
        self._service = a_service(**({"cloud_run": NAME} | service))

    def service(self, name: str) -> Service:  # noqa: ARG002 - the port
        """Return the service."""
        return self._service

    def client(self, vendor: type[C]) -> C:
        """Return the client; raises ConfigError for any other vendor."""
        if vendor is not CloudRun:
            raise ConfigError(f"systems.yaml has no `{vendor.system}`.", "Add it.")
        found: Any = self._client
        return found


def _seen(stage: Stage, setting: Setting) -> FakeRecord:
    seen = [
        Baseline(resource=f"traffic:{stage.path}", revision=name, at=utc_now(), noted_by="a test")
        for name in setting.seen
    ]
    return FakeRecord(*seen)


def acts_on(stage: Stage, folder: Path, setting: Setting) -> Acts:
    """Return an incident whose acts are carried out on the stage; without a kind, an act is a rollback of traffic."""
    context = CompanyContext(stage.client, _seen(stage, setting), **setting.service)
    kinds: list[type[Any]] = [RollbackTraffic, RestoreLatest, EnableMaintenance, DisableMaintenance, Revisions]
    return Acts(folder, context, kinds, {"service": "shop"}, setting.deadline)
