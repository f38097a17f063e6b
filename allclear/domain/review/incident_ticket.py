"""The ticket of an incident, or in place of one: who gets one, what opens and closes it, and how it stands. Pure.

An incident gets the ticket of the plan's `incident_tickets`; a severity that makes only a ticket has its own call.
Either way there is one ticket, whatever the severity becomes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from allclear.domain.act import Act
from allclear.domain.base import TicketLink
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan, TicketAction
from allclear.domain.privacy import is_private, reading_roles_of
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.records import FIRES_AGAIN
from allclear.domain.review.follow_up_tickets import shown_ticket, trouble_of
from allclear.domain.runbook import Phase
from allclear.domain.text import plain

_OPEN = "open"
"""The step that opens it; each time the trouble comes back a further step checks it: `open-1`, `open-2`."""

CLOSE = "close"
"""The step that closes it."""

SILENT_FOR = timedelta(days=60)
"""After this long without its alert a mere ticket is left to the people: a later alert opens another one."""


# --- what opens and closes it ------------------------------------------------------------------------


def ticket_call(plan: Plan, severity: str, kind: str) -> TicketAction | None:
    """Return what opens a ticket in place of an incident of that severity and kind, or None.

    If only some people may read such an incident, it stays one: everyone who can read the tracker reads its tickets.
    """
    level = plan.severity(severity)
    return level.ticket if level and not reading_roles_of(plan, kind, severity) else None


def opening_call(plan: Plan, incident: Incident) -> TicketAction | None:
    """Return what opens the ticket of `incident`, or None if it gets none now.

    A mere ticket gets one, and so does an incident whose severity was lowered, unless its alert has one already. Any
    other incident gets one if the plan says so.
    """
    call = ticket_call(plan, incident.severity, incident.kind)
    if incident.opened.ticket or not call:
        return call or (planned_call(plan, incident) if _is_detected(incident) else None)
    has_one = any(alert.ticket for alert in incident.alerts.values())
    return call if incident.responds and not incident.over and not has_one else None


def planned_call(plan: Plan, incident: Incident) -> TicketAction | None:
    """Return what the plan's `incident_tickets` open for `incident`; None if it gets none, now or later."""
    rules = plan.incident_tickets
    if rules is None or incident.opened.ticket or incident.over or not incident.responds:
        return None
    applies = plan.applying([rules], incident.severity, incident.kind, incident.facets)
    return rules.open if applies and not is_private(plan, incident) else None


def _is_detected(incident: Incident) -> bool:
    """Return whether detection has sent its first message, as the page, or is over: the trouble is real then."""
    phase = Phase.DETECT.value
    sent = any(act.outcome for act in incident.acts.values() if act.proposed.phase == phase)
    return sent or phase in incident.left


def opening_of(incident: Incident) -> tuple[str, datetime]:
    """Return the step that opens the ticket, or opens it again if it was closed, and since when it is due.

    The ticket of an incident is checked again each time the service fails again, a mere ticket each time its alert
    fires again.
    """
    if incident.opened.ticket:
        again = [at for _, at, reason in incident.news if reason == FIRES_AGAIN]
    else:
        ended = (period for state in (incident.containment, incident.recovery) for period in state.lost)
        again = [at for _, at in sorted({period.ended_by: period.until for period in ended}.items()) if at]
    return (f"{_OPEN}-{len(again)}", again[-1]) if again else (_OPEN, incident.opened_at)


def closing_call(plan: Plan, incident: Incident) -> TicketAction | None:
    """Return what closes the ticket of an incident that has ended; None if it has none or stays open (`why_open`)."""
    rules, opened = plan.incident_tickets, _opened_by(incident)
    if rules is None or opened is None or not incident.over or why_open(plan, incident):
        return None
    return rules.close


def why_open(plan: Plan, incident: Incident) -> str:
    """Return why the ticket stays open after the incident's end, as a clause; empty if it does not."""
    rules, opened = plan.incident_tickets, _opened_by(incident)
    if opened is None or not incident.over or incident.opened.ticket:
        return ""
    if ticket_call(plan, incident.severity, incident.kind):
        return f"its severity {incident.severity} makes only a ticket, which is left to the people"
    if rules is None or rules.close is None or opened.proposed.action != rules.open.action:
        return "the plan names nothing that closes it"
    return ""


def opening_acts(incident: Incident) -> list[Act]:
    """Return the acts that opened the ticket, or tried to, oldest first."""
    acts = (act for act in incident.acts.values() if act.proposed.phase == TICKET)
    return [act for act in acts if act.proposed.step.partition("-")[0] == _OPEN]


def is_own_ticket(act: Act) -> bool:
    """Return whether an act of the pseudo-phase `ticket` is about the incident's own ticket, and no follow-up's."""
    return act.proposed.step.partition("-")[0] in {_OPEN, CLOSE}


def _opened_by(incident: Incident) -> Act | None:
    """Return the last act that is proven to have opened the ticket, or None."""
    good = (act for act in reversed(opening_acts(incident)) if act.outcome is not None and act.outcome.good)
    return next(good, None)


# --- how it stands -----------------------------------------------------------------------------------


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


def ticket_words(plan: Plan, incident: Incident) -> str:
    """Return how the ticket stands, also after the end: its number, or why it has none; empty if it gets none."""
    acts, opened, closing = opening_acts(incident), _opened_by(incident), incident.act_of(TICKET, CLOSE)
    if not acts:
        waits = planned_call(plan, incident) or opening_call(plan, incident)
        return "it is opened once the trouble is verified" if waits else ""
    if opened is None:
        return f"none yet: {trouble_of(acts[-1])}"
    link = ticket_link(incident)
    number = plain(link.number, 40) if link else "it is opened"
    if closing is not None:
        good = closing.outcome is not None and closing.outcome.good
        return f"{number}, closed" if good else f"{number}, not closed: {trouble_of(closing)}"
    if why := why_open(plan, incident):
        return f"{number}, left open, because {why}"
    last = acts[-1].outcome
    return f"{number}, not opened again: {trouble_of(acts[-1])}" if last and not last.good else number


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
