"""Difficult cases of Cloud Run: which revision a rollback goes to, and what it leaves of the traffic."""

from __future__ import annotations

from allclear.domain.action import ActStatus
from tests.contract.cloud_run_stages import (
    BAD,
    GOOD,
    OLDER,
    Scene,
    Setting,
)

# --- the traffic before the rollback ------------------------------------------------------------------------------


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


async def test_a_canary_goes_back_to_what_serves_beside_it_and_its_undo_would_bring_the_failure_back(
    scene: Scene,
) -> None:
    """90 to 10 becomes 100 to the former; undo is refused, because 10 % would get the revision that failed again."""
    stage, acts = await scene(Setting(traffic=[(BAD, 10, "canary"), (OLDER, 90, "")], seen=(OLDER,)))
    assert (await acts.done()).good
    assert stage.serving() == {OLDER: 100}
    refused = await acts.undone()
    assert (refused.status, stage.serving()) == (ActStatus.REFUSED, {OLDER: 100})
    assert f"cloud_run.rollback_traffic service=shop to={BAD}" in refused.next_step


async def test_latest_and_named_entries_side_by_side(scene: Scene) -> None:
    """The share of `latest` belongs to the revision that it resolves to now."""
    stage, acts = await scene(Setting(traffic=[(None, 60, ""), (GOOD, 30, ""), (OLDER, 10, "")]))
    act = await acts.approved()
    assert act.change is not None
    assert act.change["was"] == f"60 % latest ({BAD}), 30 % {GOOD}, 10 % {OLDER}"
    assert (await acts.carried_out(act)).good
    assert stage.serving() == {GOOD: 100}


# --- which revision it can go back to -----------------------------------------------------------------------------


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


# --- another person was faster ------------------------------------------------------------------------------------


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
