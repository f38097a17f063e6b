"""Whether an act may go ahead: only the very change that was approved, for carrying it out and for waiting.

An approval is bound to its change by `Change.digest`, which the ask holds. The ask is made in
`allclear.engine.actions.approval_requests`.
"""

from __future__ import annotations

from enum import StrEnum

from allclear.domain.act import Act
from allclear.domain.after_end import may_still_begin
from allclear.domain.incident import Incident
from allclear.domain.pseudo_phases import MESSAGES


class Clearance(StrEnum):
    """Whether an act may go ahead, and if not, why not."""

    FINISHED = "finished"
    """It has an outcome, so nothing is left to do."""
    INTERRUPTED = "interrupted"
    """It has begun and has no outcome yet. It was approved before it began, and is reconciled before it continues."""
    ENDED = "ended"
    """The incident has ended, and this act does not follow its end."""
    NOT_NEEDED = "not-needed"
    """No approval was asked for."""
    APPROVED = "approved"
    """Every approval was given, for exactly this change."""
    WAITING = "waiting"
    """An approval of exactly this change is still open."""
    HELD = "held"
    """It could go ahead without a person, and people have stopped everything automatic: no person has approved it."""
    BLOCKED = "blocked"
    """An approval was denied or withdrawn, or was given for another change."""

    @property
    def may_go_ahead(self) -> bool:
        """Return whether the act may be carried out now."""
        return self in {Clearance.INTERRUPTED, Clearance.NOT_NEEDED, Clearance.APPROVED}


def clearance(incident: Incident, act: Act) -> Clearance:  # noqa: PLR0911 - one for each result
    """Return whether `act` of `incident` may go ahead.

    An approval counts only if its digest is the digest of the proposed change. While the incident is held, an act needs
    a person's approval, or is one that a person started; an act that has begun is finished.
    """
    if act.outcome is not None:
        return Clearance.FINISHED
    if act.begun:
        return Clearance.INTERRUPTED
    if not may_still_begin(incident, act):
        return Clearance.ENDED
    missing = missing_approvals(incident, act)
    if not missing and incident.held and not _goes_on_while_held(incident, act):
        return Clearance.HELD
    if not act.asks:
        return Clearance.NOT_NEEDED
    if not missing:
        return Clearance.APPROVED
    open_now = all(incident.asks[ask].open and _is_for(incident, act, ask) for ask in missing)
    return Clearance.WAITING if open_now else Clearance.BLOCKED


def missing_approvals(incident: Incident, act: Act) -> tuple[str, ...]:
    """Return the asks of `act` that do not approve its proposed change, oldest first."""
    return tuple(ask for ask in act.asks if not (incident.asks[ask].granted and _is_for(incident, act, ask)))


def _goes_on_while_held(incident: Incident, act: Act) -> bool:
    """Return whether an act is a person's own, or only wakes or reminds people and keeps them informed."""
    if act.proposed.pages or act.proposed.phase in MESSAGES:
        return True
    if act.asks:
        return all(incident.asks[ask].granted_by_people for ask in act.asks)
    return act.by.person


def _is_for(incident: Incident, act: Act, ask: str) -> bool:
    return incident.asks[ask].ask.digest == act.proposed.digest
