"""How allocations are compared, restored and verified."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allclear.domain.action import Receipt, Verdict
from allclear.domain.errors import Refused
from allclear.vendors.cloud_run.views import Traffic
from tasks.cloud_run.traffic_state import TrafficState, restored, sending_all, traffic_finding, traffic_reached
from tests.unit.tasks.cloud_run.test_previous_revision import LATEST, THREE, made, seen

PINNED = Traffic(revision="b", percent=100)


def at_rest(state: TrafficState) -> TrafficState:
    """Return the state with the configured traffic served."""
    return state.model_copy(update={"serving": state.shares()})


def test_two_spellings_of_one_allocation_are_equal() -> None:
    """A tag on the serving entry is the same as a tag beside it, in any order."""
    one = seen([Traffic(revision="b", percent=100, tag="x")], *THREE)
    other = seen([Traffic(revision="b", tag="x"), Traffic(revision="b", percent=100)], *THREE)
    assert one.matters() == other.matters()


def test_an_approval_signs_the_traffic_and_not_the_etag() -> None:
    """An etag that moves is incidental; a new deployment behind latest is not."""
    state = seen([LATEST], *THREE)
    assert state.matters() == state.model_copy(update={"etag": "other", "generation": 9}).matters()
    assert state.matters() != seen([LATEST], *THREE, made("d", 0)).matters()


percents = st.lists(st.integers(1, 100), min_size=1, max_size=3)


@given(percents, st.lists(st.sampled_from("abc"), max_size=3, unique=True))
def test_sending_all_keeps_every_tag_and_adds_up(weights: list[int], tags: list[str]) -> None:
    """However the traffic was split, a rollback gives 100 % to one revision and keeps every tag."""
    traffic = [Traffic(revision=name, percent=weight) for name, weight in zip("abc", weights, strict=False)]
    before = seen([*traffic, *(Traffic(revision=name, tag=f"t-{name}") for name in tags)], *THREE)
    after = sending_all(before, "a")
    assert after.shares() == {"a": 100}
    assert {share.tag for share in after.allocation if share.tag} == {f"t-{name}" for name in tags}


@given(percents)
def test_restoring_gives_the_exact_earlier_allocation(weights: list[int]) -> None:
    """Undo of a change is the allocation before it, splits included."""
    before = seen([Traffic(revision=n, percent=w) for n, w in zip("abc", weights, strict=False)], *THREE)
    done = sending_all(before, "a")
    assert restored(before, done, done).intent() == before.intent()


def test_restoring_keeps_a_tag_that_was_added_later() -> None:
    """A preview of the fix does not block the undo."""
    before = seen([LATEST], *THREE)
    done = sending_all(before, "b")
    now = seen([PINNED, Traffic(revision="d", tag="fix")], *THREE, made("d", 0))
    back = restored(before, done, now)
    assert (back.shares(), back.tagged("fix")) == ({"d": 100}, "d")


def test_restoring_refuses_a_revision_that_was_deleted() -> None:
    """A revision that can no longer serve gets no users."""
    before = seen([Traffic(revision="c", percent=100)], *THREE)
    done = sending_all(before, "b")
    now = seen([PINNED], made("a", 72), made("b", 48), made("c", 1, deleted=True))
    with pytest.raises(Refused, match="c cannot serve: it was deleted"):
        restored(before, done, now)


def test_a_rollout_under_way_is_inconclusive_and_leaves_nothing_to_write() -> None:
    """While Cloud Run reconciles, its traffic statuses are transient."""
    wanted = seen([PINNED], *THREE)
    now = wanted.model_copy(update={"reconciling": True, "serving": {"c": 100}})
    assert traffic_finding(wanted, now, None).verdict is Verdict.INCONCLUSIVE
    assert traffic_reached(wanted, now)


def test_configured_traffic_that_is_not_served_is_inconclusive() -> None:
    """When Cloud Run is at rest, the statuses decide."""
    wanted = seen([PINNED], *THREE)
    now = wanted.model_copy(update={"serving": {"c": 100}})
    assert traffic_finding(wanted, now, None).verdict is Verdict.INCONCLUSIVE
    assert not traffic_reached(wanted, now)


def test_an_unseen_generation_is_inconclusive() -> None:
    """Until Cloud Run has observed the newest generation, `reconciling` means nothing."""
    wanted = at_rest(seen([PINNED], *THREE))
    now = wanted.model_copy(update={"generation": 2})
    assert traffic_finding(wanted, now, None).verdict is Verdict.INCONCLUSIVE


def test_a_failed_rollout_is_told_with_cloud_runs_reason() -> None:
    """An error of the operation, or routes that are not ready."""
    wanted = at_rest(seen([PINNED], *THREE))
    stuck = wanted.model_copy(update={"serving": {"c": 100}})
    failed = traffic_finding(wanted, stuck, Receipt(facts={"error": "no quota"}))
    unrouted = traffic_finding(wanted, wanted.model_copy(update={"routed": False, "trouble": "No route."}), None)
    assert (failed.verdict, unrouted.verdict) == (Verdict.FAILURE, Verdict.FAILURE)
    assert failed.sentence == "Cloud Run could not carry out the change: no quota. Users are still sent to 100 % c."
    assert (failed.final, unrouted.final) == (True, True)
    assert "No route." in unrouted.sentence


def test_traffic_of_another_person_is_a_failure_with_both_names() -> None:
    """The sentence names the actual and the intended traffic."""
    finding = traffic_finding(seen([PINNED], *THREE), at_rest(seen([LATEST], *THREE)), None)
    assert finding.verdict is Verdict.FAILURE
    assert finding.sentence == "Traffic is set to 100 % latest (c), not to 100 % b."


def test_a_superseded_operation_does_not_matter_if_the_traffic_is_as_intended() -> None:
    """The served traffic decides, not the outcome of our own operation."""
    wanted = at_rest(seen([PINNED], *THREE))
    finding = traffic_finding(wanted, wanted, Receipt(facts={"error": "superseded"}))
    assert finding.verdict is Verdict.SUCCESS


def test_traffic_set_after_our_write_is_final_and_a_stale_read_is_not() -> None:
    """While the etag is the one that we wrote against, the read may be from before our write."""
    before, wanted = seen([LATEST], *THREE), seen([PINNED], *THREE)
    theirs = before.model_copy(update={"etag": "later"})
    assert traffic_finding(wanted, theirs, None, before).final
    assert not traffic_finding(wanted, before, None, before).final


def test_the_error_of_the_operation_is_reported_with_what_is_set_now() -> None:
    """Another person's traffic stands, and our operation ended with an error: both are in the sentence."""
    before, now = seen([LATEST], *THREE), at_rest(seen([PINNED], *THREE)).model_copy(update={"etag": "two"})
    receipt = Receipt(facts={"error": "Revision a is not ready"})
    finding = traffic_finding(sending_all(before, "a"), now, receipt, before)
    assert (finding.verdict, finding.final) == (Verdict.FAILURE, True)
    assert finding.sentence == (
        "Traffic is set to 100 % b, not to 100 % a. Its operation ended with: Revision a is not ready."
    )
