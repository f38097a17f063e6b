"""Which revision a rollback goes to, and where it must not go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from allclear.domain.errors import Refused
from allclear.vendors.cloud_run_views import RunRevision, RunService, Traffic
from tasks.allocation import TrafficState, state_of
from tasks.choice import choose_named, choose_previous, passed_over

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def made(name: str, age: int, *, ready: bool = True, deleted: bool = False) -> RunRevision:
    """Returns a revision made `age` hours ago."""
    return RunRevision(name=name, created=NOW - timedelta(hours=age), ready=ready, deleted=deleted)


def seen(traffic: list[Traffic], *revisions: RunRevision) -> TrafficState:
    """Returns the state of a service whose latest ready revision is the newest that is ready."""
    ordered = tuple(sorted(revisions, key=lambda revision: revision.created, reverse=True))
    latest = next(revision.name for revision in ordered if revision.ready)
    service = RunService(
        path="projects/p/locations/r/services/shop",
        etag="one",
        generation=1,
        observed_generation=1,
        reconciling=False,
        succeeded=True,
        routed=True,
        latest_ready=latest,
        latest_created=ordered[0].name,
        traffic=tuple(traffic),
    )
    return state_of(service, ordered)


LATEST = Traffic(revision=None, percent=100)
THREE = (made("a", 72), made("b", 48), made("c", 1))


def test_latest_is_resolved_and_the_newest_older_revision_is_chosen() -> None:
    """100 % latest is served by the newest ready one; before it comes the next."""
    choice = choose_previous(seen([LATEST], *THREE), None)
    assert (choice.target, choice.others) == ("b", ("a",))
    assert "newest ready revision made before c" in choice.why


def test_a_tag_only_entry_before_the_serving_one_is_not_taken_for_it() -> None:
    """The first entry of the traffic may serve nobody."""
    traffic = [Traffic(revision="a", tag="old"), Traffic(revision="b", percent=100)]
    assert choose_previous(seen(traffic, *THREE), None).target == "a"


def test_what_is_not_ready_or_deleted_is_passed_over() -> None:
    """Neither a failed deployment nor a deleted revision can serve."""
    state = seen([LATEST], made("a", 72), made("b", 48, deleted=True), made("c", 24, ready=False), made("d", 1))
    assert choose_previous(state, None).target == "a"


def test_a_canary_is_rolled_back_to_the_older_revision_with_the_biggest_share() -> None:
    """The newest that serves is suspected, and the others are the known good."""
    traffic = [
        Traffic(revision="a", percent=20),
        Traffic(revision="b", percent=70),
        Traffic(revision="c", percent=10, tag="canary"),
    ]
    choice = choose_previous(seen(traffic, *THREE), None)
    assert choice.target == "b"
    assert "70 %" in choice.why


def test_the_maintenance_page_is_never_the_target() -> None:
    """It is ready and older, and would take the shop away."""
    state = seen([LATEST, Traffic(revision="b", tag="maintenance")], *THREE)
    assert choose_previous(state, "maintenance").target == "a"


def test_a_previewed_target_is_named_as_such() -> None:
    """A revision that carries a tag may never have served users: the approver reads so."""
    choice = choose_previous(seen([LATEST, Traffic(revision="b", tag="preview")], *THREE), None)
    assert "the tag preview" in choice.why


def test_nothing_older_is_refused_with_what_is_wrong_with_the_candidates() -> None:
    """The reason names each candidate and its fault."""
    state = seen([LATEST], made("a", 48, ready=False), made("b", 1))
    with pytest.raises(Refused, match=r"a: it is not ready"):
        choose_previous(state, None)


def test_serving_what_is_not_listed_is_refused() -> None:
    """Without the age of what serves, nothing is known to be older."""
    with pytest.raises(Refused, match="not among the revisions"):
        choose_previous(seen([Traffic(revision="gone", percent=100)], *THREE), None)


def test_an_earlier_rollback_shows_as_a_newer_ready_revision_without_traffic() -> None:
    """A tagged preview is no such mark."""
    pinned = Traffic(revision="b", percent=100)
    assert passed_over(seen([pinned], *THREE), None) == "c"
    assert passed_over(seen([pinned, Traffic(revision="c", tag="preview")], *THREE), None) is None
    assert passed_over(seen([LATEST], *THREE), None) is None


def test_a_named_revision_must_be_able_to_serve() -> None:
    """The next step lists those that can."""
    state = seen([LATEST], *THREE, made("d", 2, ready=False))
    assert choose_named(state, "a", None).target == "a"
    with pytest.raises(Refused) as refused:
        choose_named(state, "d", None)
    assert refused.value.next_step == "Those that can: c, b, a."
