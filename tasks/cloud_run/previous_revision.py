"""Which revision to roll back to. Pure: the approver sees exact names and the reason.

Cloud Run does not know which revision was healthy, and "the second newest" is wrong after a canary, a failed
deployment or an earlier rollback. So evidence decides (`tasks.cloud_run.evidence`), from the most trusted source first;
without evidence a person chooses. See docs/decisions/0012-previous-revision.md.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from allclear.domain.base import Candidate, Model
from allclear.domain.errors import Refused
from allclear.vendors.cloud_run.views import RunRevision
from tasks.cloud_run.assessment import Assessment, assess, newest_known, only_failing, total_of
from tasks.cloud_run.evidence import ALL, EvidenceKind, Past, clock_time
from tasks.cloud_run.failed_revisions import against
from tasks.cloud_run.traffic_state import TrafficState, shares_in_words, unfit

_NAMED = 3
"""How many revisions a sentence names."""
_OFFERED = 10
"""How many candidates a person is shown."""

_KNOW_HEALTH = {EvidenceKind.OWN_RECORD, EvidenceKind.REQUESTS}
"""The sources that know whether a revision was healthy."""


class Choice(Model):
    """The chosen revision, with the reason, the objections, and the alternatives."""

    target: str
    reason: str
    known_good: bool = False
    """Whether a source saw it serve well, and no other source contradicts."""
    against: tuple[str, ...] = ()
    """Sentences: each reason against it, and each fact that is not known."""
    others: tuple[str, ...] = ()


def choose_previous(state: TrafficState, maintenance: str | None, past: Past) -> Choice:
    """Return the revision that served well before the incident. `maintenance` is the tag of the maintenance revision.

    Raises Refused if no revision fits. If some do and no evidence points to one of them, Refused has `candidates`.
    """
    page = state.tagged(maintenance)
    suspect = _suspect(state, page, past)
    fit = _fit(state, page)
    older = [revision for revision in fit if revision.created < suspect.created]
    possible = [revision for revision in fit if revision in older or _may_be_meant(revision, suspect, past)]
    if not possible:
        raise Refused(
            f"Nothing made before {suspect.name} can serve{_faults(state, suspect, page)}.",
            "Name a revision in `to`, deploy an earlier build, or try another way to contain the incident.",
        )
    failed = {revision.name: fault for revision in possible if (fault := against(past, revision.name))}
    possible = sorted(possible, key=lambda revision: revision.name in failed)  # those are offered last
    sound = tuple(piece for piece in past.evidence if piece.revision not in failed)
    older = [revision for revision in older if revision.name not in failed]
    assessment = assess(state, suspect, older, past.model_copy(update={"evidence": sound}))
    assessment.remarks += [f"{name} {fault}." for name, fault in failed.items()]
    if not assessment.findings or assessment.undecided:
        return _without_evidence(state, suspect, possible, assessment, past)
    best = assessment.findings[0]
    target = next(revision for revision in older if revision.name == best.revision)
    dissent = [evidence for evidence in assessment.findings[1:] if evidence.revision != best.revision]
    return Choice(
        target=target.name,
        known_good=best.kind in _KNOW_HEALTH and not dissent and not assessment.doubts,
        reason=f"{target.name} was chosen because it {best.statement}.{_tag_of(state, target)}",
        against=(
            *(f"Against it: {evidence.revision} {evidence.statement}." for evidence in dissent),
            *assessment.doubts,
            *assessment.remarks,
            *past.unknown,
        ),
        others=_names(older, target),
    )


def _may_be_meant(revision: RunRevision, suspect: RunRevision, past: Past) -> bool:
    """Return whether people may choose a revision that is not older than the suspect.

    It was made at the same time, so which of the two came first is not known; or our own record saw it healthy.
    """
    recorded = {piece.revision for piece in past.of(EvidenceKind.OWN_RECORD)}
    return revision.name != suspect.name and (revision.created == suspect.created or revision.name in recorded)


def _without_evidence(
    state: TrafficState, suspect: RunRevision, possible: list[RunRevision], assessment: Assessment, past: Past
) -> Choice:
    """Return the only possible revision. Raises Refused with the candidates if there are several or there is doubt."""
    known_to_fail = bool(against(past, possible[0].name))
    if not assessment.doubts and not known_to_fail and _is_unambiguous(state, suspect, possible):
        reason = f"{possible[0].name} was chosen because it is the only earlier revision."
        return Choice(target=possible[0].name, reason=reason, against=(*assessment.remarks, *past.unknown))
    known = " ".join((*assessment.doubts, *assessment.remarks, *past.unknown))
    raise Refused(
        f"Which revision served well before {suspect.name} is not known. {known}".strip(),
        "Choose one of them, and name it in `to`.",
        tuple(_candidate(state, revision, past) for revision in _offered(possible, past)),
    )


def _offered(possible: list[RunRevision], past: Past) -> list[RunRevision]:
    """Return the candidates that people see: the newest, and all that evidence names."""
    named = {piece.revision for piece in past.evidence}
    return [r for place, r in enumerate(possible) if place < _OFFERED or r.name in named]


def choose_named(state: TrafficState, name: str, maintenance: str | None, past: Past | None = None) -> Choice:
    """Return the revision called `name`, if it can serve.

    Otherwise raises Refused, with the revisions that can serve and do not have all traffic already as candidates.
    """
    page = state.tagged(maintenance)
    fit = _fit(state, page)
    fault = "it is the maintenance page" if name == page else unfit(state, name)
    if fault:
        others = ", ".join(revision.name for revision in fit[:_NAMED]) or "none"
        alternatives = [revision for revision in fit if state.served().get(revision.name) != ALL]
        raise Refused(
            f"{name} cannot serve: {fault}.",
            f"These can: {others}.",
            tuple(_candidate(state, revision, past or Past()) for revision in alternatives[:_OFFERED]),
        )
    target = next(revision for revision in fit if revision.name == name)
    fault = against(past or Past(), name)
    return Choice(
        target=name,
        reason=f"{name} was requested by name.",
        against=(f"{name} {fault}.",) if fault else (),
        others=_names(fit, target),
    )


def passed_over(state: TrafficState, maintenance: str | None, past: Past | None = None) -> str | None:
    """Return a newer revision that is ready and without traffic: a sign of an earlier rollback. None without one.

    A tagged one may be a preview that never had users. A tag that follows the latest revision says nothing by itself:
    it counts if what serves now is the newest that our own record saw healthy.
    """
    served = state.served()
    pages = {share.revision for share in state.allocation if share.tag and not share.latest}
    following = {share.revision for share in state.allocation if share.tag and share.latest}
    serving = [revision for revision in state.revisions if revision.name in served]
    if not serving:
        return None
    newest = max(serving, key=lambda revision: revision.created)
    previews = pages if past and newest_known(past) == newest.name else pages | following
    newer = [
        revision.name
        for revision in _fit(state, state.tagged(maintenance))
        if revision.name not in served and revision.name not in previews and revision.created > newest.created
    ]
    return newer[0] if newer else None


def who_pinned(state: TrafficState, past: Past) -> str:
    """Return who sent the users to what serves now, as a sentence; empty if that is not known."""
    served = state.served()
    pin = next((pin for pin in past.pins if served.get(pin.revision) == ALL), None)
    if pin:
        return f"{pin.by} sent all traffic to {pin.revision} at {clock_time(pin.at, past.asked_at or pin.at)}."
    last = state.last_changed()
    return f"The service was last changed {last}." if last else ""


def _is_unambiguous(state: TrafficState, suspect: RunRevision, older: list[RunRevision]) -> bool:
    """Return whether no evidence is needed: all users follow the latest, and exactly one fit revision came before."""
    follows = any(share.latest and share.percent == ALL for share in state.allocation)
    previewed = any(share.tag and share.revision == older[0].name for share in state.allocation)
    between = [revision for revision in state.revisions if older[0].created < revision.created < suspect.created]
    return len(older) == 1 and follows and not previewed and not between


# --- sentences -----------------------------------------------------------------------------------------


def _candidate(state: TrafficState, revision: RunRevision, past: Past) -> Candidate:
    share = state.served().get(revision.name)
    counts = past.of(EvidenceKind.REQUESTS)
    served = next((total_of(evidence) for evidence in counts if evidence.revision == revision.name), 0)
    statements = [
        evidence.statement
        for evidence in past.evidence
        if evidence.revision == revision.name and evidence.kind is not EvidenceKind.REQUESTS
    ]
    tags = [share.tag for share in state.allocation if share.tag and share.revision == revision.name]
    parts = [
        against(past, revision.name),
        _made(revision, past.onset),
        "ready",
        f"serves {share} % now" if share else "",
        f"answered {served:,} requests in the hour before" if counts else "",
        *statements[:1],
        f"tagged {tags[0]}" if tags else "",
    ]
    return Candidate(name=revision.name, reason=", ".join(part for part in parts if part))


def _made(revision: RunRevision, onset: datetime | None) -> str:
    if onset is None:
        return f"made at {clock_time(revision.created, revision.created)} on {revision.created:%Y-%m-%d}"
    age = max(onset - revision.created, timedelta(0))
    hours, minutes = age.seconds // 3600, age.seconds // 60
    shown = f"{age.days} d" if age.days else f"{hours} h" if hours else f"{minutes} m"
    return f"made {shown} before the incident"


def _suspect(state: TrafficState, page: str | None, past: Past) -> RunRevision:
    """Return the revision that fails: of what really serves, the only one that does, or else the newest.

    Raises Refused if none of it can have caused the incident.
    """
    served = state.served()
    if page and page in served:
        raise Refused(
            f"The maintenance page {page} is being served, so which revision caused the incident cannot be told.",
            "End the maintenance first, or name the revision in `to`.",
        )
    serving = [revision for revision in state.revisions if revision.name in served]
    if not serving:
        raise Refused(
            f"What serves now ({shares_in_words(served)}) is not among the revisions.", "Name the revision in `to`."
        )
    failing = only_failing(served, past)
    named = next((revision for revision in serving if revision.name == failing), None)
    return named or max(serving, key=lambda revision: (revision.created, revision.name))


def _fit(state: TrafficState, page: str | None) -> list[RunRevision]:
    """Return the revisions that can serve users, the newest first."""
    fit = [revision for revision in state.revisions if revision.name != page and unfit(state, revision.name) is None]
    return sorted(fit, key=lambda revision: revision.created, reverse=True)


def _names(revisions: list[RunRevision], target: RunRevision) -> tuple[str, ...]:
    return tuple(revision.name for revision in revisions if revision is not target)[:_NAMED]


def _tag_of(state: TrafficState, target: RunRevision) -> str:
    tags = [share.tag for share in state.allocation if share.tag and share.revision == target.name]
    return f" It carries the tag {tags[0]}." if tags else ""


def _faults(state: TrafficState, suspect: RunRevision, page: str | None) -> str:
    older = [revision for revision in state.revisions if revision.created < suspect.created]
    faults = [
        f"{revision.name}: {'it is the maintenance page' if revision.name == page else unfit(state, revision.name)}"
        for revision in older[:_NAMED]
    ]
    return f" ({'; '.join(faults)})" if faults else ": there is no earlier revision"
