"""A revision that a rollback contained an incident by leaving is offered last, with the reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.base import JsonDict
from allclear.domain.baseline import Baseline, Containing
from allclear.domain.errors import Refused
from allclear.vendors.cloud_run.views import Traffic
from tasks.cloud_run.evidence import Evidence, Past
from tasks.cloud_run.failed_revisions import ROLLBACK, rolled_back_from
from tasks.cloud_run.previous_revision import choose_named, choose_previous
from tests.unit.tasks.cloud_run.test_previous_revision import (
    FOUR,
    LATEST,
    NOW,
    ago,
    counted,
    made,
    past,
    recorded,
    seen,
)


def state(revision: str, serving: dict[str, int] | None = None) -> JsonDict:
    """Return a stored state of the traffic with all users at `revision`."""
    allocation = [{"revision": revision, "percent": 100}]
    return {"service": "shop", "allocation": allocation, "serving": serving or {revision: 100}}


def rollback(revision: str, hours: float, to: str = "b", action: str = ROLLBACK, incident: str = "VS-1") -> Containing:
    """Return a rollback from a revision that contained an incident so many hours ago."""
    return Containing(
        incident=incident,
        title="Checkout fails",
        action=action,
        at=ago(hours),
        before=state(revision),
        after=state(to),
    )


def failed(*changes: Containing, healthy: dict[str, float] | None = None) -> tuple[Evidence, ...]:
    """Return the evidence against revisions; `healthy` says how many hours ago one was seen healthy."""
    baselines = [
        Baseline(resource="traffic:shop", revision=name, at=ago(hours), noted_by="VS-1, recovered")
        for name, hours in (healthy or {}).items()
    ]
    return rolled_back_from(changes, baselines, NOW)


def with_failed(past: Past, *changes: Containing) -> Past:
    """Return the past with the evidence against revisions."""
    return past.model_copy(update={"failed": failed(*changes)})


def test_a_revision_that_was_rolled_back_from_has_failed_until_it_is_seen_healthy_again() -> None:
    """The last of both counts. Maintenance mode and a record that cannot be read say nothing."""
    (piece,) = failed(rollback("c", 5))
    assert (piece.revision, piece.at) == ("c", NOW - timedelta(hours=5))
    assert piece.statement == 'failed before: VS-1 rolled back from it at 22:00 UTC ("Checkout fails")'
    assert failed(rollback("c", 5), healthy={"c": 6}) == (piece,)
    assert failed(rollback("c", 5), healthy={"c": 2}) == ()
    assert failed(rollback("c", 5, action="maintenance.enable")) == ()
    assert failed(rollback("c", 5).model_copy(update={"before": {"x": 1}})) == ()


def test_a_revision_that_failed_is_offered_last_with_the_reason() -> None:
    """It answered requests, which says nothing about the paths that failed."""
    now = seen([LATEST], *FOUR)
    known = with_failed(past(*counted(b=3, c=5)), rollback("c", 5))
    with pytest.raises(Refused) as refused:
        choose_previous(now, None, known)
    names = [candidate.name for candidate in refused.value.candidates]
    assert names == ["b", "a", "c"]
    assert refused.value.candidates[-1].reason.startswith("failed before: VS-1 rolled back from it at 22:00 UTC")
    assert "c failed before: VS-1" in refused.value.message


def test_evidence_for_a_revision_that_failed_does_not_count() -> None:
    """Nearly all requests went to it; our own record knows the one before, which was healthy."""
    now = seen([LATEST], *FOUR)
    known = with_failed(past(recorded("b", 30), *counted(c=5000)), rollback("c", 5))
    choice = choose_previous(now, None, known)
    assert choice.target == "b"
    assert any(sentence.startswith("c failed before: VS-1") for sentence in choice.against)


def test_the_only_earlier_revision_is_not_chosen_if_it_failed() -> None:
    """People decide whether it is better than what serves now."""
    now = seen([LATEST], made("a", 72), made("b", 1))
    assert choose_previous(now, None, past()).target == "a"
    with pytest.raises(Refused, match="a failed before"):
        choose_previous(now, None, with_failed(past(), rollback("a", 5)))


def test_a_revision_that_failed_and_is_named_carries_the_warning() -> None:
    """The approver reads it, although a person asked for that revision."""
    now = seen([Traffic(revision="d", percent=100)], *FOUR)
    choice = choose_named(now, "c", None, with_failed(past(), rollback("c", 5)))
    assert (choice.target, len(choice.against)) == ("c", 1)
    assert choice.against[0].startswith("c failed before: VS-1 rolled back from it")
