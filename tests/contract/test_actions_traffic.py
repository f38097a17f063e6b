"""Rolling back, restoring and maintenance by revision, against a simulated Cloud Run."""

from __future__ import annotations

import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import AnswerLost, Conflict, Denied, Refused
from allclear.vendors.cloud_run.client import CloudRun
from tasks.cloud_run.location import CloudRunParams
from tasks.cloud_run.restore_latest import RestoreLatest
from tasks.http_probes import SmokeTest
from tasks.maintenance import DisableMaintenance, EnableMaintenance
from tasks.maintenance_handle import MaintenanceHandle
from tests.contract.actions_support import (
    PatientRevisions,
    PatientRollback,
    carried_out,
    production,
    proven,
    undone,
    worked_out,
)
from tests.contract.simulator_support import BAD, GOOD, NOT_READY, SERVICE, control, fault, quick, recorded

PAGE = "vintstreet-00030-mnt"
BY_REVISION = MaintenanceHandle(revision_tag="maintenance")


async def test_a_rollback_goes_to_the_newest_ready_revision_and_ends_the_errors() -> None:
    """The deployment that never started is skipped, tags stay, and the smoke test passes again."""
    async with production(maintenance=BY_REVISION) as (sim, context):
        trouble = await SmokeTest(context).check(CloudRunParams(service="storefront"))
        done = await carried_out(PatientRollback(context), service="storefront")
        health = await SmokeTest(context).check(CloudRunParams(service="storefront"))
        assert trouble.verdict is Verdict.FAILURE
        assert done.finding.verdict is Verdict.SUCCESS
        assert sim.world.serving() == {GOOD: 100}
        assert health.verdict is Verdict.SUCCESS
        assert done.after.tagged("maintenance") == PAGE
        assert done.change.resource == f"traffic:{SERVICE}"
        assert BAD in done.change.summary
        assert GOOD in done.change.risk
        assert NOT_READY not in done.change.risk


async def test_a_rollback_that_is_applied_twice_is_written_once() -> None:
    """The second write has the etag of the first observation, so Cloud Run refuses it."""
    async with production() as (sim, context):
        action = PatientRollback(context)
        done = await carried_out(action, service="storefront")
        with pytest.raises(Conflict):
            await action.apply(done.params, done.change, "VS-1/contain/one")
        writes = recorded(sim, "write", api="cloud_run", result="done")
        assert len(writes) == 1
        assert action.target_reached(done.change, await action.observe(done.params))


async def test_a_second_rollback_to_previous_is_refused_before_it_goes_one_too_far() -> None:
    """The refusal says that the service seems to be rolled back already, and names the newer revision."""
    async with production() as (_, context):
        action = PatientRollback(context)
        await carried_out(action, service="storefront")
        params, change = await worked_out(action, service="storefront")
        refusals = await action.precheck(params, change)
        assert len(refusals) == 1
        assert BAD in refusals[0].sentence


async def test_undo_of_a_rollback_waits_for_the_fix() -> None:
    """Undo is refused while the latest revision is the bad one, and works once a fix is deployed."""
    async with production() as (sim, context):
        action = PatientRollback(context)
        done = await carried_out(action, service="storefront")
        with pytest.raises(Refused) as refused:
            action.undo(done.params, done.change, await action.observe(done.params))
        await control(sim, "POST", "/deploy", {"revision": "vintstreet-00043-fix"})
        back = await undone(action, done)
        assert refused.value.next_step.startswith("Deploy the fix first, then undo.")
        assert "cloud_run.restore_latest service=storefront" in refused.value.next_step
        assert back.finding.verdict is Verdict.SUCCESS
        assert sim.world.serving() == {"vintstreet-00043-fix": 100}


async def test_undo_of_a_rollback_refuses_after_another_person_moved_the_traffic() -> None:
    """The other person's traffic is not overwritten."""
    async with production() as (sim, context):
        action = PatientRollback(context)
        done = await carried_out(action, service="storefront")
        other = [{"revision": "vintstreet-00040-kip", "percent": 100}]
        await control(sim, "POST", "/traffic", {"traffic": other})
        with pytest.raises(Refused, match="changed since"):
            action.undo(done.params, done.change, await action.observe(done.params))


async def test_restore_latest_sends_users_to_new_deployments_and_can_be_undone() -> None:
    """After the fix the latest revision serves; undo pins the service again."""
    async with production() as (sim, context):
        await carried_out(PatientRollback(context), service="storefront")
        await control(sim, "POST", "/deploy", {"revision": "vintstreet-00043-fix"})
        action = RestoreLatest(context)
        done = await carried_out(action, service="storefront")
        served = dict(sim.world.serving())
        await undone(action, done)
        assert served == {"vintstreet-00043-fix": 100}
        assert sim.world.serving() == {GOOD: 100}


@pytest.mark.parametrize("name", ["vintstreet-00099-abc", NOT_READY, PAGE])
async def test_a_target_that_cannot_serve_is_refused_with_those_that_can(name: str) -> None:
    """Unknown, not ready and the maintenance page are each refused, and the next step names candidates."""
    async with production(maintenance=BY_REVISION) as (_, context):
        with pytest.raises(Refused, match="cannot serve") as refused:
            await worked_out(PatientRollback(context), service="storefront", to=name)
        assert GOOD in refused.value.next_step


async def test_a_named_target_may_be_given_by_its_full_path() -> None:
    """Cloud Run's own long name works as well as the short one."""
    async with production() as (sim, context):
        await carried_out(
            PatientRollback(context), service="storefront", to=f"{SERVICE}/revisions/vintstreet-00040-kip"
        )
        assert sim.world.serving() == {"vintstreet-00040-kip": 100}


async def test_a_missing_permission_is_found_before_anything_is_written() -> None:
    """The precheck asks Cloud Run for the permission; the write itself would be Denied."""
    scenario = quick(permissions=["run.services.get", "run.revisions.list", "monitoring.timeSeries.list"])
    async with production(scenario) as (_, context):
        action = PatientRollback(context)
        params, change = await worked_out(action, service="storefront")
        refusals = await action.precheck(params, change)
        assert ["run.services.update" in refusal.sentence for refusal in refusals] == [True]
        with pytest.raises(Denied):
            await action.apply(params, change, "key")


async def test_another_write_in_between_is_a_conflict() -> None:
    """A stale etag changes nothing."""
    async with production() as (sim, context):
        action = PatientRollback(context)
        params, change = await worked_out(action, service="storefront")
        await fault(sim, "cloud_run", "UpdateService", "stale_etag")
        with pytest.raises(Conflict):
            await action.apply(params, change, "key")
        assert sim.world.serving() == {BAD: 100}


async def test_after_a_lost_answer_the_next_read_proves_the_write() -> None:
    """The write took effect although its answer never came."""
    async with production() as (sim, context):
        action = PatientRollback(context)
        params, change = await worked_out(action, service="storefront")
        await fault(sim, "cloud_run", "UpdateService", "answer_lost")
        with pytest.raises(AnswerLost):
            await action.apply(params, change, "key")
        after, finding = await proven(action, params, change, None)
        assert finding.verdict is Verdict.SUCCESS
        assert action.target_reached(change, after)


async def test_a_refused_read_is_retried() -> None:
    """A short outage of Cloud Run does not reach the responder."""
    async with production() as (sim, context):
        await fault(sim, "cloud_run", "GetService", "unavailable")
        state = await PatientRollback(context).observe(CloudRunParams(service="storefront"))
        assert state.latest_ready == BAD


async def test_maintenance_by_revision_shows_the_page_and_restores_the_traffic() -> None:
    """Undo restores the pin of an earlier rollback: the latest revision would be the bad one."""
    async with production(maintenance=BY_REVISION) as (sim, context):
        await carried_out(PatientRollback(context), service="storefront")
        action = EnableMaintenance(context)
        done = await carried_out(action, service="storefront")
        shown = dict(sim.world.serving())
        page = await SmokeTest(context).check(CloudRunParams(service="storefront"))
        back = await undone(action, done)
        assert done.change.resource == f"traffic:{SERVICE}"
        assert shown == {PAGE: 100}
        assert page.verdict is Verdict.INCONCLUSIVE
        assert back.finding.verdict is Verdict.SUCCESS
        assert sim.world.serving() == {GOOD: 100}


async def test_maintenance_by_revision_ends_with_the_latest_revision() -> None:
    """Which revision was pinned is not known, so users get the latest one, and the approver sees that."""
    async with production(quick("healthy"), maintenance=BY_REVISION) as (sim, context):
        await carried_out(EnableMaintenance(context), service="storefront")
        done = await carried_out(DisableMaintenance(context), service="storefront")
        assert GOOD in done.change.risk
        assert sim.world.serving() == {GOOD: 100}


async def test_a_rollback_is_refused_while_the_maintenance_page_is_served() -> None:
    """While the page is served, it is not known which revision caused the incident."""
    async with production(maintenance=BY_REVISION) as (_, context):
        await carried_out(EnableMaintenance(context), service="storefront")
        with pytest.raises(Refused, match="maintenance page"):
            await worked_out(PatientRollback(context), service="storefront")
        with pytest.raises(Refused, match="in maintenance"):
            await worked_out(RestoreLatest(context), service="storefront")


async def test_the_revisions_probe_names_the_revision_that_serves_and_the_one_before() -> None:
    """It is evidence for the person who approves a rollback."""
    async with production() as (_, context):
        finding = await PatientRevisions(context).check(CloudRunParams(service="storefront"))
        assert finding.verdict is Verdict.SUCCESS
        assert finding.sentence == f"Traffic is 100 % latest ({BAD}); before it {GOOD} served."
        assert finding.facts["previous"] == GOOD


async def test_an_unreachable_cloud_run_is_a_finding_of_the_probe() -> None:
    """A probe never fails with an error."""
    async with production() as (sim, context):
        context.client(CloudRun)
        await fault(sim, "cloud_run", "GetService", "permission_denied")
        finding = await PatientRevisions(context).check(CloudRunParams(service="storefront"))
        assert finding.verdict is Verdict.INCONCLUSIVE
        assert "does not allow our credentials" in finding.sentence
