"""What was published about an incident before it became private, and what its messages say from then on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from allclear.domain.act import Act
from allclear.domain.durations import counted
from allclear.domain.incident import Classification, Incident
from allclear.domain.plan import Plan
from allclear.domain.privacy import reading_roles_of, where_to_read
from allclear.domain.review.follow_up_tickets import shown_ticket
from allclear.domain.text import plain


def became_private(plan: Plan, incident: Incident) -> Classification | None:
    """Return the kind and severity that made an incident private.

    None if it is public, or was private from the start.
    """
    since: Classification | None = None
    was_private = True
    for one in incident.classifications:
        private = bool(reading_roles_of(plan, one.kind, one.severity))
        if private and not was_private:
            since = one
        was_private = private
    return since if was_private else None


def is_from_before(plan: Plan, incident: Incident, act: Act) -> bool:
    """Return whether an act was proposed before its incident became private, so that its text may hold the title."""
    since = became_private(plan, incident)
    return since is not None and act.number < since.number


def published_before(plan: Plan, incident: Incident) -> str:
    """Return what allclear had published before the incident became private, as a sentence; empty if nothing.

    None of it is taken back: a person decides what others may go on reading.
    """
    since = became_private(plan, incident)
    sent: dict[str, list[Act]] = {}
    for act in incident.acts.values():
        issued = act.begun or (act.outcome is not None and act.outcome.changed)
        if since and act.number < since.number and act.proposed.tells and issued and not act.proposed.undoes:
            sent.setdefault(act.proposed.action, []).append(act)
    if not sent:
        return ""
    listed = "; ".join(f"{action}: {_named(acts)}" for action, acts in sent.items())
    return (
        f"Published before {incident.id} became private, and still there: {listed}. "
        "Change or delete by hand what others must not read."
    )


def _named(acts: Sequence[Act]) -> str:
    """Return the tickets with their addresses; of other messages, how many and what they were sent for."""
    tickets = [ticket for act in acts if (ticket := shown_ticket(act))]
    if tickets:
        named = [" ".join(part for part in (plain(one.number, 40), one.url) if part) for one in tickets]
        return ", ".join(dict.fromkeys(named))
    titles = dict.fromkeys(plain(act.proposed.title or act.id, 60) for act in acts)
    return f"{counted(len(acts), 'message')} ({', '.join(titles)})"


def words_from_now_on(plan: Plan, incident: Incident, act: Act) -> Mapping[str, str]:
    """Return the texts with which to change or cancel a message from before its incident became private.

    Empty for any other message, which keeps its own words.
    """
    if not is_from_before(plan, incident, act):
        return {}
    mark = "[SIMULATED] " if incident.opened.simulated else ""
    return {"subject": f"{mark}{incident.id}", "text": f"{mark}{where_to_read(incident.id, '')}"}
