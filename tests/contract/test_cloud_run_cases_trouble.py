"""Difficult cases of Cloud Run: trouble around the write. Nothing is claimed, dropped or given up too early."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.base import utc_now
from allclear.domain.template_values import left_in_place
from allclear.engine.actions.act_watch import ActWatcher
from allclear.vendors.cloud_run.views import Traffic
from tasks.cloud_run.restore_latest import RestoreLatest
from tests.contract.cloud_run_stages import BAD, FIX, GOOD, NAME, OLDER, Scene, Setting
from tests.unit.domain.stories import plan

BRIEF = timedelta(seconds=0.5)
"""A deadline that passes while reads are down."""

# --- what serves is what counts (D1, D2, D4, D5) ------------------------------------------------------------------


async def test_a_rollback_by_hand_is_recognised_although_the_newest_revision_is_tagged(scene: Scene) -> None:
    """GOOD was pinned by hand and seen well since; the tag follows the latest revision, which is BAD."""
    stage, acts = await scene(Setting(traffic=[(GOOD, 100, ""), (None, 0, "live")]))
    act = await acts.proposed()
    assert (act.status, act.asks, stage.writes()) == (ActStatus.REFUSED, [], 0)
    assert act.outcome is not None
    assert "shop seems to be rolled back already" in act.outcome.sentence
    assert f"the newer {BAD} is ready and gets none" in act.outcome.sentence
    assert "allclear act vintstreet cloud_run.rollback_traffic service=shop to=REVISION" in act.outcome.next_step


async def test_a_known_good_revision_among_hundreds_is_chosen_and_rolled_back_to(scene: Scene) -> None:
    """It is not among the newest thirty, neither when it is proposed nor when it is carried out and undone."""
    revisions = {f"{NAME}-{number}": True for number in range(1, 61)}
    stage, acts = await scene(Setting(revisions=revisions, seen=(f"{NAME}-7",)))
    assert (await acts.done()).good
    assert stage.serving() == {f"{NAME}-7": 100}
    stage.deploy(f"{NAME}-61")
    assert (await acts.undone()).good
    assert stage.serving() == {f"{NAME}-61": 100}


async def test_the_suspect_is_what_serves_if_the_requested_traffic_could_not_be_carried_out(scene: Scene) -> None:
    """GOOD serves all users, because BAD never became ready: the rollback goes from GOOD to OLDER."""
    stage, acts = await scene(Setting(revisions={OLDER: True, GOOD: True, BAD: False}))
    stage.redirect([(GOOD, 90, ""), (BAD, 10, "")])
    assert stage.serving() == {GOOD: 100}
    act = await acts.proposed()
    assert act.change is not None
    assert act.change["summary"].endswith(f"to {OLDER}.")
    assert act.change["known_good"] is False
    assert f"Cloud Run serves 100 % {GOOD}" in act.change["was"]


async def test_a_split_is_proposed_and_not_known_good(scene: Scene) -> None:
    """Which of the revisions fails is not known."""
    _, acts = await scene(Setting(traffic=[(OLDER, 50, ""), (GOOD, 30, ""), (BAD, 20, "")]))
    act = await acts.proposed()
    assert act.change is not None
    assert act.change["known_good"] is False
    assert "Users are split" in act.change["risk"]


# --- reads that fail (D6, D7, D12) --------------------------------------------------------------------------------


async def test_a_lost_answer_with_reads_down_claims_nothing(scene: Scene) -> None:
    """The write took effect: nothing says that nothing was changed. When reads work again, it is settled by itself."""
    stage, acts = await scene(Setting(deadline=BRIEF))
    act = await acts.approved()
    stage.lose_answer()
    stage.during(lambda: stage.fail("GetService", "INTERNAL"))
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed) == (ActStatus.INDETERMINATE, True)
    assert "nothing was" not in outcome.sentence.lower()
    assert acts.incident.in_place
    stage.recover()
    later = utc_now() + timedelta(minutes=5)
    assert await ActWatcher(acts.journal, acts.executor, lambda: later).check() == [acts.id]
    assert (acts.incident.acts[act.id].status, stage.writes()) == (ActStatus.VERIFIED, 1)


async def test_reads_that_come_back_within_the_deadline_prove_a_write_whose_answer_was_lost(scene: Scene) -> None:
    """It is looked for until then, and written once."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.lose_answer()
    stage.during(lambda: stage.fail("GetService", "INTERNAL", times=4))
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, True, 1)
    assert "answer to the write was lost" in outcome.sentence


async def test_a_list_of_revisions_that_is_down_after_the_write_hides_nothing(scene: Scene) -> None:
    """The proof needs the service alone."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.before_write(lambda: stage.fail("ListRevisions", "INTERNAL"))
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed) == (ActStatus.VERIFIED, True)


async def test_a_list_of_revisions_that_is_down_does_not_stop_a_rollback_to_known_evidence(scene: Scene) -> None:
    """What the evidence names is read by its name; a person approves, because not everything could be read."""
    stage, acts = await scene()
    stage.fail("ListRevisions", "INTERNAL")
    act = await acts.approved()
    assert act.change is not None
    assert act.change["known_good"] is False
    assert "Not all revisions could be read" in act.change["risk"]
    assert (await acts.carried_out(act)).good
    assert stage.serving() == {GOOD: 100}


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "INTERNAL"])
async def test_a_permission_check_that_cannot_be_made_is_a_warning(scene: Scene, code: str) -> None:
    """Containment goes on, and the risk says what was not checked."""
    stage, acts = await scene()
    stage.fail("TestIamPermissions", code)
    act = await acts.approved()
    assert act.change is not None
    assert "Not checked: whether our credentials may change the traffic" in act.change["risk"]
    assert (await acts.carried_out(act)).good


# --- refusals that pass, and those that do not (D8, D9) -----------------------------------------------------------


async def test_a_rate_limited_write_is_sent_again_within_the_deadline(scene: Scene) -> None:
    """With the same version: nothing was written in between. Two tries, and one write."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.fail("UpdateService", "RESOURCE_EXHAUSTED", times=1)
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, stage.writes()) == (ActStatus.VERIFIED, True, 1)


async def test_a_rollout_under_way_is_waited_for_before_people_are_asked(scene: Scene) -> None:
    """The proposal is about the traffic after the rollout."""
    stage, acts = await scene(Setting(operation_takes=1.0))
    await stage.client.set_traffic(NAME, (Traffic(revision=BAD, percent=100),), "")
    act = await acts.proposed()
    assert act.asks
    assert act.change is not None
    assert act.change["was"] == f"100 % {BAD}"


async def test_a_name_that_is_taken_is_no_race(scene: Scene) -> None:
    """One write, and Cloud Run's own words."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.fail("UpdateService", "ALREADY_EXISTS", times=5)
    outcome = await acts.carried_out(act)
    assert (outcome.status, outcome.changed, outcome.drifted) == (ActStatus.FAILED, False, False)
    assert outcome.sentence.startswith("Cloud Run refused to set the traffic of vintstreet: ")
    assert (stage.failures_left("UpdateService"), stage.writes()) == (4, 0)


# --- undo (D10) ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("traffic", [[(None, 100, "")], [(BAD, 100, "")]], ids=["followed latest", "by name"])
async def test_undo_is_refused_alike_for_both_ways_of_pinning_with_the_way_that_works(
    scene: Scene, traffic: list[tuple[str | None, int, str]]
) -> None:
    """Users are not sent back to the revision that failed; the next step is a command."""
    stage, acts = await scene(Setting(traffic=traffic))
    assert (await acts.done()).good
    refused = await acts.undone()
    assert (refused.status, stage.serving()) == (ActStatus.REFUSED, {GOOD: 100})
    assert "undo would send users back to the revision that was rolled back" in refused.sentence
    assert "allclear act vintstreet cloud_run.restore_latest service=shop" in refused.next_step
    stage.deploy(FIX)
    assert (await acts.done(RestoreLatest)).good
    assert stage.serving() == {FIX: 100}


async def test_undo_after_the_world_moved_names_the_command_that_closes_the_debt(scene: Scene) -> None:
    """Another person moved the traffic: it is not overwritten, and the circle has a way out."""
    stage, acts = await scene()
    assert (await acts.done()).good
    stage.redirect([(OLDER, 100, "")])
    refused = await acts.undone()
    assert refused.status is ActStatus.REFUSED
    assert f"allclear supersede {acts.id} contain/act --reason WHY --as NAME" in refused.next_step


# --- words (D11) --------------------------------------------------------------------------------------------------


async def test_an_expired_sign_in_is_renewed_and_not_given_a_role(scene: Scene) -> None:
    """The next step is the sign-in."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.fail("UpdateService", "UNAUTHENTICATED", times=5)
    outcome = await acts.carried_out(act)
    assert outcome.status is ActStatus.FAILED
    assert "sign-in is missing, expired or revoked" in outcome.sentence
    assert "roles/" not in outcome.next_step
    assert "GOOGLE_APPLICATION_CREDENTIALS" in outcome.next_step


async def test_drift_tells_what_is_there_now(scene: Scene) -> None:
    """The record says what it was, what it is, and that nothing was done."""
    stage, acts = await scene()
    act = await acts.approved()
    stage.redirect([(OLDER, 100, "")])
    outcome = await acts.carried_out(act)
    assert outcome.drifted
    assert f"It was 100 % latest ({BAD}) when this was proposed. It is 100 % {OLDER} now." in outcome.sentence


# --- news of the pin (D14) ----------------------------------------------------------------------------------------


async def test_a_deployment_that_gets_no_users_because_of_our_pin_is_told_once(scene: Scene) -> None:
    """In the record and with what is in place; a change by another person is reported too."""
    stage, acts = await scene()
    assert (await acts.done()).good
    clock = FrozenClock()
    watcher = ActWatcher(acts.journal, acts.executor, clock)
    clock.now += timedelta(minutes=1)
    assert await watcher.check() == []
    stage.deploy(FIX)
    clock.now += timedelta(minutes=1)
    assert await watcher.check() == [acts.id]
    clock.now += timedelta(minutes=1)
    assert await watcher.check() == []
    [act] = acts.incident.in_place
    [news] = act.news
    assert news.text.startswith(f"{FIX} was deployed and gets no users, because the traffic is pinned to 100 % {GOOD}")
    assert f"{FIX} was deployed and gets no users" in left_in_place(act, plan())
    stage.redirect([(OLDER, 100, "")])
    clock.now += timedelta(minutes=1)
    assert await watcher.check() == [acts.id]
    assert f"The traffic was changed since: it is 100 % {OLDER} now" in acts.incident.in_place[0].news[-1].text


async def test_a_rollout_that_outlasts_the_deadline_is_verified_later_by_itself(scene: Scene) -> None:
    """The act is settled when Cloud Run has finished, without another write."""
    stage, acts = await scene(Setting(operation_takes=3600.0, deadline=timedelta(seconds=0.3)))
    assert (await acts.done()).status is ActStatus.UNVERIFIED
    clock = FrozenClock()
    watcher = ActWatcher(acts.journal, acts.executor, clock)
    clock.now += timedelta(minutes=1)
    assert await watcher.check() == []
    stage.end_rollouts()
    clock.now += timedelta(minutes=1)
    assert await watcher.check() == [acts.id]
    [act] = acts.incident.in_place
    assert (act.status, stage.writes()) == (ActStatus.VERIFIED, 1)


class FrozenClock:
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        """Return the time that the test has set."""
        return self.now
