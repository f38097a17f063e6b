"""Difficult cases of Cloud Run: over gRPC and REST, against the simulator and a fake that shares no code with it.

Each act is proposed, approved, carried out by the executor and recorded in a journal. `Setting` describes Cloud Run at
the start of a case; the stage does what other people do in the meantime.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.domain.action import ActStatus, Verdict
from allclear.domain.records import ActFinished
from allclear.engine.actions.reconcile import PROPOSED_AGAIN
from allclear.vendors.cloud_run.views import Traffic
from tasks.cloud_run.actions import RestoreLatest, Revisions, RollbackTraffic
from tasks.cloud_run.location import CloudRunParams
from tasks.maintenance import EnableMaintenance
from tasks.maintenance_handle import MaintenanceHandle
from tests.contract.cloud_run_stages import (
    BAD,
    FIX,
    GOOD,
    NAME,
    OLDER,
    Acts,
    Setting,
    Stage,
    full_name,
    staged,
)
from tests.contract.simulator_support import until

SHORT = timedelta(seconds=0.3)
"""A deadline that is meant to pass."""
Scene = Callable[..., Awaitable[tuple[Stage, Acts]]]
"""Opens a stage as a `Setting` describes it, with an incident on it."""


@pytest.fixture(params=["simulator", "fake"])
def where(request: pytest.FixtureRequest) -> str:
    """Return the transport and the kind of Cloud Run."""
    return str(request.param)


@pytest.fixture(params=["grpc", "rest"])
async def scene(request: pytest.FixtureRequest, where: str, tmp_path: Path) -> AsyncGenerator[Scene]:
    """A stage for the test, closed after it."""
    async with AsyncExitStack() as stack:

        async def opened(setting: Setting | None = None) -> tuple[Stage, Acts]:
            chosen = setting or Setting()
            stage = await stack.enter_async_context(staged(where, str(request.param), chosen))
            acts = Acts(stage, tmp_path, chosen)
            stack.callback(acts.journal.close)
            return stage, acts

        yield opened


# --- what stands in the traffic ------------------------------------------------------------------------


async def test_tags_are_kept(scene: Scene) -> None:
    """A rollback rewrites the traffic, and every preview address stays."""
    stage, acts = await scene(Setting(traffic=[(None, 100, ""), (OLDER, 0, "old"), (BAD, 0, "preview")]))
    outcome = await acts.done()
    assert outcome.status is ActStatus.VERIFIED
    assert stage.serving() == {GOOD: 100}
    assert sorted(stage.asked()) == [(OLDER, 0, "old"), (GOOD, 100, ""), (BAD, 0, "preview")]


async def test_a_first_entry_that_is_only_a_tag_is_not_what_serves(scene: Scene) -> None:
    """The order of the entries does not matter."""
    stage, acts = await scene(Setting(traffic=[(OLDER, 0, "old"), (BAD, 100, "")]))
    act = await acts.approved()
    assert act.change is not None
    assert act.change["was"] == f"100 % {BAD}"
    assert (await acts.carried_out(act)).good
    assert stage.serving() == {GOOD: 100}


async def test_a_canary_goes_back_to_what_serves_beside_it_and_its_undo_restores_the_split(scene: Scene) -> None:
    """90 to 10 becomes 100 to the former; undo restores 90 to 10."""
    stage, acts = await scene(Setting(traffic=[(BAD, 10, "canary"), (OLDER, 90, "")], seen=(OLDER,)))
    assert (await acts.done()).good
    assert stage.serving() == {OLDER: 100}
    assert (await acts.undone()).good
    assert stage.serving() == {OLDER: 90, BAD: 10}


async def test_latest_and_named_entries_side_by_side(scene: Scene) -> None:
    """The share of `latest` belongs to the revision that it resolves to now."""
    stage, acts = await scene(Setting(traffic=[(None, 60, ""), (GOOD, 30, ""), (OLDER, 10, "")]))
    act = await acts.approved()
    assert act.change is not None
    assert act.change["was"] == f"60 % latest ({BAD}), 30 % {GOOD}, 10 % {OLDER}"
    assert (await acts.carried_out(act)).good
    assert stage.serving() == {GOOD: 100}


# --- which revision is there to go back to -------------------------------------------------------------


async def test_a_previous_revision_that_was_deleted_is_skipped(scene: Scene) -> None:
    """The next older one takes its place."""
    stage, acts = await scene()
    stage.delete(GOOD)
    assert (await acts.done()).good
    assert stage.serving() == {OLDER: 100}


async def test_a_previous_revision_that_is_not_ready_is_skipped(scene: Scene) -> None:
    """A deployment that never started has never served users."""
    stage, acts = await scene(Setting(revisions={OLDER: True, GOOD: False, BAD: True}))
    assert (await acts.done()).good
    assert stage.serving() == {OLDER: 100}


async def test_a_target_that_is_lost_after_the_approval_is_refused(scene: Scene) -> None:
    """The target was evicted between approval and write, so users are not sent there."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.spoil(GOOD)
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.REFUSED, False, 0)
    assert f"{GOOD} cannot serve: it is not ready" in outcome.sentence


async def test_no_previous_revision_is_refused_with_what_else_there_is_to_do(scene: Scene) -> None:
    """A service's first deployment has no earlier revision."""
    stage, acts = await scene(Setting(revisions={BAD: True}))
    act = await acts.proposed()
    assert (act.status, stage.writes()) == (ActStatus.REFUSED, 0)
    assert act.outcome is not None
    assert act.outcome.sentence == f"Nothing made before {BAD} can serve: there is no earlier revision."
    assert "deploy an earlier build" in act.outcome.next_step


# --- somebody was here before --------------------------------------------------------------------------


async def test_already_rolled_back_is_refused_before_it_goes_one_too_far(scene: Scene) -> None:
    """The good revision is pinned already: `previous` would be the one before it."""
    stage, acts = await scene(Setting(traffic=[(GOOD, 100, "")]))
    act = await acts.proposed()
    assert (act.status, act.asks, stage.writes()) == (ActStatus.REFUSED, [], 0)
    assert act.outcome is not None
    assert f"the newer {BAD} is ready and gets none" in act.outcome.sentence


async def test_a_named_target_that_serves_already_is_found_done(scene: Scene) -> None:
    """Nothing is written, and no one is asked."""
    stage, acts = await scene(Setting(traffic=[(GOOD, 100, "")]))
    act = await acts.proposed(to=GOOD)
    assert act.outcome is not None
    assert (act.outcome.status, act.outcome.changed, act.asks) == (ActStatus.VERIFIED, False, [])
    assert stage.writes() == 0


async def test_the_same_pin_by_another_person_after_the_approval_is_found_done(scene: Scene) -> None:
    """There is nothing left to write, and nothing of ours to undo."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.redirect([(GOOD, 100, "")])
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, False, 0)


async def test_another_pin_by_another_person_after_the_approval_voids_it(scene: Scene) -> None:
    """An approval does not overrule a later decision that it did not know of."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.redirect([(OLDER, 100, "")])
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.drifted, stage.writes()) == (ActStatus.FAILED, True, 0)
    assert stage.serving() == {OLDER: 100}


# --- the etag ------------------------------------------------------------------------------------------


async def test_an_unrelated_edit_at_the_moment_of_the_write_is_read_again_and_it_goes_on(scene: Scene) -> None:
    """A new label makes the etag stale, but what the approval signed is unchanged."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.before_write(stage.label)
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, True, 1)
    assert stage.serving() == {GOOD: 100}


async def test_traffic_that_changed_at_the_moment_of_the_write_stops_it_and_needs_a_new_approval(scene: Scene) -> None:
    """Nothing is written; the new proposal is another change, and people are asked again."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.before_write(lambda: stage.redirect([(BAD, 50, ""), (OLDER, 50, "")]))
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.drifted, outcome.changed, stage.writes()) == (ActStatus.FAILED, True, False, 0)
    assert outcome.next_step == PROPOSED_AGAIN
    again = await acts.proposed()
    assert again.proposed.digest != act.proposed.digest
    assert again.asks
    assert set(again.asks).isdisjoint(act.asks)


# --- the operation -------------------------------------------------------------------------------------


async def test_a_rollout_that_outlasts_the_deadline_is_unverified_until_a_later_check_proves_it(scene: Scene) -> None:
    """The record claims only what was observed, even if it is checked again too early."""
    stage, acts = await scene(Setting(operation_takes=0.9, deadline=SHORT))
    outcome = await acts.done()
    assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
    assert outcome.sentence == "Cloud Run is still rolling out the change."
    early = (await acts.proposed(to=GOOD)).outcome
    assert early is not None
    assert early.status is ActStatus.UNVERIFIED
    await until(lambda: stage.serving() == {GOOD: 100})
    later = (await acts.proposed(to=GOOD)).outcome
    assert later is not None
    assert (later.status, later.changed, stage.writes()) == (ActStatus.VERIFIED, False, 1)


async def test_a_rollout_that_another_person_began_is_waited_for_and_not_written_again(scene: Scene) -> None:
    """The same traffic is being rolled out: the act is found done once users are there."""
    stage, acts = await scene(Setting(operation_takes=0.5))
    act = await acts.approved()
    await stage.client.set_traffic(NAME, (Traffic(revision=GOOD, percent=100),), "")
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, False, 1)
    assert stage.serving() == {GOOD: 100}
    assert not acts.incident.in_place


async def test_a_failed_operation_is_reported_at_once_with_what_still_serves(scene: Scene) -> None:
    """The target was evicted after the last read: the wanted traffic is configured, the old revision serves."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.before_write(lambda: stage.spoil(GOOD))
    began = time.monotonic()
    outcome = await acts.carried_out(act)
    assert time.monotonic() - began < Setting().deadline.total_seconds() / 2
    assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
    assert outcome.sentence.startswith("Cloud Run could not carry out the change: ")
    assert outcome.sentence.endswith(f" Users are still sent to 100 % {BAD}.")
    assert outcome.next_step
    assert acts.incident.in_place


async def test_an_operation_that_is_done_is_not_proof_until_users_are_sent_there(scene: Scene) -> None:
    """What counts is where requests go."""
    stage, acts = await scene(Setting(serves_after=0.25))
    outcome = await acts.done()
    assert outcome.status is ActStatus.VERIFIED
    assert stage.serving() == {GOOD: 100}


async def test_users_who_never_arrive_leave_it_unverified(scene: Scene) -> None:
    """The operation succeeded, but the statuses say otherwise until the deadline."""
    _, acts = await scene(Setting(serves_after=30, deadline=SHORT))
    outcome = await acts.done()
    assert outcome.status is ActStatus.UNVERIFIED
    assert outcome.sentence == f"Traffic is set to 100 % {GOOD}, and not all users are sent there yet."


async def test_an_answer_that_is_lost_after_the_change_is_written_once_and_recorded_once(scene: Scene) -> None:
    """The connection breaks after Cloud Run accepted the write: the next read proves it, and nothing is sent again."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.lose_answer()
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, True, 1)
    assert "answer to the write was lost" in outcome.sentence
    ended = [one.record for one in acts.journal.entries(acts.id) if isinstance(one.record, ActFinished)]
    assert [record.act for record in ended] == [act.id]
    assert [act.id for act in acts.incident.in_place] == [act.id]


# --- permission and names ------------------------------------------------------------------------------


async def test_a_missing_permission_is_found_before_people_are_asked(scene: Scene) -> None:
    """The sentence names the permission, the next step the role that has it."""
    stage, acts = await scene()
    stage.forbid()
    act = await acts.proposed()
    assert (act.status, act.asks, stage.writes()) == (ActStatus.REFUSED, [], 0)
    assert act.outcome is not None
    assert act.outcome.sentence == f"Our credentials lack run.services.update on {NAME}."
    assert "roles/run.developer" in act.outcome.next_step


async def test_a_permission_that_is_taken_away_at_the_last_moment_changes_nothing(scene: Scene) -> None:
    """The write is refused, and the record says that nothing was changed."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.before_write(stage.forbid)
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.FAILED, False, 0)
    assert outcome.sentence.startswith("Cloud Run does not allow our credentials to set the traffic of vintstreet: ")
    assert "roles/run.developer" in outcome.next_step
    assert stage.serving() == {BAD: 100}


@pytest.mark.parametrize(
    ("setting", "looked_for"),
    [
        (Setting(options={"region": "europe-north1"}), f"vintstreet-prod/locations/europe-north1/services/{NAME}"),
        (Setting(service={"cloud_run": "elsewhere"}), "vintstreet-prod/locations/us-central1/services/elsewhere"),
        (Setting(options={"project": "another-one"}), f"another-one/locations/us-central1/services/{NAME}"),
    ],
    ids=["wrong region", "unknown service", "wrong project"],
)
async def test_a_wrong_name_is_told_in_full_with_the_place_to_correct_it(
    scene: Scene, setting: Setting, looked_for: str
) -> None:
    """A wrong project may look like a missing permission: either error gives the full name."""
    _, acts = await scene(setting)
    act = await acts.proposed()
    assert act.outcome is not None
    assert (act.outcome.status, act.outcome.changed) == (ActStatus.FAILED, False)
    assert f"projects/{looked_for}" in act.outcome.sentence
    assert "`project` and `region` in systems.yaml" in act.outcome.next_step


# --- a newer deployment --------------------------------------------------------------------------------


async def test_a_deployment_after_the_approval_voids_it_where_latest_serves(scene: Scene) -> None:
    """It may be the fix: users get another revision than the approver saw."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.deploy(FIX)
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.drifted, stage.writes()) == (ActStatus.FAILED, True, 0)
    assert stage.serving() == {FIX: 100}


async def test_a_deployment_at_the_moment_of_the_write_voids_it_where_latest_serves(scene: Scene) -> None:
    """The etag stops the write; the next read shows that another revision serves."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.before_write(lambda: stage.deploy(FIX))
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.drifted, stage.writes()) == (ActStatus.FAILED, True, 0)
    assert stage.serving() == {FIX: 100}


async def test_a_deployment_that_gets_no_users_does_not_block_the_change(scene: Scene) -> None:
    """If the traffic names its revision, a new one does not change what was approved."""
    stage, acts = await scene(Setting(traffic=[(BAD, 100, "")]))
    act = await acts.approved()
    stage.before_write(lambda: stage.deploy(FIX))
    assert (await acts.carried_out(act)).good
    assert (stage.serving(), stage.writes()) == ({GOOD: 100}, 1)


async def test_a_deployment_while_the_operation_runs_gets_no_users(scene: Scene) -> None:
    """The traffic is already pinned."""
    stage, acts = await scene(Setting(operation_takes=0.3))
    act = await acts.approved()
    stage.during(lambda: stage.deploy(FIX))
    assert (await acts.carried_out(act)).good
    assert stage.serving() == {GOOD: 100}


async def test_traffic_that_another_person_moves_during_the_operation_is_kept(scene: Scene) -> None:
    """It is not overwritten, and the record names the actual traffic."""
    stage, acts = await scene(Setting(operation_takes=0.3))
    act = await acts.approved()
    stage.during(lambda: stage.redirect([(OLDER, 100, "")]))
    outcome = await acts.carried_out(act)
    assert (outcome.status, stage.writes()) == (ActStatus.UNVERIFIED, 1)
    assert outcome.sentence == f"Traffic is set to 100 % {OLDER}, not to 100 % {GOOD}."


async def test_undo_waits_for_the_fix(scene: Scene) -> None:
    """Undo is refused while the latest revision is the bad one; once a fix is deployed, undo sends users to it."""
    stage, acts = await scene()
    await acts.done()
    refused = await acts.undone()
    stage.deploy(FIX)
    assert (refused.status, refused.next_step) == (ActStatus.REFUSED, "Deploy the fix first, then undo.")
    assert (await acts.done(RestoreLatest)).good
    assert stage.serving() == {FIX: 100}


# --- maintenance by a revision, and two regions --------------------------------------------------------

PAGE = f"{NAME}-page"
BY_REVISION = {"maintenance": MaintenanceHandle(revision_tag="maintenance")}


async def test_maintenance_by_revision_survives_a_lost_answer_and_an_unrelated_edit(scene: Scene) -> None:
    """It changes traffic too, so the etag protects it in the same way."""
    revisions = {PAGE: True, GOOD: True, BAD: True}
    stage, acts = await scene(Setting(revisions, [(None, 100, ""), (PAGE, 0, "maintenance")], service=BY_REVISION))
    act = await acts.approved(EnableMaintenance)
    stage.before_write(stage.label)
    stage.lose_answer()
    outcome = await acts.carried_out(act)
    assert (outcome.status, stage.serving()) == (ActStatus.VERIFIED, {PAGE: 100})
    assert stage.writes() == 1


EUROPE, EUROPEAN = "europe-west1", f"{NAME}-eu"
IN_EUROPE = full_name(EUROPE, EUROPEAN)
TWO_REGIONS = Setting(
    service={"cloud_run": {"us-central1": NAME, EUROPE: EUROPEAN}} | BY_REVISION,
    traffic=[(None, 100, ""), (OLDER, 0, "maintenance")],
    elsewhere={(EUROPE, EUROPEAN): {f"{EUROPEAN}-1": True, f"{EUROPEAN}-2": True}},
)


async def test_one_act_changes_one_region(scene: Scene) -> None:
    """Each region is a resource of its own, rolled back by a step of its own."""
    stage, acts = await scene(TWO_REGIONS)
    assert (await acts.done(region=EUROPE)).good
    assert (stage.serving(), stage.serving(IN_EUROPE)) == ({BAD: 100}, {f"{EUROPEAN}-1": 100})
    assert (await acts.done(region="us-central1")).good
    resources = {act.proposed.resource for act in acts.incident.acts.values()}
    assert resources == {f"traffic:{stage.path}", f"traffic:{IN_EUROPE}"}
    assert (await acts.done(EnableMaintenance, region="us-central1")).good
    assert (stage.serving(), stage.writes()) == ({OLDER: 100}, 3)
    finding = await Revisions(acts.context).check(CloudRunParams(service="shop", region=EUROPE))
    assert finding.sentence.startswith(f"Traffic is 100 % {EUROPEAN}-1, pinned")


async def test_changes_in_one_region_do_not_affect_an_approval_for_the_other(scene: Scene) -> None:
    """A deployment and moved traffic in one region do not stop the approved write in the other."""
    stage, acts = await scene(TWO_REGIONS)
    act = await acts.approved(region=EUROPE)
    stage.deploy(FIX)
    stage.before_write(lambda: stage.redirect([(GOOD, 100, "")]))
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, True, 1)
    assert (stage.serving(), stage.serving(IN_EUROPE)) == ({GOOD: 100}, {f"{EUROPEAN}-1": 100})


@pytest.mark.parametrize("kind", [RollbackTraffic, EnableMaintenance])
async def test_a_service_in_two_regions_needs_a_region(
    scene: Scene, kind: type[RollbackTraffic | EnableMaintenance]
) -> None:
    """Without a region, or with a wrong one, the refusal lists the regions."""
    stage, acts = await scene(TWO_REGIONS)
    unnamed, elsewhere = await acts.proposed(kind), await acts.proposed(kind, region="asia-east1")
    assert unnamed.outcome is not None
    assert elsewhere.outcome is not None
    assert (unnamed.status, elsewhere.status, stage.writes()) == (ActStatus.REFUSED, ActStatus.REFUSED, 0)
    assert unnamed.outcome.sentence == "shop runs in europe-west1 and us-central1, and one act changes one region."
    assert "`region: europe-west1`" in unnamed.outcome.next_step
    assert elsewhere.outcome.sentence == "shop does not run in asia-east1, but in europe-west1 and us-central1."
    finding = await Revisions(acts.context).check(CloudRunParams(service="shop"))
    assert finding.verdict is Verdict.INCONCLUSIVE
