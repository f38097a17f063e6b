"""For any traffic: what is written adds up to 100 % and keeps every tag, and an undo restores or refuses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from allclear.domain.action import AnyAction, Change
from allclear.domain.baseline import Baseline
from allclear.domain.errors import Refused
from allclear.vendors.cloud_run.views import OperationResult, RunRevision, RunService, Traffic
from tasks.cloud_run.restore_latest import RestoreLatest
from tasks.cloud_run.rollback import RollbackTraffic
from tasks.maintenance import DisableMaintenance, EnableMaintenance
from tasks.maintenance_handle import MaintenanceHandle
from tests.contract.cloud_run_stages import CompanyContext
from tests.unit.fakes_context import FakeRecord
from tests.unit.tasks.cloud_run.test_previous_revision import made

NAMES = ("a", "b", "c", "d", "e")
KINDS: tuple[type[AnyAction], ...] = (RollbackTraffic, RestoreLatest, EnableMaintenance, DisableMaintenance)


@dataclass
class InMemoryCloudRun:
    """The part of the Cloud Run client that actions use, in memory: what is written serves at once."""

    ready: list[RunRevision]
    traffic: tuple[Traffic, ...]
    region: str = "us-central1"
    project: str = "vintstreet-prod"
    version: int = 1
    written: list[tuple[Traffic, ...]] = field(default_factory=list[tuple[Traffic, ...]])

    @property
    def latest(self) -> str:
        """Return the latest ready revision."""
        return max((r for r in self.ready if r.ready), key=lambda r: r.created).name

    def at(self, region: str) -> InMemoryCloudRun:
        """Return itself, because it has one region."""
        assert region == self.region
        return self

    def path(self, service: str) -> str:
        """Return a name."""
        return f"projects/p/locations/{self.region}/services/{service}"

    async def service(self, service: str) -> RunService:
        """Return the service at rest."""
        serving: dict[str, int] = {}
        for entry in self.traffic:
            if entry.percent:
                name = entry.revision or self.latest
                serving[name] = serving.get(name, 0) + entry.percent
        return RunService(
            path=self.path(service),
            etag=str(self.version),
            generation=self.version,
            observed_generation=self.version,
            reconciling=False,
            succeeded=True,
            routed=True,
            latest_ready=self.latest,
            latest_created=self.latest,
            traffic=self.traffic,
            serving=serving,
        )

    async def revisions(self, service: str) -> tuple[RunRevision, ...]:  # noqa: ARG002 - the client's
        """Return the revisions, the newest first."""
        return tuple(sorted(self.ready, key=lambda revision: revision.created, reverse=True))

    async def may(self, service: str, permission: str) -> bool:  # noqa: ARG002 - the client's
        """Allow everything."""
        return True

    async def set_traffic(self, service: str, traffic: tuple[Traffic, ...], etag: str) -> str:  # noqa: ARG002
        """Accept traffic that adds up to 100 %, against the newest etag."""
        assert etag == str(self.version)
        self.written.append(traffic)
        self.traffic, self.version = traffic, self.version + 1
        return "operation"

    async def finished(self, operation: str, within: timedelta) -> OperationResult:  # noqa: ARG002 - the client's
        """Return that the operation is done."""
        return OperationResult(done=True)


@st.composite
def cloud_runs(draw: st.DrawFn) -> InMemoryCloudRun:
    """Draw a service: revisions ready or not, any split of the traffic, any tags."""
    fit = draw(st.lists(st.booleans(), min_size=len(NAMES), max_size=len(NAMES)).filter(lambda some: sum(some) > 1))
    revisions = [made(name, 10 - n, ready=ready) for n, (name, ready) in enumerate(zip(NAMES, fit, strict=True))]
    may_serve = [*(r.name for r in revisions if r.ready), None]
    cuts = sorted(draw(st.sets(st.integers(1, 99), max_size=3)))
    shares = [high - low for low, high in zip([0, *cuts], [*cuts, 100], strict=True)]
    places = st.sampled_from(may_serve)
    tags = iter(draw(st.permutations(["one", "two", "three", "four", "five", "six"])))
    entries = [
        Traffic(revision=draw(places), percent=share, tag=next(tags) if draw(st.booleans()) else None)
        for share in shares
    ]
    entries += [Traffic(revision=draw(places), tag=next(tags)) for _ in range(draw(st.integers(0, 1)))]
    page = next(r.name for r in revisions if r.ready)
    entries.append(Traffic(revision=page, tag="maintenance"))
    return InMemoryCloudRun(ready=revisions, traffic=tuple(draw(st.permutations(entries))))


def _seen(run: InMemoryCloudRun) -> FakeRecord:
    """Return a record that saw each revision serve well, oldest first, so that a choice always exists."""
    resource = f"traffic:{run.path('vintstreet')}"
    return FakeRecord(
        *(Baseline(resource=resource, revision=r.name, at=r.created, noted_by="a test") for r in run.ready)
    )


def _tags(traffic: tuple[Traffic, ...]) -> dict[str, str | None]:
    return {entry.tag: entry.revision for entry in traffic if entry.tag}


def _percents(traffic: tuple[Traffic, ...]) -> dict[str | None, int]:
    found: dict[str | None, int] = {}
    for entry in traffic:
        if entry.percent:
            found[entry.revision] = found.get(entry.revision, 0) + entry.percent
    return found


async def _taken(action: AnyAction, run: InMemoryCloudRun, change: Change[object]) -> None:
    """Apply a change as the journal returns it, and assert the rules on what was written."""
    tags = _tags(run.traffic)
    kept = Change[action.state].model_validate(change.model_dump(mode="json"))
    await action.apply(action.params(service="shop"), kept, "VS-1/contain/one")
    written = run.written[-1]
    assert sum(entry.percent for entry in written) == 100
    assert all(0 <= entry.percent <= 100 for entry in written)
    assert all(entry.percent or entry.tag for entry in written)
    assert _tags(written) == tags
    assert sum(bool(entry.tag) for entry in written) == len(tags)


@settings(max_examples=150)
@given(cloud_runs(), st.sampled_from(KINDS), st.integers(0, 1))
def test_writes_add_up_and_keep_every_tag_and_undo_restores_or_refuses(
    run: InMemoryCloudRun, kind: type[AnyAction], deployments: int
) -> None:
    """For each action and any allocation, with or without a deployment in between."""
    action = kind(CompanyContext(run, _seen(run), maintenance=MaintenanceHandle(revision_tag="maintenance")))

    async def there_and_back() -> None:
        params = action.params(service="shop")
        at_first = run.traffic
        try:
            change = action.plan(params, await action.observe_for_plan(params))
        except Refused:
            return
        await _taken(action, run, change)
        assert action.verify(change, await action.observe(params), None).verdict == "success"
        run.ready += [made("z", 0)] * deployments
        run.version += deployments
        try:
            back = action.undo(params, change, await action.observe(params))
        except Refused:
            return
        await _taken(action, run, back)
        assert _percents(run.traffic) == _percents(at_first)

    asyncio.run(there_and_back())


@settings(max_examples=60)
@given(cloud_runs(), cloud_runs())
def test_an_undo_never_overwrites_later_traffic(run: InMemoryCloudRun, other: InMemoryCloudRun) -> None:
    """If the traffic was changed after the act, the undo refuses and writes nothing."""
    action = RollbackTraffic(CompanyContext(run, _seen(run)))

    async def meddled() -> None:
        params = action.params(service="shop")
        try:
            change = action.plan(params, await action.observe_for_plan(params))
        except Refused:
            return
        await _taken(action, run, change)
        if _percents(other.traffic) == _percents(run.traffic):
            return
        run.traffic = other.traffic
        try:
            action.undo(params, change, await action.observe(params))
        except Refused:
            assert len(run.written) == 1
            return
        raise AssertionError("the undo did not refuse")

    asyncio.run(meddled())
