"""How the data of each source becomes evidence: about which revision, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from allclear.domain.baseline import Baseline
from allclear.vendors.cloud_logging import TrafficMove
from allclear.vendors.cloud_monitoring import RequestCount
from tasks.cloud_run.evidence import by_audit_log, by_own_record, by_requests, pins_in

ONSET = datetime(2026, 11, 20, 2, 55, tzinfo=UTC)
NOW = ONSET + timedelta(minutes=4)


def ago(minutes: float) -> datetime:
    """Return the moment so many minutes before the onset."""
    return ONSET - timedelta(minutes=minutes)


def deployed(minutes: float, before: str) -> TrafficMove:
    """A deployment that the traffic followed: the answer says which revision served until then."""
    return TrafficMove(at=ago(minutes), serving={before: 100})


def sent(minutes: float, to: str) -> TrafficMove:
    """Traffic sent to a named revision; the entry does not say which revision served until then."""
    return TrafficMove(at=ago(minutes), requested={to: 100})


def named(moves: list[TrafficMove]) -> list[str]:
    """Return the revisions that the audit log gives evidence for."""
    return [one.revision for one in by_audit_log(moves, ONSET, NOW)]


def test_our_record_counts_newest_first_and_only_before_the_onset() -> None:
    """A baseline from after the onset does not count. The sentence about an old one has its date."""
    record = [
        Baseline(resource="traffic:x", revision=name, at=at, noted_by="VS-1")
        for name, at in (("old", ago(60 * 24 * 6)), ("good", ago(45)), ("late", ago(-3)))
    ]
    statement = by_own_record(record, ONSET, NOW)
    assert [one.revision for one in statement] == ["good", "old"]
    assert statement[0].statement == "served 100 % and was healthy at 02:10 UTC, by our own record"
    assert statement[1].statement == "served 100 % and was healthy at 02:55 UTC on 14 Nov 2026, by our own record"


def test_requests_are_listed_with_failures_the_busiest_first() -> None:
    """The approver reads exact numbers."""
    statement = by_requests({"a": RequestCount(total=400), "b": RequestCount(total=18_000, failed=12)}, ONSET, NOW)
    assert [one.statement for one in statement] == [
        "answered 18,000 of 18,400 requests, of which 12 failed, in the hour before 02:55 UTC",
        "answered 400 of 18,400 requests in the hour before 02:55 UTC",
    ]


def test_an_onset_of_another_day_is_written_with_its_date() -> None:
    """An incident that was left open for a week must not look like tonight's."""
    [statement] = by_requests({"a": RequestCount(total=400)}, ONSET, ONSET + timedelta(days=7))
    assert statement.statement.endswith("in the hour before 02:55 UTC on 20 Nov 2026")


def test_the_log_names_the_revision_that_served_until_each_write() -> None:
    """There were three deployments; the suspect came right before the onset."""
    moves = [deployed(9000, "a"), deployed(4000, "b"), deployed(1, "c")]
    assert named(moves) == ["c", "b", "a"]
    [latest, *_] = by_audit_log(moves, ONSET, NOW)
    assert (
        latest.statement == "had 100 % of the traffic from 08:15 UTC on 17 Nov 2026 until 02:54 UTC, by the audit log"
    )


def test_a_deployment_that_never_served_leaves_the_traffic_where_it_was() -> None:
    """The next write found the old revision serving, so both periods are one."""
    moves = [deployed(9000, "a"), deployed(1440, "b"), deployed(1, "b")]
    statement = by_audit_log(moves, ONSET, NOW)
    assert [one.revision for one in statement] == ["b", "a"]
    assert "from 20:55 UTC on 13 Nov 2026" in statement[0].statement


def test_a_revision_that_was_reverted_within_minutes_is_not_named() -> None:
    """An earlier rollback: b had the traffic for seven minutes, and a before and after it."""
    moves = [deployed(600, "a"), TrafficMove(at=ago(593), serving={"b": 100}, requested={"a": 100}), deployed(1, "a")]
    assert named(moves) == ["a", "a"]


def test_a_revision_that_still_served_after_the_onset_is_not_named() -> None:
    """A fix was deployed during the incident: the revision that served until then is the bad one."""
    moves = [deployed(60, "good"), deployed(-20, "bad")]
    assert named(moves) == ["good"]


def test_traffic_sent_by_name_counts_until_the_next_write() -> None:
    """Without an answer in the log, the requested traffic counts as the serving traffic."""
    assert named([sent(600, "a"), TrafficMove(at=ago(1), requested={"b": 100})]) == ["a"]


def test_a_settled_answer_is_about_the_time_after_it() -> None:
    """The state after the write is no evidence for the time before."""
    moves = [
        TrafficMove(at=ago(600), serving={"a": 100}, settled=True),
        TrafficMove(at=ago(1), requested={"b": 100}),
    ]
    assert named(moves) == ["a"]
    assert named([TrafficMove(at=ago(1), serving={"b": 100}, settled=True)]) == []


def test_shared_traffic_is_no_evidence() -> None:
    """During a canary no revision has all traffic."""
    assert named([TrafficMove(at=ago(1), serving={"a": 90, "b": 10})]) == []


def test_who_pinned_the_traffic_comes_from_the_writes_that_name_one_revision() -> None:
    """A write that splits the traffic, follows the latest revision, or does not say who made it is left out."""
    moves = [
        TrafficMove(at=NOW - timedelta(hours=3), by="ana@example.com", requested={"a": 100}),
        TrafficMove(at=NOW - timedelta(hours=2), by="ben@example.com", requested={"a": 90, "b": 10}),
        TrafficMove(at=NOW - timedelta(hours=1), by="", requested={"b": 100}),
        TrafficMove(at=NOW, by="ci@example.com", serving={"b": 100}),
    ]
    assert [(pin.revision, pin.by) for pin in pins_in(moves)] == [("a", "ana@example.com")]
