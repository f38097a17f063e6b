"""Evidence that a revision served well before the incident, from three sources.

Pure: the sources' data goes in, and pieces of evidence come out, each about one revision and with a statement for the
person who approves. `evidence_sources` reads the sources; `previous_revision` decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from allclear.domain.base import Model, Moment
from allclear.domain.baseline import Baseline
from allclear.vendors.cloud_logging import TrafficMove
from allclear.vendors.cloud_monitoring import RequestCount

ALL = 100
"""The percentage of all traffic."""
WINDOW = timedelta(hours=1)
"""How long before the onset requests are counted."""
ONSET_TOLERANCE = timedelta(minutes=5)
"""How inaccurate the onset may be: monitoring notices late, and reports the time when it noticed."""
_SHORTEST_PERIOD = timedelta(minutes=10)
"""A revision that had all traffic for less than this was probably reverted: that is no evidence for it."""


class EvidenceKind(StrEnum):
    """The sources of evidence, the most trusted first."""

    OWN_RECORD = "own_record"
    """Our journal: the revision had all users, and a probe from outside was healthy."""
    REQUESTS = "requests"
    """Cloud Monitoring: how many requests the revision answered."""
    AUDIT_LOG = "audit_log"
    """The admin activity log: the revision had all traffic. Whether it was healthy is not in the log."""


class Evidence(Model):
    """What one source knows about one revision."""

    kind: EvidenceKind
    revision: str
    statement: str = Field(description="The predicate of a sentence: `served 100 % and was healthy at 02:10 UTC, …`.")
    at: Moment = Field(description="The latest moment that it covers.")
    requests: RequestCount | None = None


class Pin(Model):
    """A write that sent all traffic to one revision by name."""

    revision: str
    by: str
    at: Moment


class Past(Model):
    """What is known about the time before the incident, and of the time since then about what serves now."""

    onset: Moment | None = Field(default=None, description="When the incident began; None if no source was asked.")
    asked_at: Moment | None = Field(default=None, description="When the sources were asked.")
    evidence: tuple[Evidence, ...] = Field(default=(), description="From each source, the newest first.")
    since: tuple[Evidence, ...] = Field(default=(), description="Our own record after the onset, the newest first.")
    failing: dict[str, RequestCount] = Field(default={}, description="What each revision answered since the onset.")
    pins: tuple[Pin, ...] = Field(default=(), description="Who pinned the traffic to one revision, the newest first.")
    failed: tuple[Evidence, ...] = Field(
        default=(), description="Revisions that we rolled back from, the newest first."
    )
    unknown: tuple[str, ...] = Field(default=(), description="For each source without evidence, a sentence why.")

    def of(self, kind: EvidenceKind) -> tuple[Evidence, ...]:
        """Return the evidence from one source."""
        return tuple(evidence for evidence in self.evidence if evidence.kind is kind)


def by_own_record(baselines: Sequence[Baseline], onset: datetime, now: datetime) -> list[Evidence]:
    """Return one piece of evidence for each baseline up to the onset, the newest first."""
    return _recorded([baseline for baseline in baselines if baseline.at <= onset], now)


def since_onset(baselines: Sequence[Baseline], onset: datetime, now: datetime) -> list[Evidence]:
    """Return one piece of evidence for each baseline after the onset, the newest first."""
    return _recorded([baseline for baseline in baselines if baseline.at > onset], now)


def _recorded(baselines: Sequence[Baseline], now: datetime) -> list[Evidence]:
    return [
        Evidence(
            kind=EvidenceKind.OWN_RECORD,
            revision=baseline.revision,
            statement=f"served 100 % and was healthy at {clock_time(baseline.at, now)}, by our own record",
            at=baseline.at,
        )
        for baseline in sorted(baselines, key=lambda baseline: baseline.at, reverse=True)
    ]


def pins_in(moves: Sequence[TrafficMove]) -> tuple[Pin, ...]:
    """Return the writes that sent all traffic to one revision by name and say who made them, the newest first."""
    newest_first = sorted(moves, key=lambda move: move.at, reverse=True)
    pins = [(_only(move.requested), move) for move in newest_first]
    return tuple(Pin(revision=revision, by=move.by, at=move.at) for revision, move in pins if revision and move.by)


def by_requests(counts: Mapping[str, RequestCount], onset: datetime, now: datetime) -> list[Evidence]:
    """Return one piece of evidence for each revision that answered requests, the busiest first."""
    total = sum(count.total for count in counts.values())
    evidence: list[Evidence] = []
    for revision, count in sorted(counts.items(), key=lambda item: -item[1].total):
        failed = f", of which {count.failed:,} failed," if count.failed else ""
        counted = f"{count.total:,} of {total:,} requests{failed}"
        statement = f"answered {counted} in the hour before {clock_time(onset, now)}"
        evidence.append(
            Evidence(kind=EvidenceKind.REQUESTS, revision=revision, statement=statement, at=onset, requests=count)
        )
    return evidence


def by_audit_log(moves: Sequence[TrafficMove], onset: datetime, now: datetime) -> list[Evidence]:
    """Return one piece of evidence for each period before the onset in which one revision had all traffic.

    The newest comes first. A period that reaches beyond the onset is left out, because the incident began in it; so is
    one that lasted for a moment only.
    """
    evidence: list[Evidence] = []
    for revision, since, until in reversed(_full_traffic_periods(moves)):
        if until > onset + ONSET_TOLERANCE or (since is not None and until - since < _SHORTEST_PERIOD):
            continue
        begun = f"from {clock_time(since, now)} " if since else ""
        statement = f"had 100 % of the traffic {begun}until {clock_time(until, now)}, by the audit log"
        evidence.append(Evidence(kind=EvidenceKind.AUDIT_LOG, revision=revision, statement=statement, at=until))
    return evidence


def _full_traffic_periods(moves: Sequence[TrafficMove]) -> list[tuple[str, datetime | None, datetime]]:
    """Return which revision had all traffic, since when and until when, in order.

    The start is None for a period that began before the first entry. Between two writes, what the later one reports as
    serving counts more than what the earlier one requested, because a deployment may never have become ready.
    """
    periods: list[tuple[str, datetime | None, datetime]] = []
    earlier: TrafficMove | None = None
    for move in sorted(moves, key=lambda move: move.at):
        revision = None if move.settled else _only(move.serving)
        if revision is None and earlier is not None:
            revision = (_only(earlier.serving) if earlier.settled else None) or _only(earlier.requested)
        if revision is not None:
            since = earlier.at if earlier else None
            if periods and periods[-1][0] == revision and periods[-1][2] == since:
                since = periods.pop()[1]
            periods.append((revision, since, move.at))
        earlier = move
    return periods


def _only(shares: Mapping[str, int]) -> str | None:
    """Return the revision that has all traffic, or None."""
    return next((name for name, percent in shares.items() if percent == ALL), None)


def clock_time(moment: datetime, now: datetime) -> str:
    """Return a moment as `02:10 UTC`, with its date if it is 20 hours or more away from now."""
    far = abs(now - moment) >= timedelta(hours=20)
    return f"{moment:%H:%M} UTC" + (f" on {moment.day} {moment:%b %Y}" if far else "")
