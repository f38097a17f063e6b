"""Difficult cases of Cloud Run: what can happen between the approval and the proof that users are sent there."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from allclear.domain.action import ActStatus
from allclear.domain.records import ActFinished
from allclear.engine.actions.reconcile import PROPOSED_AGAIN
from allclear.vendors.cloud_run.views import Traffic
from tasks.cloud_run.restore_latest import RestoreLatest
from tests.contract.cloud_run_stages import (
    BAD,
    FIX,
    GOOD,
    NAME,
    OLDER,
    Scene,
    Setting,
)
from tests.patience import HUNG

SHORT = timedelta(seconds=0.3)
"""A deadline that is meant to pass."""
HOUR = 3600.0
"""Longer than any test runs, in seconds."""

# --- the etag -----------------------------------------------------------------------------------------------------


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


# --- the operation ------------------------------------------------------------------------------------------------


async def test_a_rollout_that_outlasts_the_deadline_is_unverified_until_a_later_check_proves_it(scene: Scene) -> None:
    """The record claims only what was observed, even if it is checked again too early."""
    stage, acts = await scene(Setting(operation_takes=HOUR, deadline=SHORT))
    outcome = await acts.done()
    assert (outcome.status, outcome.changed) == (ActStatus.UNVERIFIED, True)
    assert outcome.sentence == "Cloud Run is still rolling out the change."
    early = (await acts.proposed(to=GOOD)).outcome
    assert early is not None
    assert early.status is ActStatus.UNVERIFIED
    stage.end_rollouts()
    assert stage.serving() == {GOOD: 100}
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
    stage, acts = await scene(Setting(deadline=timedelta(seconds=HOUR)))
    act = await acts.approved()
    stage.before_write(lambda: stage.spoil(GOOD))
    async with asyncio.timeout(HUNG):
        outcome = await acts.carried_out(act)
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
    _, acts = await scene(Setting(serves_after=HOUR, deadline=SHORT))
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


# --- a newer deployment -------------------------------------------------------------------------------------------


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
    assert refused.status is ActStatus.REFUSED
    assert refused.next_step.startswith("Deploy the fix first, then undo. To send users to vintstreet-3 all the same: ")
    assert (await acts.done(RestoreLatest)).good
    assert stage.serving() == {FIX: 100}
