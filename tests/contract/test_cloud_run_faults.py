"""Acts on the simulated Cloud Run with faults that only it has: late writes, stale reads, other writers, denials."""

# ruff: noqa: ANN401 - the fields of a fault

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from allclear.domain.action import ActStatus
from allclear.simulator.faults import Fault
from tests.contract.acts_support import Acts
from tests.contract.cloud_run_stages import BAD, GOOD, OLDER, OnSimulator, Setting, acts_on, staged


@asynccontextmanager
async def simulated(
    folder: Path, transport: str, setting: Setting | None = None
) -> AsyncGenerator[tuple[OnSimulator, Acts]]:
    """Yield a stage on the simulator and an incident on it."""
    chosen = setting or Setting()
    async with staged("simulator", transport, chosen) as stage:
        assert isinstance(stage, OnSimulator)
        acts = acts_on(stage, folder, chosen)
        yield stage, acts
        acts.journal.close()


def fault(stage: OnSimulator, kind: str, method: str = "UpdateService", **more: Any) -> None:
    """Make the next calls of a method meet a fault."""
    stage.sim.world.faults.set(Fault.model_validate({"api": "cloud_run", "method": method, "kind": kind} | more))


TRANSPORTS = pytest.mark.parametrize("transport", ["grpc", "rest"])


@TRANSPORTS
async def test_a_write_that_lands_late_is_found_and_not_made_twice(tmp_path: Path, transport: str) -> None:
    """Its answer is lost and it lands while the target is read: one write, proven, and ours to undo."""
    async with simulated(tmp_path, transport) as (stage, acts):
        act = await acts.approved()
        fault(stage, "lands_late", seconds=1.0)
        outcome = await acts.carried_out(act)
        assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, True, 1)
        assert stage.serving() == {GOOD: 100}
        assert acts.incident.in_place


@TRANSPORTS
async def test_a_second_write_that_conflicts_with_the_late_first_one_is_read_again(
    tmp_path: Path, transport: str
) -> None:
    """The first lands just before the second arrives, which gets ABORTED: the target is read, not given up."""
    async with simulated(tmp_path, transport) as (stage, acts):
        act = await acts.approved()
        fault(stage, "lands_late", seconds=6.0)
        fault(stage, "slow", seconds=3.0)
        outcome = await acts.carried_out(act)
        assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, True, 1)


@TRANSPORTS
async def test_stale_reads_after_a_lost_answer_are_waited_out(tmp_path: Path, transport: str) -> None:
    """They show the service before the write; the write is never made twice."""
    async with simulated(tmp_path, transport) as (stage, acts):
        act = await acts.approved()
        fault(stage, "answer_lost")
        stage.during(lambda: fault(stage, "stale_read", "GetService", times=14))
        outcome = await acts.carried_out(act)
        assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, True, 1)


@TRANSPORTS
async def test_another_client_that_keeps_writing_ends_it_after_three_tries_and_is_named(
    tmp_path: Path, transport: str
) -> None:
    """The service has a new version before each write. Nothing is proposed again by itself."""
    async with simulated(tmp_path, transport) as (stage, acts):
        act = await acts.approved()
        fault(stage, "stale_etag", times=16)
        outcome = await acts.carried_out(act)
        assert (outcome.status, outcome.drifted, stage.writes()) == (ActStatus.FAILED, False, 0)
        assert "another client keeps writing" in outcome.sentence
        assert "by engineer@vintstreet-prod.iam.gserviceaccount.com" in outcome.sentence
        assert sum(one.kind == "stale_etag" for one in stage.sim.world.faults.waiting()) == 1
        assert stage.sim.world.faults.waiting()[0].times == 13


@TRANSPORTS
async def test_a_missing_act_as_permission_is_named_with_its_account_and_role(tmp_path: Path, transport: str) -> None:
    """roles/run.developer would not help."""
    async with simulated(tmp_path, transport) as (stage, acts):
        act = await acts.approved()
        fault(stage, "act_as_denied")
        outcome = await acts.carried_out(act)
        assert (outcome.status, outcome.changed) == (ActStatus.FAILED, False)
        assert "roles/iam.serviceAccountUser" in outcome.next_step
        assert "123456789012-compute@developer.gserviceaccount.com" in outcome.next_step
        assert "roles/run.developer" not in outcome.next_step


@TRANSPORTS
async def test_who_moved_the_traffic_is_named(tmp_path: Path, transport: str) -> None:
    """In a refusal before the write, and in the outcome of an act whose target drifted."""
    async with simulated(tmp_path, transport) as (stage, acts):
        act = await acts.approved()
        stage.redirect([(OLDER, 100, "")])
        outcome = await acts.carried_out(act)
        assert "It was last changed by engineer@vintstreet-prod.iam.gserviceaccount.com" in outcome.sentence
        stage.redirect([(GOOD, 100, "")])
        refused = await acts.proposed()
        assert refused.outcome is not None
        assert f"the newer {BAD} is ready and gets none" in refused.outcome.sentence
        assert "The service was last changed by engineer@" in refused.outcome.sentence
