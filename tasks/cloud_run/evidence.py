"""What speaks for a revision having served well before the trouble: three witnesses, in the order they are trusted.

Pure: what the witnesses said goes in, evidence comes out, each piece about one revision and with the words for whoever
approves. `tasks.cloud_run.evidence_sources` asks them; `tasks.cloud_run.previous_revision` decides.
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

WINDOW = timedelta(hours=1)
"""How long before the onset requests are counted."""
SLACK = timedelta(minutes=5)
"""How far the onset may be off: monitoring notices late, and says when it noticed."""
_HELD = timedelta(minutes=10)
"""Who had the traffic for less than this was taken back, or only passed through: it speaks for nobody."""
ALL = 100


class EvidenceKind(StrEnum):
    """The witnesses, the most trusted first."""

    OWN_RECORD = "own_record"
    """We saw it ourselves: all users, and healthy from outside."""
    REQUESTS = "requests"
    """Cloud Monitoring counted its requests."""
    AUDIT_LOG = "audit_log"
    """The admin activity log says that it had all traffic; how it fared, it does not say."""


class Evidence(Model):
    """One witness's word on one revision."""

    kind: EvidenceKind
    revision: str
    said: str = Field(description="What is known of it, as `served 100 % and was healthy at 02:10 UTC, …`.")
    at: Moment = Field(description="The moment until which it speaks.")
    requests: RequestCount | None = None


class Past(Model):
    """What is known of the time before the trouble."""

    onset: Moment | None = Field(default=None, description="When the trouble began; None where nobody was asked.")
    asked_at: Moment | None = Field(default=None, description="When the witnesses were asked.")
    evidence: tuple[Evidence, ...] = Field(default=(), description="Of each witness the newest first.")
    unknown: tuple[str, ...] = Field(default=(), description="Which witness is silent and why, a sentence each.")

    def of(self, kind: EvidenceKind) -> tuple[Evidence, ...]:
        """Return what one witness said."""
        return tuple(one for one in self.evidence if one.kind is kind)


def by_own_record(baselines: Sequence[Baseline], onset: datetime, now: datetime) -> list[Evidence]:
    """Return one piece of evidence for each baseline until the onset, the newest first."""
    return [
        Evidence(
            kind=EvidenceKind.OWN_RECORD,
            revision=one.revision,
            said=f"served 100 % and was healthy at {clock_time(one.at, now)}, by our own record",
            at=one.at,
        )
        for one in sorted(baselines, key=lambda one: one.at, reverse=True)
        if one.at <= onset
    ]


def by_requests(counts: Mapping[str, RequestCount], onset: datetime, now: datetime) -> list[Evidence]:
    """Return one piece of evidence for each revision that answered requests, the busiest first."""
    every = sum(count.total for count in counts.values())
    found: list[Evidence] = []
    for revision, count in sorted(counts.items(), key=lambda item: -item[1].total):
        failed = f", of which {count.failed:,} failed," if count.failed else ""
        said = f"answered {count.total:,} of {every:,} requests{failed} in the hour before {clock_time(onset, now)}"
        found.append(Evidence(kind=EvidenceKind.REQUESTS, revision=revision, said=said, at=onset, requests=count))
    return found


def by_audit_log(moves: Sequence[TrafficMove], onset: datetime, now: datetime) -> list[Evidence]:
    """Return one piece of evidence for each time that one revision had all traffic before the onset, newest first.

    Leaves out who still had it after the onset, for the trouble happened under it, and who had it for a moment only.
    """
    found: list[Evidence] = []
    for revision, since, until in reversed(_reigns(moves)):
        if until > onset + SLACK or (since is not None and until - since < _HELD):
            continue
        begun = f"from {clock_time(since, now)} " if since else ""
        said = f"had 100 % of the traffic {begun}until {clock_time(until, now)}, by the audit log"
        found.append(Evidence(kind=EvidenceKind.AUDIT_LOG, revision=revision, said=said, at=until))
    return found


def _reigns(moves: Sequence[TrafficMove]) -> list[tuple[str, datetime | None, datetime]]:
    """Return who had all traffic, from when (None: from before the first entry) until when, in order.

    Between two writes, what the later one found serving counts more than what the earlier one had asked for: a
    deployment that never became ready asked in vain.
    """
    ordered = sorted(moves, key=lambda move: move.at)
    found: list[tuple[str, datetime | None, datetime]] = []
    earlier: TrafficMove | None = None
    for move in ordered:
        holder = None if move.settled else _only(move.serving)
        if holder is None and earlier is not None:
            holder = (_only(earlier.serving) if earlier.settled else None) or _only(earlier.requested)
        if holder is not None:
            since = earlier.at if earlier else None
            if found and found[-1][0] == holder and found[-1][2] == since:
                since = found.pop()[1]
            found.append((holder, since, move.at))
        earlier = move
    return found


def _only(shares: Mapping[str, int]) -> str | None:
    return next((name for name, percent in shares.items() if percent == ALL), None)


def clock_time(moment: datetime, now: datetime) -> str:
    """Return a moment as `02:10 UTC`; with its date where that could be taken for another day's."""
    far = abs(now - moment) >= timedelta(hours=20)
    return f"{moment:%H:%M} UTC" + (f" on {moment.day} {moment:%b %Y}" if far else "")
