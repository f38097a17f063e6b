"""When the target of a rollback is in doubt: nothing is known good then, and no evidence is dropped without a word."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.errors import Refused
from allclear.vendors.cloud_monitoring import RequestCount
from allclear.vendors.cloud_run.views import RunRevision, RunService, Traffic
from tasks.cloud_run.evidence import Past, Pin
from tasks.cloud_run.previous_revision import choose_previous, passed_over, who_pinned
from tasks.cloud_run.traffic_state import TrafficState, state_of
from tests.unit.tasks.cloud_run.test_previous_revision import NOW, counted, made, past, recorded, seen

PINNED = [Traffic(revision="shop-00041", percent=100)]
LATEST = [Traffic(revision=None, percent=100)]
LIVE = Traffic(revision=None, percent=0, tag="live")
THREE = (made("shop-00040", 72), made("shop-00041", 48), made("shop-00042", 1))


def serving(traffic: list[Traffic], served: dict[str, int], *revisions: RunRevision) -> TrafficState:
    """Return a settled state in which Cloud Run serves something else than was asked for."""
    ordered = tuple(sorted(revisions, key=lambda revision: revision.created, reverse=True))
    service = RunService(
        path="projects/p/locations/r/services/shop",
        etag="one",
        generation=1,
        observed_generation=1,
        reconciling=False,
        succeeded=False,
        routed=False,
        latest_ready=next(revision.name for revision in ordered if revision.ready),
        latest_created=ordered[0].name,
        traffic=tuple(traffic),
        serving=served,
    )
    return state_of(service, ordered)


# --- what serves is the newest that was well (D1) -----------------------------------------------------------------


def test_what_serves_is_the_newest_that_was_well_so_nothing_is_known_good() -> None:
    """40 was well two days ago and 41 twenty minutes ago: going back from 41 to 40 needs a person."""
    state = seen([*PINNED, LIVE], *THREE)
    known = past(recorded("shop-00041", 1 / 3), recorded("shop-00040", 48))
    choice = choose_previous(state, None, known)
    assert (choice.target, choice.known_good) == ("shop-00040", False)
    assert "shop-00041 serves now and was healthy, by our own record" in " ".join(choice.against)
    assert passed_over(state, None, known) == "shop-00042"


def test_a_record_from_after_the_onset_counts_for_what_serves() -> None:
    """The traffic was moved by hand during the incident, and a probe found it well since."""
    known = past(recorded("shop-00040", 48)).model_copy(update={"since": (recorded("shop-00041", -0.1),)})
    assert not choose_previous(seen(PINNED, *THREE), None, known).known_good


def test_a_tag_that_follows_the_latest_revision_is_a_preview_unless_what_serves_was_well() -> None:
    """A candidate that is deployed without traffic looks the same, and says nothing about a rollback."""
    assert passed_over(seen([*PINNED, LIVE], *THREE), None, past(recorded("shop-00040", 48))) is None


def test_who_pinned_the_traffic_is_named() -> None:
    """The audit log knows it; without it Cloud Run's own last writer is named."""
    pin = Pin(revision="shop-00041", by="ana@example.com", at=NOW - timedelta(minutes=10))
    state = seen(PINNED, *THREE)
    assert who_pinned(state, past().model_copy(update={"pins": (pin,)})) == (
        "ana@example.com sent all traffic to shop-00041 at 02:50 UTC."
    )
    last = state.model_copy(update={"modified_by": "ben@example.com"})
    assert who_pinned(last, past()) == "The service was last changed by ben@example.com."
    assert not who_pinned(state, past())


# --- evidence is never dropped (D2, D3) ---------------------------------------------------------------------------


def test_the_known_good_revision_may_be_older_than_the_newest_hundreds() -> None:
    """It is kept, chosen, and offered, although 599 revisions are newer; the record keeps few of the others."""
    many = [made(f"shop-{number:05d}", 700 - number) for number in range(1, 601)]
    state = seen(LATEST, *many)
    known = past(recorded("shop-00007", 5))
    assert choose_previous(state, None, known).target == "shop-00007"
    with pytest.raises(Refused) as refused:
        choose_previous(state, None, past(*counted(**{"shop-00007": 500, "shop-00599": 500})))
    assert "shop-00007" in {candidate.name for candidate in refused.value.candidates}
    kept = [r["name"] for r in state.model_copy(update={"past": known}).model_dump(mode="json")["revisions"]]
    assert "shop-00007" in kept
    assert len(kept) < 40


@pytest.mark.parametrize("evidence", [(recorded("shop-00041", 1),), counted(**{"shop-00041": 900})])
def test_revisions_of_the_same_moment_are_put_to_people(evidence: tuple[object, ...]) -> None:
    """Which came first is not known, so 40 is not chosen as the only one that could be meant."""
    state = seen(LATEST, made("shop-00040", 72), made("shop-00042", 1), made("shop-00041", 1))
    known = Past.model_validate({"onset": NOW, "asked_at": NOW, "evidence": evidence})
    with pytest.raises(Refused) as refused:
        choose_previous(state, None, known)
    assert "shop-00041" in refused.value.message
    assert "at the same time as shop-00042" in refused.value.message
    assert [candidate.name for candidate in refused.value.candidates] == ["shop-00041", "shop-00040"]


def test_a_good_revision_that_is_newer_than_what_serves_is_put_to_people() -> None:
    """Our own record saw 42 well, and 41 serves: neither 42 nor 40 is chosen without a person."""
    with pytest.raises(Refused) as refused:
        choose_previous(seen(PINNED, *THREE), None, past(recorded("shop-00042", 0.5), recorded("shop-00040", 48)))
    assert "shop-00042 was healthy, by our own record, and it is not older than shop-00041" in refused.value.message
    told = {candidate.name: candidate.reason for candidate in refused.value.candidates}
    assert list(told) == ["shop-00042", "shop-00040"]
    assert "by our own record" in told["shop-00042"]


def test_a_recorded_revision_that_cannot_serve_makes_the_older_one_doubtful() -> None:
    """It is named as an objection."""
    state = seen(LATEST, made("shop-00040", 72), made("shop-00041", 48, deleted=True), made("shop-00042", 1))
    choice = choose_previous(state, None, past(recorded("shop-00041", 2), recorded("shop-00040", 60)))
    assert (choice.target, choice.known_good) == ("shop-00040", False)
    assert "cannot serve: it was deleted" in " ".join(choice.against)


# --- the suspect is what serves (D4) ------------------------------------------------------------------------------


def test_the_suspect_is_what_serves_and_not_what_was_asked_for() -> None:
    """All users are on s-02, because s-03 never became ready: the rollback goes to s-01, and a person approves it."""
    asked = [Traffic(revision="s-02", percent=90), Traffic(revision="s-03", percent=10)]
    revisions = (made("s-01", 72), made("s-02", 48), made("s-03", 1, ready=False))
    state = serving(asked, {"s-02": 100}, *revisions)
    choice = choose_previous(state, None, past(recorded("s-01", 50)))
    assert (choice.target, choice.known_good) == ("s-01", False)
    assert "Traffic is set to 90 % s-02, 10 % s-03, and Cloud Run serves 100 % s-02." in choice.against
    assert state.in_words() == "90 % s-02, 10 % s-03, of which Cloud Run serves 100 % s-02"


def test_traffic_that_names_a_revision_that_does_not_exist_does_not_hide_what_serves() -> None:
    """Cloud Run goes on serving the former revision."""
    state = serving([Traffic(revision="s-99", percent=100)], {"s-02": 100}, made("s-01", 72), made("s-02", 48))
    assert choose_previous(state, None, past(recorded("s-01", 50))).target == "s-01"


# --- a split is not known good (D5) -------------------------------------------------------------------------------

SPLIT = [
    Traffic(revision="shop-00040", percent=50),
    Traffic(revision="shop-00041", percent=30),
    Traffic(revision="shop-00042", percent=20),
]


def failing(**counts: tuple[int, int]) -> Past:
    """Return the past with a record of 40 and 41, and what each revision answered since the onset."""
    known = past(recorded("shop-00041", 1), recorded("shop-00040", 48))
    since = {
        f"shop-000{name[1:]}": RequestCount(total=total, failed=failed) for name, (total, failed) in counts.items()
    }
    return known.model_copy(update={"failing": since})


def test_a_split_is_not_known_good() -> None:
    """Which of three revisions fails is not known: a person decides."""
    choice = choose_previous(seen(SPLIT, *THREE), None, failing())
    assert not choice.known_good
    assert "Users are split (50 % shop-00040, 30 % shop-00041, 20 % shop-00042)" in " ".join(choice.against)


def test_a_split_in_which_only_one_revision_fails_is_as_good_as_no_split() -> None:
    """42 fails a third of its requests and the others none: going back to 41 is known good."""
    known = failing(r40=(500, 0), r41=(300, 1), r42=(200, 70))
    assert choose_previous(seen(SPLIT, *THREE), None, known).target == "shop-00041"
    assert choose_previous(seen(SPLIT, *THREE), None, known).known_good


@pytest.mark.parametrize(
    "counts",
    [
        {"r40": (500, 200), "r41": (300, 120), "r42": (200, 70)},
        {"r40": (500, 0), "r41": (300, 0), "r42": (200, 1)},
        {"r40": (500, 0), "r41": (300, 0), "r42": (3, 3)},
        {"r40": (500, 0), "r42": (200, 70)},
    ],
    ids=["all fail", "none fails", "too few requests", "one is not counted"],
)
def test_a_split_whose_errors_do_not_differ_clearly_is_not_known_good(counts: dict[str, tuple[int, int]]) -> None:
    """Only one revision may fail, and each must have answered enough."""
    assert not choose_previous(seen(SPLIT, *THREE), None, failing(**counts)).known_good


def test_revisions_that_could_not_all_be_read_leave_a_doubt() -> None:
    """The evidence names a revision that was read by its name; what else there is is not known."""
    state = seen(LATEST, *THREE).model_copy(update={"unlisted": "Cloud Run could not be reached"})
    choice = choose_previous(state, None, past(recorded("shop-00041", 1)))
    assert (choice.target, choice.known_good) == ("shop-00041", False)
    assert "Not all revisions could be read (Cloud Run could not be reached)." in choice.against
