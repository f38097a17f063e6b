"""Which revision a rollback chooses, why, and when a person is asked: a table of histories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from allclear.domain.errors import Refused
from allclear.vendors.cloud_monitoring import RequestCount
from allclear.vendors.cloud_run.views import RunRevision, RunService, Traffic
from tasks.cloud_run.evidence import Evidence, EvidenceKind, Past, by_requests
from tasks.cloud_run.previous_revision import choose_named, choose_previous, passed_over
from tasks.cloud_run.traffic_state import TrafficState, state_of

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def ago(hours: float) -> datetime:
    """Return the moment so many hours before the onset."""
    return NOW - timedelta(hours=hours)


def made(name: str, age: float, *, ready: bool = True, deleted: bool = False) -> RunRevision:
    """Return a revision made `age` hours ago."""
    return RunRevision(name=name, created=ago(age), ready=ready, deleted=deleted)


def seen(traffic: list[Traffic], *revisions: RunRevision) -> TrafficState:
    """Return the state of a service whose latest ready revision is the newest that is ready."""
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


def recorded(revision: str, hours: float) -> Evidence:
    """Our own record saw it healthy so many hours before the onset."""
    return Evidence(
        kind=EvidenceKind.OWN_RECORD, revision=revision, statement="was healthy, by our own record", at=ago(hours)
    )


def logged(revision: str, hours: float = 1) -> Evidence:
    """The audit log says that it had all traffic until so many hours before the onset."""
    return Evidence(
        kind=EvidenceKind.AUDIT_LOG, revision=revision, statement="had 100 %, by the audit log", at=ago(hours)
    )


def counted(**totals: int | tuple[int, int]) -> tuple[Evidence, ...]:
    """Return the evidence of requests: revision -> total, or total and failed."""
    pairs = {name: (value, 0) if isinstance(value, int) else value for name, value in totals.items()}
    return tuple(
        by_requests(
            {name: RequestCount(total=total, failed=failed) for name, (total, failed) in pairs.items()}, NOW, NOW
        )
    )


def past(*evidence: Evidence, unknown: tuple[str, ...] = ()) -> Past:
    """Return the past with this evidence."""
    return Past(onset=NOW, asked_at=NOW, evidence=evidence, unknown=unknown)


LATEST = Traffic(revision=None, percent=100)
THREE = (made("a", 72), made("b", 48), made("c", 1))
FOUR = (made("a", 72), made("b", 48), made("c", 24), made("d", 0.1))


@dataclass(frozen=True)
class History:
    """The revisions, the evidence, and the expected choice."""

    state: TrafficState
    evidence: tuple[Evidence, ...]
    target: str | None
    words: str = ""
    """A text that the reason, an objection, or the refusal must contain."""


HISTORIES = {
    "plain: the record knows": History(seen([LATEST], *FOUR), (recorded("c", 1),), "c", "by our own record"),
    "plain: the requests know": History(
        seen([LATEST], *FOUR), counted(c=18_400), "c", "answered 18,400 of 18,400 requests in the hour before 03:00 UTC"
    ),
    "plain: the log knows": History(seen([LATEST], *FOUR), (logged("c"),), "c", "by the audit log"),
    "canary: whom most users met before it": History(
        seen([Traffic(revision="b", percent=90), Traffic(revision="d", percent=10, tag="canary")], *FOUR),
        counted(b=9_000, d=1_000),
        "b",
        "9,000 of 10,000",
    ),
    "canary of old: a ready revision in between never served everybody": History(
        seen([LATEST], *FOUR), counted(b=19_900, c=100), "b", "19,900 of 20,000"
    ),
    "canary with everything silent": History(
        seen([Traffic(revision="b", percent=90), Traffic(revision="d", percent=10)], *FOUR), (), None, "is not known"
    ),
    "failed deployment between": History(
        seen([LATEST], *FOUR, made("x", 5, ready=False)), counted(c=500), "c", "500 of 500"
    ),
    "earlier rollback: the newest before is the bad one": History(
        seen([LATEST], *FOUR), (*counted(b=18_400), logged("b")), "b", "18,400"
    ),
    "pinned to an older one, and rolled back further by the record": History(
        seen([Traffic(revision="b", percent=100)], *FOUR), (recorded("a", 60),), "a", "by our own record"
    ),
    "a fix that failed too: who served at the onset is nobody's choice": History(
        seen([LATEST], *FOUR, made("e", 0.01)), (*counted(c=18_000, d=(20, 12)), logged("c")), "c", "18,000 of 18,020"
    ),
    "only our record, and it is old": History(seen([LATEST], *FOUR), (recorded("a", 70),), "a", "by our own record"),
    "the record is overtaken by well answered requests of a later revision": History(
        seen([LATEST], *FOUR), (recorded("a", 70), *counted(c=18_400)), "c", "Against it: a was healthy"
    ),
    "the log alone has a newer one than the record: it is not known whether that one was healthy": History(
        seen([LATEST], *FOUR), (recorded("a", 70), logged("c")), None, "c had 100 %"
    ),
    "the requests contradict the record of the same time": History(
        seen([LATEST], *FOUR), (recorded("c", 1), *counted(b=18_400)), "c", "Against it: b answered 18,400"
    ),
    "the log contradicts the requests": History(
        seen([LATEST], *FOUR), (*counted(c=18_400), logged("a")), "c", "Against it: a had 100 %"
    ),
    "the requests are split": History(seen([LATEST], *FOUR), counted(b=500, c=500), None, "c answered 500 of 1,000"),
    "the requests are split, and the log decides": History(
        seen([LATEST], *FOUR), (*counted(b=500, c=500), logged("c")), "c", "b answered 500 of 1,000"
    ),
    "who served before failed as well": History(
        seen([LATEST], *FOUR), counted(c=(1_000, 400)), None, "of which 400 failed"
    ),
    "a handful of requests proves nothing": History(seen([LATEST], *FOUR), counted(c=2), None, "is not known"),
    "the suspect had served for long": History(
        seen([LATEST], *FOUR), (*counted(d=18_400), logged("c", 9)), "c", "d itself answered 18,400"
    ),
    "who served before was deleted": History(
        seen([LATEST], made("a", 72), made("b", 48), made("c", 24, deleted=True), made("d", 0.1)),
        counted(c=18_400),
        None,
        "c answered 18,400 of 18,400 requests in the hour before 03:00 UTC, and cannot be the target: it was deleted",
    ),
    "everything silent": History(seen([LATEST], *FOUR), (), None, "is not known"),
    "only one could be meant": History(seen([LATEST], made("a", 9), made("b", 1)), (), "a", "only earlier revision"),
    "only one is left, and it was not well": History(
        seen([LATEST], made("a", 9), made("b", 1)), counted(a=(100, 90)), None, "90 failed"
    ),
    "only one is left, and a deployment failed in between": History(
        seen([LATEST], made("a", 9), made("x", 5, ready=False), made("b", 1)), (), None, "is not known"
    ),
    "only one is left, and it is a preview": History(
        seen([LATEST, Traffic(revision="a", tag="preview")], made("a", 9), made("b", 1)), (), None, "is not known"
    ),
    "only one is left, and the service is pinned": History(
        seen([Traffic(revision="b", percent=100)], made("a", 9), made("b", 1)), (), None, "is not known"
    ),
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_the_most_trusted_source_decides_or_a_person_is_asked(history: History) -> None:
    """Each history leads to its revision and the reason; without usable evidence it is refused with the candidates."""
    if history.target is None:
        with pytest.raises(Refused) as refused:
            choose_previous(history.state, None, past(*history.evidence))
        assert history.words in refused.value.message
        assert refused.value.candidates
    else:
        choice = choose_previous(history.state, None, past(*history.evidence))
        assert choice.target == history.target
        assert choice.reason.startswith(f"{choice.target} was chosen because it ")
        assert history.words in " ".join((choice.reason, *choice.against))


@pytest.mark.parametrize(
    ("evidence", "good"),
    [
        ((recorded("c", 1),), True),
        (counted(c=900), True),
        ((recorded("c", 1), logged("b")), False),
        ((logged("c"),), False),
        ((recorded("c", 1), *counted(b=500, c=500)), False),
    ],
)
def test_only_an_undisputed_revision_that_was_seen_healthy_is_known_good(
    evidence: tuple[Evidence, ...], *, good: bool
) -> None:
    """The audit log alone, or contradicting evidence, allows no automatic action."""
    assert choose_previous(seen([LATEST], *FOUR), None, past(*evidence)).known_good is good


def test_candidates_come_with_what_is_known_of_each() -> None:
    """They are listed newest first, with their age, the requests they answered and what they serve."""
    state = seen([Traffic(revision="b", percent=90), Traffic(revision="d", percent=10)], *FOUR)
    with pytest.raises(Refused) as refused:
        choose_previous(state, None, past(*counted(b=500, c=500)))
    told = {candidate.name: candidate.reason for candidate in refused.value.candidates}
    assert list(told) == ["c", "b", "a"]
    assert told["b"] == "made 2 d before the incident, ready, serves 90 % now, answered 500 requests in the hour before"
    assert told["a"] == "made 3 d before the incident, ready, answered 0 requests in the hour before"


def test_missing_evidence_is_reported_with_the_choice() -> None:
    """A source without evidence is reported, and is never an error."""
    missing = "No evidence of which revision answered requests before (no answer within 2 s)."
    choice = choose_previous(seen([LATEST], *FOUR), None, past(recorded("c", 1), unknown=(missing,)))
    assert missing in choice.against


def test_the_approver_learns_that_the_suspect_was_made_after_the_onset() -> None:
    """It may be a fix that failed, or the incident may be older than the deployment."""
    state = seen([LATEST], made("a", 72), made("b", 48), made("late", -0.5))
    choice = choose_previous(state, None, past(*counted(b=900)))
    assert choice.target == "b"
    assert "The incident began at 03:00 UTC, before late was made." in choice.against


@pytest.mark.parametrize("evidence", [(recorded("b", 1),), counted(b=900), (logged("b"),)])
def test_the_maintenance_page_is_never_the_target(evidence: tuple[Evidence, ...]) -> None:
    """It is ready and older, but it would close the shop, whatever the evidence says."""
    state = seen([LATEST, Traffic(revision="b", tag="maintenance")], *FOUR)
    with pytest.raises(Refused) as refused:
        choose_previous(state, "maintenance", past(*evidence))
    assert [candidate.name for candidate in refused.value.candidates] == ["c", "a"]


def test_no_newer_revision_is_ever_the_target() -> None:
    """After an earlier rollback the newer revision is the bad one, however many requests it answered."""
    state = seen([Traffic(revision="b", percent=100)], *FOUR)
    with pytest.raises(Refused) as refused:
        choose_previous(state, None, past(*counted(d=900)))
    assert "it is not older than b" in refused.value.message
    assert [candidate.name for candidate in refused.value.candidates] == ["a"]


def test_nothing_older_is_refused_with_what_is_wrong_with_each() -> None:
    """The reason names each revision and its fault; there are no candidates."""
    state = seen([LATEST], made("a", 48, ready=False), made("b", 1))
    with pytest.raises(Refused, match=r"a: it is not ready") as refused:
        choose_previous(state, None, past())
    assert refused.value.candidates == ()


def test_a_serving_revision_that_is_not_listed_is_refused() -> None:
    """Without its age, no revision is known to be older."""
    with pytest.raises(Refused, match="not among the revisions"):
        choose_previous(seen([Traffic(revision="gone", percent=100)], *FOUR), None, past())


def test_an_earlier_rollback_shows_as_a_newer_ready_revision_without_traffic() -> None:
    """A tagged preview is not a sign of a rollback."""
    pinned = Traffic(revision="c", percent=100)
    assert passed_over(seen([pinned], *FOUR), None) == "d"
    assert passed_over(seen([pinned, Traffic(revision="d", tag="preview")], *FOUR), None) is None
    assert passed_over(seen([LATEST], *FOUR), None) is None


def test_a_named_revision_must_be_able_to_serve() -> None:
    """The next step lists those that can."""
    state = seen([LATEST], made("a", 72), made("b", 48), made("c", 1), made("d", 2, ready=False))
    assert choose_named(state, "a", None).target == "a"
    with pytest.raises(Refused) as refused:
        choose_named(state, "d", None)
    assert refused.value.next_step == "These can: c, b, a."


@pytest.mark.parametrize("wanted", ["d", "gone", "a"])
def test_if_the_named_revision_cannot_serve_the_others_are_offered(wanted: str) -> None:
    """A chosen revision may be gone when it is needed: people can choose again among those that can serve."""
    state = seen(
        [LATEST, Traffic(revision="a", tag="page"), Traffic(revision="x", tag="preview")],
        made("a", 72),
        made("x", 60),
        made("b", 48),
        made("c", 1),
        made("d", 2, ready=False),
    )
    with pytest.raises(Refused) as refused:
        choose_named(state, wanted, "page", past(recorded("b", 3)))
    told = {candidate.name: candidate.reason for candidate in refused.value.candidates}
    assert list(told) == ["b", "x"]
    assert told["b"] == "made 2 d before the incident, ready, was healthy, by our own record"
    assert told["x"].endswith("tagged preview")
