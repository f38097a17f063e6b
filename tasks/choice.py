"""Which revision to roll back to. Pure, and able to say why: the approver sees exact names and the reason.

Cloud Run does not know which revision was healthy. What can be read from it: what serves now, what is ready, and in
which order they were made. "The second newest" is wrong after a canary, a failed deployment or an earlier rollback.
"""

from __future__ import annotations

from allclear.domain.base import Model
from allclear.domain.errors import Refused
from allclear.vendors.cloud_run_views import RunRevision
from tasks.allocation import TrafficState, unfit

_NAMED = 3


class Choice(Model):
    """The revision that was chosen, why, and what else could have been."""

    target: str
    why: str
    others: tuple[str, ...] = ()


def choose_previous(state: TrafficState, maintenance: str | None) -> Choice:
    """Returns the revision before the one that serves. `maintenance` is the tag of the maintenance revision.

    Raises Refused, with the candidates and what is wrong with them, where none fits.
    """
    page = state.tagged(maintenance)
    shares = state.shares()
    if page and page in shares:
        raise Refused(
            f"The maintenance page {page} is being served: what came before it says nothing about the trouble.",
            "End the maintenance first, or name the revision in `to`.",
        )
    serving = [revision for revision in state.revisions if revision.name in shares]
    if not serving:
        raise Refused(f"What serves now ({state.say()}) is not among the revisions.", "Name the revision in `to`.")
    suspect = max(serving, key=lambda revision: revision.created)
    older = [revision for revision in _fit(state, page) if revision.created < suspect.created]
    sharing = [revision for revision in older if revision.name in shares]
    if sharing:
        target = max(sharing, key=lambda revision: (shares[revision.name], revision.created))
        why = (
            f"{target.name} was chosen, for it serves {shares[target.name]} % beside {suspect.name},"
            " the newest that serves."
        )
    elif older:
        target = older[0]
        why = f"{target.name} was chosen, for it is the newest ready revision made before {suspect.name}."
    else:
        raise Refused(
            f"Nothing made before {suspect.name} can serve{_faults(state, suspect, page)}.",
            "Name a revision in `to`, deploy an earlier build, or try another way to contain it.",
        )
    return Choice(target=target.name, why=why + _preview(state, target), others=_names(older, target))


def choose_named(state: TrafficState, name: str, maintenance: str | None) -> Choice:
    """Returns the revision called `name`, if it can serve. Raises Refused with the candidates if not."""
    page = state.tagged(maintenance)
    fit = _fit(state, page)
    fault = "it is the maintenance page" if name == page else unfit(state, name)
    if fault:
        others = ", ".join(revision.name for revision in fit[:_NAMED]) or "none"
        raise Refused(f"{name} cannot serve: {fault}.", f"Those that can: {others}.")
    target = next(revision for revision in fit if revision.name == name)
    return Choice(target=name, why=f"{name} was asked for by name.", others=_names(fit, target))


def passed_over(state: TrafficState, maintenance: str | None) -> str | None:
    """Returns a newer revision that is ready, untagged, and gets no traffic: the mark of an earlier rollback."""
    shares = state.shares()
    tagged = {share.revision for share in state.allocation if share.tag}
    serving = [revision.created for revision in state.revisions if revision.name in shares]
    newer = [
        revision.name
        for revision in _fit(state, state.tagged(maintenance))
        if revision.name not in shares and revision.name not in tagged and serving and revision.created > max(serving)
    ]
    return newer[0] if newer else None


def _fit(state: TrafficState, page: str | None) -> list[RunRevision]:
    """Returns what could serve users, the newest first."""
    fit = [revision for revision in state.revisions if revision.name != page and unfit(state, revision.name) is None]
    return sorted(fit, key=lambda revision: revision.created, reverse=True)


def _names(revisions: list[RunRevision], target: RunRevision) -> tuple[str, ...]:
    return tuple(revision.name for revision in revisions if revision is not target)[:_NAMED]


def _preview(state: TrafficState, target: RunRevision) -> str:
    tags = [share.tag for share in state.allocation if share.tag and share.revision == target.name]
    return f" It carries the tag {tags[0]}: it may never have served users." if tags else ""


def _faults(state: TrafficState, suspect: RunRevision, page: str | None) -> str:
    older = [revision for revision in state.revisions if revision.created < suspect.created]
    said = [
        f"{revision.name}: {'it is the maintenance page' if revision.name == page else unfit(state, revision.name)}"
        for revision in older[:_NAMED]
    ]
    return f" ({'; '.join(said)})" if said else ", for nothing was"
