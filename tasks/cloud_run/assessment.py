"""What the evidence about the past amounts to, given what serves now. Pure.

It finds the revision that each source points to, the doubts that need a person, and what else a person should know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from allclear.vendors.cloud_run.views import RunRevision
from tasks.cloud_run.evidence import ONSET_TOLERANCE, Evidence, EvidenceKind, Past, clock_time
from tasks.cloud_run.traffic_state import TrafficState, shares_in_words, unfit

_NAMED = 3
"""How many revisions a sentence names."""
_DOMINANT = 0.9
"""A revision must have answered this share of the requests that the suspect did not answer."""
_FEWEST_REQUESTS = 20
"""Fewer requests than this prove nothing: Cloud Run counts calls of its own at a deployment."""
_HIGHEST_FAILURE_RATE = 0.05
"""A revision that failed a larger share of its requests was not healthy."""


@dataclass
class Assessment:
    """The assessment of the evidence, given the revision that serves now."""

    state: TrafficState
    suspect: RunRevision
    created: dict[str, datetime]
    """The revisions that could be the target, and when each was made."""
    findings: list[Evidence] = field(default_factory=list[Evidence])
    """From each source the evidence for the one revision that it points to, the most trusted first."""
    doubts: list[str] = field(default_factory=list[str])
    """What makes a guess unsafe: evidence that points to no possible target, or to what serves now."""
    undecided: bool = False
    """Whether the newest evidence points to a revision that only people can choose."""
    remarks: list[str] = field(default_factory=list[str])
    """What else the approver should know."""

    def newest(self, evidence: tuple[Evidence, ...]) -> Evidence | None:
        """Return the newest evidence for a possible target. Evidence for a revision that is gone adds a doubt."""
        for piece in evidence:
            if piece.revision in self.created:
                return piece
            if piece.revision == self.suspect.name:
                continue
            fault = unfit(self.state, piece.revision)
            if fault:
                self.doubts.append(f"{piece.revision} {piece.statement}, and cannot serve: {fault}.")
                continue
            self.doubts.append(f"{piece.revision} {piece.statement}, and {self.not_older(piece.revision)}.")
            self.undecided |= piece.kind is EvidenceKind.OWN_RECORD or self.same_age(piece.revision)
        return None

    def same_age(self, name: str) -> bool:
        """Return whether the revision was made at the same time as the suspect."""
        revision = self.state.revision(name)
        return revision is not None and revision.created == self.suspect.created

    def not_older(self, name: str) -> str:
        """Return why a revision that can serve is no target, as a predicate."""
        if self.same_age(name):
            return f"it was made at the same time as {self.suspect.name}: which came first is not known"
        return f"it is not older than {self.suspect.name}, or the maintenance page"

    def busiest(self, evidence: tuple[Evidence, ...]) -> Evidence | None:
        """Return the evidence for the healthy revision that answered nearly all requests besides the suspect's."""
        others = [piece for piece in evidence if piece.revision != self.suspect.name]
        total = sum(total_of(piece) for piece in others)
        if total < _FEWEST_REQUESTS:
            own = [piece for piece in evidence if piece not in others]
            self.remarks.extend(f"{piece.revision} itself {piece.statement}." for piece in own)
            return None
        best = others[0]
        failed = best.requests.failed if best.requests else 0
        if total_of(best) < _DOMINANT * total or failed > _HIGHEST_FAILURE_RATE * total_of(best):
            self.doubts.extend(f"{piece.revision} {piece.statement}." for piece in others[:_NAMED])
            return None
        if best.revision in self.created:
            return best
        fault = unfit(self.state, best.revision) or self.not_older(best.revision)
        self.undecided |= self.same_age(best.revision)
        self.doubts.append(f"{best.revision} {best.statement}, and cannot be the target: {fault}.")
        return None


def assess(state: TrafficState, suspect: RunRevision, older: list[RunRevision], past: Past) -> Assessment:
    """Return the assessment of `past`; `older` are the revisions that could be the target."""
    assessment = Assessment(state, suspect, {revision.name: revision.created for revision in older})
    record = assessment.newest(past.of(EvidenceKind.OWN_RECORD))
    counted = assessment.busiest(past.of(EvidenceKind.REQUESTS))
    logged = assessment.newest(past.of(EvidenceKind.AUDIT_LOG))
    assessment.findings = [evidence for evidence in (record, counted, logged) if evidence]
    assessment.doubts += _doubts_about_now(state, suspect, past)
    if past.onset and past.asked_at and suspect.created > past.onset + ONSET_TOLERANCE:
        began = clock_time(past.onset, past.asked_at)
        assessment.remarks.append(f"The incident began at {began}, before {suspect.name} was made.")
    # Our record knows nothing about later revisions. Requests that a later revision answered well count more than the
    # record. The audit log does not know whether a later revision was healthy, so it only makes the record doubtful.
    if record and counted and assessment.created[counted.revision] > record.at:
        assessment.findings = [evidence for evidence in (counted, record, logged) if evidence]
    elif record and logged and counted is None and assessment.created[logged.revision] > record.at:
        assessment.findings = []
        assessment.doubts += [f"{evidence.revision} {evidence.statement}." for evidence in (record, logged)]
    return assessment


def _doubts_about_now(state: TrafficState, suspect: RunRevision, past: Past) -> list[str]:
    """Return what makes it doubtful that the suspect caused the trouble, or that the traffic is what it seems."""
    doubts: list[str] = []
    served = state.served()
    if newest_known(past) == suspect.name:
        pieces = [*past.since, *past.of(EvidenceKind.OWN_RECORD)]
        piece = max(pieces, key=lambda piece: piece.at)
        doubts.append(
            f"{suspect.name} serves now and {piece.statement}: nothing newer was seen healthy, so the trouble may not "
            "come from it, or there was a rollback already."
        )
    if len(served) > 1 and only_failing(served, past) is None:
        split = shares_in_words(served)
        doubts.append(f"Users are split ({split}), and it is not known that only one of these fails.")
    if state.settled and state.serving and state.serving != state.shares():
        doubts.append(f"Traffic is set to {state.asked_in_words()}, and Cloud Run serves {shares_in_words(served)}.")
    if state.unlisted:
        doubts.append(f"Not all revisions could be read ({state.unlisted}).")
    return doubts


def only_failing(served: Mapping[str, int], past: Past) -> str | None:
    """Return the one revision of a split that has failed since the onset while the others answered well, or None."""
    counts = {name: past.failing.get(name) for name in served}
    if any(count is None or count.total < _FEWEST_REQUESTS for count in counts.values()):
        return None
    bad = [name for name, count in counts.items() if count and count.failed > _HIGHEST_FAILURE_RATE * count.total]
    return bad[0] if len(bad) == 1 else None


def total_of(evidence: Evidence) -> int:
    """Return how many requests the evidence counts; 0 for evidence of another kind."""
    return evidence.requests.total if evidence.requests else 0


def newest_known(past: Past) -> str | None:
    """Return the revision that our own record saw healthy last, before or after the onset."""
    pieces = [*past.since, *past.of(EvidenceKind.OWN_RECORD)]
    return max(pieces, key=lambda piece: piece.at).revision if pieces else None
