"""What was measured during the incident: by the health checks, and by whatever counted the users' own requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from pydantic import ValidationError

from allclear.domain.action import Finding
from allclear.domain.base import JsonDict
from allclear.domain.durations import in_words
from allclear.domain.incident import Incident
from allclear.domain.local_times import clock
from allclear.domain.records import Contained, Entry, Recovered, StepDone
from allclear.domain.text import markdown_safe
from allclear.domain.traffic import TRAFFIC, Traffic
from allclear.postmortem.affected import affected


class Sample(NamedTuple):
    """How many of some requests failed, at one moment."""

    at: datetime
    requests: int
    failed: int

    @property
    def percent(self) -> float:
        """Return the share that failed, from 0 to 100."""
        return 100 * self.failed / self.requests if self.requests else 0.0

    @property
    def words(self) -> str:
        """Return `12 of 20 requests failed (60 %)`; a small share is never rounded to nothing."""
        return f"{self.failed:,} of {self.requests:,} requests failed ({percent_words(self.percent)})"


class Measurements(NamedTuple):
    """Everything that was measured in an incident."""

    checks: list[Sample]
    """The health checks, in the order in which they were made."""
    traffic: Traffic | None
    """The users' requests as they were counted last, or None if nothing counted them."""
    affected: Sequence[tuple[datetime, datetime | None]] = ()
    """When users were affected; the last span has no end while that goes on."""

    @property
    def worst(self) -> Sample | None:
        """Return the health check with the largest share of failures, or None if none failed."""
        failed = [check for check in self.checks if check.failed]
        return max(failed, key=lambda check: check.percent, default=None)

    @property
    def samples(self) -> list[Sample]:
        """Return what a chart shows over time: the users' requests if they cover several spans, else the checks."""
        return traffic_samples(self.traffic) if self.traffic and self.of_users else self.checks

    @property
    def of_users(self) -> bool:
        """Return whether `samples` are the users' own requests: the incident lasted for several of their spans."""
        if self.traffic is None or len(self.traffic.requests) < FEWEST_SPANS:
            return False
        lasted = self.checks[-1].at - self.checks[0].at if self.checks else None
        return lasted is None or lasted >= timedelta(seconds=FEWEST_SPANS * self.traffic.seconds)


FEWEST_SPANS = 4
"""The fewest spans of users' requests of which a chart says more than the health checks do."""


def measure(incident: Incident, entries: Sequence[Entry]) -> Measurements:
    """Return what the entries record about requests and failures.

    A count of users' requests that ends before the trouble did is left out: metrics lag, and the failures are missing.
    """
    checks: list[Sample] = []
    traffic: Traffic | None = None
    for entry in entries:
        record = entry.record
        if isinstance(record, StepDone | Contained | Recovered):
            sample = _sample(entry.at, record.finding)
            # The proof stands in the record twice: as the result of its step, and as what it proves.
            if sample and (not checks or sample != checks[-1]):
                checks.append(sample)
            traffic = _traffic(record.finding) or traffic
    spans = affected(incident, entries[-1].at) if entries else []
    ended = spans[-1][1] if spans else None
    return Measurements(checks, traffic if traffic and (ended is None or traffic.end >= ended) else None, spans)


def _sample(at: datetime, finding: Finding) -> Sample | None:
    facts = finding.facts
    requests, failed = facts.get("judged", facts.get("requests")), facts.get("failed")
    if not isinstance(requests, int) or not isinstance(failed, int) or not 0 <= failed <= requests or not requests:
        return None
    return Sample(at, requests, failed)


def _traffic(finding: Finding) -> Traffic | None:
    fact: JsonDict | None = finding.facts.get(TRAFFIC)
    try:
        counted = Traffic.model_validate(fact) if fact else None
    except ValidationError:
        return None
    return counted if counted and counted.total else None


def traffic_samples(traffic: Traffic) -> list[Sample]:
    """Return a sample for the middle of each span."""
    half = traffic.seconds / 2
    return [
        Sample(traffic.start + timedelta(seconds=number * traffic.seconds + half), requests, failed)
        for number, (requests, failed) in enumerate(zip(traffic.requests, traffic.failed, strict=False))
    ]


def percent_words(percent: float) -> str:
    """Return `60 %`; below one percent with a decimal, and `under 0.1 %` instead of nothing."""
    if percent >= 1 or not percent:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.1 else "under 0.1 %"  # noqa: PLR2004 - a tenth of a percent


# --- in words --------------------------------------------------------------------------------


def requests_affected(measured: Measurements, zone: tzinfo) -> str:
    """Return how many requests failed and who counted them, in a line; safe in Markdown."""
    traffic, worst = measured.traffic, measured.worst
    if traffic:
        time = f"{clock(traffic.start, zone)} to {clock(traffic.end, zone)}"
        source = f"(counted by {markdown_safe(traffic.source)})"
        return f"{traffic.words}, {time}{_peak(traffic, measured.affected)} {source}"
    if worst:
        return f"not counted; at worst {worst.words} in a health check, {clock(worst.at, zone)} (measured from outside)"
    return "not counted"


def _peak(traffic: Traffic, affected: Sequence[tuple[datetime, datetime | None]]) -> str:
    """Return the share of failures in the worst span, because a long count hides a short trouble.

    If users were affected for only a part of that span, the line says for how long: during that part the share was
    higher.
    """
    samples = traffic_samples(traffic)
    worst = max(samples, key=lambda sample: sample.percent)
    if len(samples) == 1 or not worst.failed:
        return ""
    span = "minute" if traffic.seconds == _MINUTE else in_words(timedelta(seconds=traffic.seconds))
    begin, whole = worst.at - timedelta(seconds=traffic.seconds / 2), timedelta(seconds=traffic.seconds)
    overlaps = [min(end or traffic.end, begin + whole) - max(start, begin) for start, end in affected]
    part = sum((one for one in overlaps if one > timedelta()), timedelta())
    only = f", in which users were affected for {in_words(part)}" if timedelta() < part < whole else ""
    return f"; {percent_words(worst.percent)} in the worst {span}{only}"


_MINUTE = 60


def measured_lines(entries: Sequence[Entry], measured: Measurements, zone: tzinfo) -> str:
    """Return a list of what was measured at detection, containment and recovery, and of the users' requests."""
    lines = [f"- {clock(at, zone)} {event}: {markdown_safe(sentence)}" for at, event, sentence in _turns(entries)]
    if measured.traffic:
        lines.append(f"- Users: {requests_affected(measured, zone)}.")
    return "\n".join(lines) or "- Nothing was measured."


def _turns(entries: Sequence[Entry]) -> Iterator[tuple[datetime, str, str]]:
    detected = False
    for entry in entries:
        record = entry.record
        if isinstance(record, StepDone) and record.finding.verdict == "failure" and not detected:
            detected = True
            yield entry.at, "when it was detected", record.finding.sentence
        elif isinstance(record, Contained):
            yield entry.at, "when it was contained", record.finding.sentence
        elif isinstance(record, Recovered):
            yield entry.at, "when it had recovered", record.finding.sentence
