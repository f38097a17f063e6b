"""Which revision to roll back to. Pure, and able to say why: the approver sees exact names and the reason.

Cloud Run does not know which revision was healthy, and "the second newest" is wrong after a canary, a failed
deployment or an earlier rollback. So witnesses decide, in the order they are trusted (`tasks.cloud_run.evidence`), and
where none
can tell, a person does. See docs/decisions/0012-previous-revision.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from allclear.domain.base import Candidate, Model
from allclear.domain.errors import Refused
from allclear.vendors.cloud_run.views import RunRevision
from tasks.cloud_run.evidence import SLACK, Evidence, EvidenceKind, Past, clock_time
from tasks.cloud_run.traffic_state import ALL, TrafficState, unfit

_NAMED = 3
_OFFERED = 10
"""How many candidates a person is shown."""
_MOST = 0.9
"""The share of the requests not answered by the suspect that must speak for one revision."""
_ENOUGH = 20
"""Fewer requests than this speak for nobody: Cloud Run counts calls of its own at a deployment."""
_WELL = 0.05
"""A revision that failed a bigger share of its requests than this was not well."""


_SAW_HEALTH = {EvidenceKind.OWN_RECORD, EvidenceKind.REQUESTS}
"""The witnesses that know how a revision fared."""


class Choice(Model):
    """The revision that was chosen, why, what speaks against it or is not known, and what else could have been."""

    target: str
    reason: str
    known_good: bool = False
    """Whether it was seen to serve well, by a witness that nobody contradicts."""
    against: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def choose_previous(state: TrafficState, maintenance: str | None, past: Past) -> Choice:
    """Return the revision that served well before the trouble. `maintenance` is the tag of the maintenance revision.

    Raises Refused where none fits; with `candidates`, where some do and nothing tells which was meant.
    """
    page = state.tagged(maintenance)
    suspect = _suspect(state, page)
    older = [revision for revision in _fit(state, page) if revision.created < suspect.created]
    if not older:
        raise Refused(
            f"Nothing made before {suspect.name} can serve{_faults(state, suspect, page)}.",
            "Name a revision in `to`, deploy an earlier build, or try another way to contain it.",
        )
    heard = _heard(state, suspect, older, past)
    if not heard.votes:
        if not heard.doubts and _plain(state, suspect, older):
            reason = f"{older[0].name} was chosen: it is the only one that could be meant."
            return Choice(target=older[0].name, reason=reason, against=(*heard.remarks, *past.unknown))
        said = " ".join((*heard.doubts, *heard.remarks, *past.unknown))
        raise Refused(
            f"Which revision served well before {suspect.name} is not known. {said}".strip(),
            "Choose one of them, and name it in `to`.",
            tuple(_candidate(state, revision, past) for revision in older[:_OFFERED]),
        )
    best = heard.votes[0]
    target = next(revision for revision in older if revision.name == best.revision)
    dissent = [one for one in heard.votes[1:] if one.revision != best.revision]
    return Choice(
        target=target.name,
        known_good=best.kind in _SAW_HEALTH and not dissent and not heard.doubts,
        reason=f"{target.name} was chosen: it {best.said}.{_preview(state, target)}",
        against=(
            *(f"Against it: {one.revision} {one.said}." for one in dissent),
            *heard.doubts,
            *heard.remarks,
            *past.unknown,
        ),
        others=_names(older, target),
    )


def choose_named(state: TrafficState, name: str, maintenance: str | None, past: Past | None = None) -> Choice:
    """Return the revision called `name`, if it can serve.

    Raises Refused if not, with the candidates that can and do not serve everybody already; the engine then asks again.
    """
    page = state.tagged(maintenance)
    fit = _fit(state, page)
    fault = "it is the maintenance page" if name == page else unfit(state, name)
    if fault:
        others = ", ".join(revision.name for revision in fit[:_NAMED]) or "none"
        instead = [revision for revision in fit if state.shares().get(revision.name) != ALL]
        raise Refused(
            f"{name} cannot serve: {fault}.",
            f"Those that can: {others}.",
            tuple(_candidate(state, revision, past or Past()) for revision in instead[:_OFFERED]),
        )
    target = next(revision for revision in fit if revision.name == name)
    return Choice(target=name, reason=f"{name} was asked for by name.", others=_names(fit, target))


def passed_over(state: TrafficState, maintenance: str | None) -> str | None:
    """Return a newer revision that is ready, untagged, and gets no traffic: the mark of an earlier rollback."""
    shares = state.shares()
    tagged = {share.revision for share in state.allocation if share.tag}
    serving = [revision.created for revision in state.revisions if revision.name in shares]
    newer = [
        revision.name
        for revision in _fit(state, state.tagged(maintenance))
        if revision.name not in shares and revision.name not in tagged and serving and revision.created > max(serving)
    ]
    return newer[0] if newer else None


# --- the witnesses -----------------------------------------------------------------------------------


@dataclass
class _Heard:
    """What the witnesses come to, seen from what serves now."""

    state: TrafficState
    suspect: RunRevision
    made: dict[str, datetime]
    """When each revision was made that could be gone back to."""
    votes: list[Evidence] = field(default_factory=list[Evidence])
    """For each witness the one revision that it speaks for, the most trusted first."""
    doubts: list[str] = field(default_factory=list[str])
    """What was said and names nobody who could serve: it keeps us from guessing."""
    remarks: list[str] = field(default_factory=list[str])
    """What else the approver should know."""

    def newest(self, said: tuple[Evidence, ...]) -> Evidence | None:
        """Return the newest word on a revision that could be gone back to; one that is gone leaves a doubt."""
        for one in said:
            if one.revision in self.made:
                return one
            fault = unfit(self.state, one.revision)
            if one.revision != self.suspect.name and fault:
                self.doubts.append(f"{one.revision} {one.said}, and cannot serve: {fault}.")
        return None

    def busiest(self, said: tuple[Evidence, ...]) -> Evidence | None:
        """Return the word on the revision that answered, and well, nearly all that the suspect did not answer."""
        others = [one for one in said if one.revision != self.suspect.name]
        every = sum(_total(one) for one in others)
        if every < _ENOUGH:
            self.remarks.extend(f"{one.revision} itself {one.said}." for one in said if one not in others)
            return None
        best = others[0]
        failed = best.requests.failed if best.requests else 0
        if _total(best) < _MOST * every or failed > _WELL * _total(best):
            self.doubts.extend(f"{one.revision} {one.said}." for one in others[:_NAMED])
            return None
        if best.revision in self.made:
            return best
        fault = unfit(self.state, best.revision) or f"it is not older than {self.suspect.name}, or the maintenance page"
        self.doubts.append(f"{best.revision} {best.said}, and cannot be gone back to: {fault}.")
        return None


def _heard(state: TrafficState, suspect: RunRevision, older: list[RunRevision], past: Past) -> _Heard:
    heard = _Heard(state, suspect, {revision.name: revision.created for revision in older})
    record = heard.newest(past.of(EvidenceKind.OWN_RECORD))
    counted = heard.busiest(past.of(EvidenceKind.REQUESTS))
    logged = heard.newest(past.of(EvidenceKind.AUDIT_LOG))
    heard.votes = [one for one in (record, counted, logged) if one]
    if past.onset and past.asked_at and suspect.created > past.onset + SLACK:
        began = clock_time(past.onset, past.asked_at)
        heard.remarks.append(f"The trouble began at {began}, before {suspect.name} was made.")
    # A record is no word on what was made after it. Requests that a later revision answered well overtake it; the
    # log's word alone, which does not tell how that one fared, only casts doubt on it.
    if record and counted and heard.made[counted.revision] > record.at:
        heard.votes = [one for one in (counted, record, logged) if one]
    elif record and logged and counted is None and heard.made[logged.revision] > record.at:
        heard.votes, heard.doubts = [], [*heard.doubts, *(f"{one.revision} {one.said}." for one in (record, logged))]
    return heard


def _total(one: Evidence) -> int:
    return one.requests.total if one.requests else 0


def _plain(state: TrafficState, suspect: RunRevision, older: list[RunRevision]) -> bool:
    """Return whether no witness is needed: all users follow the latest, and one revision came before it, well made."""
    follows = any(share.latest and share.percent == ALL for share in state.allocation)
    previewed = any(share.tag and share.revision == older[0].name for share in state.allocation)
    between = [one for one in state.revisions if older[0].created < one.created < suspect.created]
    return len(older) == 1 and follows and not previewed and not between


# --- words -------------------------------------------------------------------------------------------


def _candidate(state: TrafficState, revision: RunRevision, past: Past) -> Candidate:
    share = state.shares().get(revision.name)
    counts = past.of(EvidenceKind.REQUESTS)
    served = next((one.requests.total for one in counts if one.revision == revision.name and one.requests), 0)
    known = [
        one.said for one in past.evidence if one.revision == revision.name and one.kind is not EvidenceKind.REQUESTS
    ]
    tags = [share.tag for share in state.allocation if share.tag and share.revision == revision.name]
    parts = [
        _made(revision, past.onset),
        "ready",
        f"serves {share} % now" if share else "",
        f"answered {served:,} requests in the hour before" if counts else "",
        *known[:1],
        f"tagged {tags[0]}" if tags else "",
    ]
    return Candidate(name=revision.name, reason=", ".join(part for part in parts if part))


def _made(revision: RunRevision, onset: datetime | None) -> str:
    if onset is None:
        return f"made at {clock_time(revision.created, revision.created)} on {revision.created:%Y-%m-%d}"
    age = max(onset - revision.created, timedelta(0))
    hours, minutes = age.seconds // 3600, age.seconds // 60
    told = f"{age.days} d" if age.days else f"{hours} h" if hours else f"{minutes} m"
    return f"made {told} before the trouble"


def _suspect(state: TrafficState, page: str | None) -> RunRevision:
    """Return the newest revision that serves. Raises Refused where that says nothing about the trouble."""
    shares = state.shares()
    if page and page in shares:
        raise Refused(
            f"The maintenance page {page} is being served: what came before it says nothing about the trouble.",
            "End the maintenance first, or name the revision in `to`.",
        )
    serving = [revision for revision in state.revisions if revision.name in shares]
    if not serving:
        raise Refused(f"What serves now ({state.say()}) is not among the revisions.", "Name the revision in `to`.")
    return max(serving, key=lambda revision: revision.created)


def _fit(state: TrafficState, page: str | None) -> list[RunRevision]:
    """Return what could serve users, the newest first."""
    fit = [revision for revision in state.revisions if revision.name != page and unfit(state, revision.name) is None]
    return sorted(fit, key=lambda revision: revision.created, reverse=True)


def _names(revisions: list[RunRevision], target: RunRevision) -> tuple[str, ...]:
    return tuple(revision.name for revision in revisions if revision is not target)[:_NAMED]


def _preview(state: TrafficState, target: RunRevision) -> str:
    tags = [share.tag for share in state.allocation if share.tag and share.revision == target.name]
    return f" It carries the tag {tags[0]}." if tags else ""


def _faults(state: TrafficState, suspect: RunRevision, page: str | None) -> str:
    older = [revision for revision in state.revisions if revision.created < suspect.created]
    said = [
        f"{revision.name}: {'it is the maintenance page' if revision.name == page else unfit(state, revision.name)}"
        for revision in older[:_NAMED]
    ]
    return f" ({'; '.join(said)})" if said else ", for nothing was"
