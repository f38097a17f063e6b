"""The ticket of a severity that makes only a ticket: who gets one, what opens it, and how it stands. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from allclear.domain.act import Act
from allclear.domain.base import TicketLink
from allclear.domain.follow_up_tickets import shown_ticket, trouble_of
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan, TicketAction
from allclear.domain.privacy import reading_roles_of
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.records import FIRES_AGAIN
from allclear.domain.text import plain

_OPEN = "open"
"""The step that opens it; each time its alert fires again a further step looks at it: `open-1`, `open-2`."""

SILENT_FOR = timedelta(days=60)
"""After this long without its alert a ticket is left to the people: a later alert opens another one."""


def ticket_call(plan: Plan, severity: str, kind: str) -> TicketAction | None:
    """Return what opens a ticket in place of an incident of that severity and kind, or None.

    If only some people may read such an incident, it stays one: everyone who can read the tracker reads its tickets.
    """
    level = plan.severity(severity)
    return level.ticket if level and not reading_roles_of(plan, kind, severity) else None


def call_for(plan: Plan, incident: Incident) -> TicketAction | None:
    """Return what opens the ticket of `incident`, or None if it gets none.

    A mere ticket gets one, and so does an incident whose severity was lowered, unless its alert has one already.
    """
    call = ticket_call(plan, incident.severity, incident.kind)
    if incident.opened.ticket:
        return call
    has_one = any(alert.ticket for alert in incident.alerts.values())
    return call if incident.responds and not incident.over and not has_one else None


def opening_of(incident: Incident) -> tuple[str, datetime]:
    """Return the step that opens the ticket, or opens it again if it was closed, and when it is due first."""
    again = [at for _, at, reason in incident.news if reason == FIRES_AGAIN] if incident.opened.ticket else []
    return (f"{_OPEN}-{len(again)}", again[-1]) if again else (_OPEN, incident.opened_at)


def opening_acts(incident: Incident) -> list[Act]:
    """Return the acts that opened the ticket, or tried to, oldest first."""
    acts = (act for act in incident.acts.values() if act.proposed.phase == TICKET)
    return [act for act in acts if act.proposed.step.partition("-")[0] == _OPEN]


def ticket_link(incident: Incident) -> TicketLink | None:
    """Return the ticket in the tracker, or None while none is proven."""
    found = (shown_ticket(act) for act in reversed(opening_acts(incident)))
    return next((ticket for ticket in found if ticket), None)


def ticket_state(incident: Incident) -> str:
    """Return how the ticket stands, as a clause: its number and address, or why there is none yet."""
    acts, link = opening_acts(incident), ticket_link(incident)
    if link:
        return f"ticket {plain(link.number, 40)}{f', {link.url}' if link.url else ''}"
    return f"no ticket yet: {trouble_of(acts[-1])}" if acts else "its ticket is being opened"


def named_ticket(incident: Incident) -> str:
    """Return the ticket with its address, as `VS-T3 (#12, https://…)`."""
    link = ticket_link(incident)
    parts = [plain(link.number, 40), link.url] if link else []
    return f"{incident.id} ({', '.join(part for part in parts if part)})" if link else incident.id


def only_a_ticket(incident: Incident) -> str:
    """Return what a person reads who declared such a thing."""
    return (
        f"{incident.id} is a ticket and no incident, because its severity is {incident.severity}: no one is paged. "
        f"{ticket_state(incident).capitalize()}. Read on: allclear show {incident.id}"
    )


def ends_at(incident: Incident) -> datetime | None:
    """Return when a mere ticket is left to the people for good; None as long as its alert fires, or it is not open."""
    if not incident.opened.ticket or incident.over or any(one.state == "firing" for one in incident.alerts.values()):
        return None
    acts = opening_acts(incident)
    if not acts or acts[-1].outcome is None or acts[-1].unsettled:
        return None
    if not incident.alerts:
        return acts[-1].finished_at if ticket_link(incident) else None
    return incident.last_change[1] + SILENT_FOR if incident.last_change else None
