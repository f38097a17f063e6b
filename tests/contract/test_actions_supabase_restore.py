"""Restoring a database to a point in time against the simulated project: its proof, its undo, and every fault."""

# ruff: noqa: ANN401 - what is handed on to any action

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typing_extensions import override

from allclear.domain.action import ActStatus, Outcome, Verdict
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, NotFound, Refused, VendorRefused
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.actions.write_retries import Write
from allclear.simulator.scenario_schema import MigrationSpec, OutbreakSpec, SupabaseSpec, Trouble
from tasks.maintenance_handle import MaintenanceHandle
from tasks.service_params import ServiceParams
from tasks.supabase.database import Database
from tasks.supabase.handles import SupabaseProjectHandle
from tasks.supabase.restore import RestoreParams, RestoreToPoint
from tasks.supabase.state import DatabaseState
from tests.contract.actions_support import (
    READ_TROUBLES,
    SimulatedContext,
    carried_out,
    dumped,
    each_write_fault,
    production,
    undone,
    worked_out,
)
from tests.contract.simulator_support import Simulated, control, fault, quick, recorded

REF = "abcdefghijklmnopqrst"
SERVICE = "storefront"
API = "supabase_management"
MIGRATION = MigrationSpec(
    version="20261128140000", name="split_orders", faults=[Trouble(path="/api/checkout", error_rate=1.0)]
)


class QuickRestore(RestoreToPoint):
    """Restores as the action does, and waits no longer than a simulated restore takes."""

    begins_within = timedelta(milliseconds=100)
    point_within = timedelta(milliseconds=100)


@asynccontextmanager
async def migrated(
    *, closed: bool = True, points: bool = True, **spec: Any
) -> AsyncGenerator[tuple[Simulated, SimulatedContext, str]]:
    """Run VintStreet's production after a bad migration, and yield the last good second too."""
    supabase = SupabaseSpec.model_validate({"ref": REF, "restore_takes": "60ms", **spec})
    scenario = quick("healthy", supabase=supabase, outbreak=OutbreakSpec(migrate=MIGRATION), breaks_after=None)
    handle = SupabaseProjectHandle(ref=REF, restore_points=points)
    mode = MaintenanceHandle(flag="maintenance_mode", revision_tag="maintenance")
    async with production(scenario, supabase_project=handle, maintenance=mode) as (sim, context):
        if closed:
            traffic = [{"revision": "vintstreet-00030-mnt", "percent": 100, "tag": "maintenance"}]
            await control(sim, "POST", "/traffic", {"traffic": traffic})
        # A point is a whole second: what ran in the same one must not count as before it.
        good = utc_now().replace(microsecond=0) - timedelta(seconds=1)
        sim.world.break_now()
        yield sim, context, good.isoformat()


async def issued(action: RestoreToPoint, to: str, within: float = 2.0) -> Outcome:
    """Carry an act out with the executor's own write, and return its outcome."""
    params, change = await worked_out(action, service=SERVICE, to=to)
    change = change.model_copy(update={"deadline": timedelta(seconds=within)})
    return await Write(LoadedAct(action, params, change), change, "VS-1/resolve/restore").issue()


async def test_the_database_goes_back_and_its_new_timeline_proves_it() -> None:
    """A restore point comes first; the migration is gone, and people read before what is lost."""
    async with migrated() as (sim, context, good):
        done = await carried_out(RestoreToPoint(context), service=SERVICE, to=good)
        assert done.finding.verdict is Verdict.SUCCESS
        assert "all its services are healthy: the database is in a new timeline" in done.finding.sentence
        assert sim.world.database.ran == []
        assert [one["method"] for one in recorded(sim, "write", api=API)] == ["mark", "restore"]
        point = datetime.fromisoformat(good)
        assert f"Everything that was written after {point:%Y-%m-%d %H:%M:%S} UTC is lost" in done.change.risk
        for words in ("until now", "comes back", "pg_cron", "is down until it ends", "every user of storefront"):
            assert words in done.change.risk
        assert "the database as it was at" in done.change.after.in_words()
        assert sim.secrets[API] not in dumped(done)


async def test_undo_returns_to_the_restore_point() -> None:
    """What was written between the point and the restore is there again, the migration too."""
    async with migrated() as (sim, context, good):
        action = RestoreToPoint(context)
        done = await carried_out(action, service=SERVICE, to=good)
        back = await undone(action, done)
        assert back.finding.verdict is Verdict.SUCCESS
        assert f"back at the restore point {done.change.after.kept_as}" in back.finding.sentence
        assert [one.spec.name for one in sim.world.database.ran] == ["split_orders"]
        with pytest.raises(Refused, match="cannot be undone"):
            action.undo(back.params, back.change, back.after)


async def test_without_restore_points_people_read_that_it_cannot_be_undone() -> None:
    """None is asked for, and the undo is refused with a command for another time."""
    async with migrated(points=False, restore_points=False) as (sim, context, good):
        action = RestoreToPoint(context)
        done = await carried_out(action, service=SERVICE, to=good)
        assert [one["method"] for one in recorded(sim, "write", api=API)] == ["restore"]
        assert done.change.undo.startswith("Cannot be undone")
        with pytest.raises(Refused, match="No restore point was made"):
            action.undo(done.params, done.change, done.after)


async def test_nothing_is_restored_if_the_restore_point_cannot_be_made() -> None:
    """The plan of the project has none, although systems.yaml says so: the approved undo would be a lie."""
    async with migrated(restore_points=False) as (sim, context, good):
        outcome = await issued(QuickRestore(context), good)
        assert (outcome.status, outcome.changed) == (ActStatus.FAILED, False)
        assert "Restore points are not available on this plan" in outcome.sentence
        assert "Nothing was restored" in outcome.sentence
        assert recorded(sim, "write", api=API, method="restore") == []


@pytest.mark.parametrize("kind", ["answer_lost", "cut_off", "login_page", "ignored"])
async def test_a_restore_point_without_a_clear_answer_is_looked_for(kind: str) -> None:
    """If it is there, the restore goes on; if not, nothing is restored."""
    async with migrated() as (sim, context, good):
        await fault(sim, API, "mark", kind)
        outcome = await issued(QuickRestore(context), good)
        made = kind in ("answer_lost", "cut_off")
        assert outcome.status is (ActStatus.VERIFIED if made else ActStatus.FAILED)
        assert bool(recorded(sim, "write", api=API, method="restore")) is made
        if not made:
            assert "did not make the restore point" in outcome.sentence
            assert "nothing was restored" in outcome.sentence


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("", "No point in time was named"),
        ("yesterday", "'yesterday' is not a day and a time"),
        ("2999-01-01 00:00 UTC", "has not come yet"),
        ("2001-01-01 00:00:00 UTC", "cannot be restored: abcdefghijklmnopqrst can go back to a time from"),
    ],
)
async def test_a_time_that_cannot_be_restored_is_named_and_another_can_be_typed(to: str, words: str) -> None:
    """Nothing is written; people type another time in the incident."""
    async with migrated() as (sim, context, _):
        with pytest.raises(Refused, match=words) as refused:
            await worked_out(RestoreToPoint(context), service=SERVICE, to=to)
        assert refused.value.typed == "Day and time, as 2026-11-22 14:30:00 UTC"
        assert refused.value.next_step
        assert recorded(sim, "write", api=API) == []


async def test_a_project_without_point_in_time_recovery_is_said_plainly() -> None:
    """No other time helps, so none is asked for."""
    async with migrated(point_in_time=False) as (_, context, good):
        with pytest.raises(Refused, match="Point-in-time recovery of abcdefghijklmnopqrst is off") as refused:
            await worked_out(RestoreToPoint(context), service=SERVICE, to=good)
        assert refused.value.typed == ""
        assert "daily backup" in refused.value.next_step


async def test_a_project_without_a_backup_yet_is_said_plainly() -> None:
    """Point-in-time recovery was switched on a moment ago: the vendor shows no window."""
    async with migrated() as (_, context, good):
        action = RestoreToPoint(context)
        params = RestoreParams(service=SERVICE, to=good)
        state = await action.observe(params)
        with pytest.raises(Refused, match="Supabase has no backup of abcdefghijklmnopqrst yet") as refused:
            action.plan(params, state.model_copy(update={"earliest": None, "latest": None}))
        assert refused.value.typed == ""


async def test_maintenance_comes_first_and_by_what_the_restore_does_not_take_back() -> None:
    """The refusal names the command, with the revision: the flag stands in the database itself."""
    async with migrated(closed=False) as (sim, context, good):
        action = RestoreToPoint(context)
        params, change = await worked_out(action, service=SERVICE, to=good)
        [refusal] = await action.precheck(params, change)
        assert refusal.sentence == "storefront is open: users would write while its database is restored."
        assert "maintenance.enable service=storefront by=revision" in refusal.next_step
        await control(sim, "POST", "/flags", {"name": "maintenance_mode", "enabled": True})
        assert await action.precheck(params, change) == [refusal]
        context.services[SERVICE] = context.services[SERVICE].model_copy(
            update={"maintenance": MaintenanceHandle(flag="maintenance_mode")}
        )
        [warning] = await action.precheck(params, change)
        assert warning.warning
        assert "it goes back too" in warning.sentence


async def test_another_restore_since_the_proposal_stops_it() -> None:
    """Under way it is drift; over, the timeline tells."""
    async with migrated() as (sim, context, good):
        action = QuickRestore(context)
        params, change = await worked_out(action, service=SERVICE, to=good)
        sim.world.database.status = "RESTORING"
        now = await action.observe(params)
        assert now.matters() != change.before.matters()
        assert not action.target_reached(change, now)
        with pytest.raises(Refused, match="was restored meanwhile"):
            await action.apply(params, change, "key")
        sim.world.database.status, sim.world.database.timeline = "ACTIVE_HEALTHY", 2
        refusals = await action.precheck(params, change.model_copy(update={"before": await action.observe(params)}))
        assert "was restored since this was proposed" in refusals[0].sentence
        assert recorded(sim, "write", api=API) == []


async def test_a_second_attempt_keeps_the_restore_point_of_the_first() -> None:
    """Made again after a restore had begun, it would hold the restored data, and undo would return to that."""
    async with migrated() as (sim, context, good):
        action = QuickRestore(context)
        params, change = await worked_out(action, service=SERVICE, to=good)
        await fault(sim, API, "restore", "rate_limited", times=10)
        with pytest.raises(VendorRefused, match="is limiting our requests"):
            await action.apply(params, change, "key")
        first = dict(sim.world.database.points)
        sim.world.faults.clear()
        await action.apply(params, change, "key")
        assert sim.world.database.points == first
        assert len(recorded(sim, "write", api=API, method="mark")) == 1


async def test_a_restore_that_begins_while_the_restore_point_is_made_stops_ours() -> None:
    """A restore point may take minutes, in which another person may have started a restore."""

    class Overtaken(QuickRestore):
        @override
        async def _keep(self, ref: str, name: str) -> None:
            await super()._keep(ref, name)
            sim.world.database.timeline += 1

    async with migrated() as (sim, context, good):
        action = Overtaken(context)
        params, change = await worked_out(action, service=SERVICE, to=good)
        with pytest.raises(Refused, match="was restored meanwhile"):
            await action.apply(params, change, "key")
        assert recorded(sim, "write", api=API, method="restore") == []


@pytest.mark.parametrize("status", ["INACTIVE", "RESTORE_FAILED"])
async def test_a_project_that_cannot_take_a_restore_is_refused(status: Any) -> None:
    """The state is named as Supabase names it, with the address where people see more."""
    async with migrated() as (sim, context, good):
        action = RestoreToPoint(context)
        sim.world.database.status = status
        params, change = await worked_out(action, service=SERVICE, to=good)
        refusals = await action.precheck(params, change)
        assert refusals[0].sentence == f"{REF} cannot be restored now: its status is {status}."
        assert f"supabase.com/dashboard/project/{REF}" in refusals[0].next_step


async def test_a_database_that_is_down_can_be_restored() -> None:
    """Its timeline cannot be read before; that Supabase was seen restoring it, and what was replayed, prove it."""
    async with migrated() as (sim, context, good):
        sim.world.database.go_down()
        done = await carried_out(RestoreToPoint(context), service=SERVICE, to=good)
        assert done.finding.verdict is Verdict.SUCCESS
        assert "Supabase was seen restoring it" in done.finding.sentence


@each_write_fault("restore", any_answer=True)
async def test_each_fault_of_the_write_has_its_sentence(kind: str, error: type[AllclearError], words: str) -> None:
    """A refusal changed nothing; everything else may have taken effect."""
    async with migrated(points=False) as (sim, context, good):
        action = QuickRestore(context)
        params, change = await worked_out(action, service=SERVICE, to=good)
        await fault(sim, API, "restore", kind, times=10)
        with pytest.raises(error, match=words):
            await action.apply(params, change, "key")


@pytest.mark.parametrize(
    ("kind", "status", "restored"),
    [
        ("answer_lost", ActStatus.VERIFIED, True),
        ("cut_off", ActStatus.VERIFIED, True),
        ("other_shape", ActStatus.VERIFIED, True),
        ("unavailable", ActStatus.INDETERMINATE, False),
        ("ignored", ActStatus.UNVERIFIED, False),
        ("permission_denied", ActStatus.FAILED, False),
    ],
)
async def test_the_outcome_says_what_a_read_has_proven(kind: str, status: ActStatus, restored: bool) -> None:  # noqa: FBT001
    """A lost answer is settled by reading, and sent once. A vendor that accepts and does nothing restores nothing."""
    async with migrated(points=False) as (sim, context, good):
        await fault(sim, API, "restore", kind)
        outcome = await issued(QuickRestore(context), good, within=2.0 if restored else 0.3)
        assert (outcome.status, sim.world.database.timeline == 2) == (status, restored)
        assert len(recorded(sim, "write", api=API, method="restore")) == 1


async def test_a_restore_that_supabase_reports_as_failed_is_never_verified() -> None:
    """It is reported at once, and not only when the hour is over."""
    async with migrated(points=False) as (sim, context, good):
        sim.world.database.fails_restore = True
        outcome = await issued(QuickRestore(context), good, within=60)
        assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
        assert "RESTORE_FAILED" in outcome.sentence


async def test_a_restore_to_another_time_is_not_success() -> None:
    """The database itself says until when it was replayed."""
    async with migrated(points=False) as (_, context, good):
        action = RestoreToPoint(context)
        done = await carried_out(action, service=SERVICE, to=good)
        later = done.after.model_copy(update={"replayed_until": utc_now() + timedelta(hours=1)})
        finding = action.verify(done.change, later, done.receipt)
        assert (finding.verdict, finding.final) == (Verdict.INCONCLUSIVE, True)
        assert "and not to" in finding.sentence


@pytest.mark.parametrize("trouble", READ_TROUBLES)
async def test_a_read_that_fails_has_a_sentence_and_a_next_step_and_nothing_is_written(trouble: str) -> None:
    """An answer that is cut off or of another shape is never taken for an empty one."""
    async with migrated() as (sim, context, good):
        await fault(sim, API, "*", trouble, times=50)
        with pytest.raises(AllclearError) as failed:
            await worked_out(RestoreToPoint(context), service=SERVICE, to=good)
        assert failed.value.message.endswith(".")
        assert "Supabase" in failed.value.message
        assert failed.value.next_step
        found = await Database(context).check(ServiceParams(service=SERVICE))
        assert (found.verdict, "Supabase" in found.sentence) == (Verdict.INCONCLUSIVE, True)
        assert recorded(sim, "write", api=API) == []


async def test_a_project_that_does_not_exist_is_named() -> None:
    """The next step is systems.yaml."""
    async with migrated() as (_, context, good):
        context.services[SERVICE] = context.services[SERVICE].model_copy(
            update={"supabase_project": SupabaseProjectHandle(ref="nosuchprojectanywher")}
        )
        with pytest.raises(NotFound, match="nosuchprojectanywher") as error:
            await worked_out(RestoreToPoint(context), service=SERVICE, to=good)
        assert "systems.yaml" in error.value.next_step


async def test_the_probe_shows_health_the_last_migration_and_the_window() -> None:
    """Evidence for the people who name the point."""
    async with migrated() as (sim, context, _):
        probe = Database(context)
        found = await probe.check(ServiceParams(service=SERVICE))
        assert found.verdict is Verdict.SUCCESS
        assert f"{REF} is healthy. The last migration is 20261128140000 split_orders." in found.sentence
        assert "It can be restored to a time from" in found.sentence
        sim.world.database.go_down()
        found = await probe.check(ServiceParams(service=SERVICE))
        assert found.verdict is Verdict.FAILURE
        assert "is not healthy: its status is ACTIVE_UNHEALTHY" in found.sentence


async def test_the_approval_covers_the_point_and_nothing_that_changes_by_itself() -> None:
    """Another second is another change; the window that moves on is none of its concern."""
    async with migrated() as (_, context, good):
        action = RestoreToPoint(context)
        _, one = await worked_out(action, service=SERVICE, to=good)
        _, again = await worked_out(action, service=SERVICE, to=good)
        earlier = (datetime.fromisoformat(good) - timedelta(seconds=30)).astimezone(UTC).isoformat()
        _, other = await worked_out(action, service=SERVICE, to=earlier)
        assert one.digest == again.digest != other.digest
        assert isinstance(one.after, DatabaseState)
        assert len(one.after.kept_as) <= 20
