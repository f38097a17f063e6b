"""The tickets of follow-ups: which the plan wants, and how each stands. Pure."""

from __future__ import annotations

import re

from allclear.domain.act import Act
from allclear.domain.base import TicketLink
from allclear.domain.incident import Incident
from allclear.domain.local_times import day
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_private
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.text import LONG, bare, plain

_ADDRESS = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.:/_#?=&%~+,;@-]*")
"""What is shown as a link: a vendor's answer must not bring another kind of address onto a page."""


def follow_up_line(plan: Plan, incident: Incident, number: int) -> str:
    """Return follow-up `number` with its owner and date, and whether it is done."""
    item, done = incident.follow_ups[number - 1], number in incident.follow_ups_done
    about = f"{plain(item.owner, 60)}, by {day(item.due, plan.zone)}{', done' if done else ''}"
    return f"{number}. {plain(item.text, LONG)} ({about})"


def wants_tickets(plan: Plan, incident: Incident) -> bool:
    """Return whether the follow-ups of `incident` get tickets. A private incident's do not: others would read them."""
    rules = plan.follow_up_tickets
    applies = rules is not None and plan.applying([rules], incident.severity, incident.kind, incident.facets)
    return bool(applies) and not is_private(plan, incident)


def opening_step(number: int) -> str:
    """Return the step of the act that opens the ticket of follow-up `number`, 1 for the first."""
    return f"{number}-open"


def closing_step(number: int) -> str:
    """Return the step of the act that closes it."""
    return f"{number}-close"


def ticket_of(incident: Incident, number: int) -> TicketLink | None:
    """Return the ticket of follow-up `number`, or None while none is proven."""
    act = incident.act_of(TICKET, opening_step(number))
    return shown_ticket(act) if act is not None else None


def shown_ticket(act: Act) -> TicketLink | None:
    """Return the ticket that an act has opened, with an address that may be shown; None while none is proven."""
    ticket = act.outcome.ticket if act.outcome is not None and act.outcome.good else None
    if ticket is None or _ADDRESS.fullmatch(ticket.url):
        return ticket
    return ticket.model_copy(update={"url": ""})


def ticket_words(plan: Plan, incident: Incident, number: int) -> str:
    """Return how the ticket of follow-up `number` stands: its number, or why it has none; empty if none is wanted."""
    closing, opening = (incident.act_of(TICKET, step(number)) for step in (closing_step, opening_step))
    if opening is None:
        waits = wants_tickets(plan, incident) and number not in incident.follow_ups_done
        return "its ticket is not opened yet" if waits else ""
    ticket = ticket_of(incident, number)
    if ticket is None:
        good = opening.outcome is not None and opening.outcome.good
        return "its ticket is opened" if good else f"no ticket: {trouble_of(opening)}"
    words = f"ticket {plain(ticket.number, 40)}"
    if closing is None:
        return words
    good = closing.outcome is not None and closing.outcome.good
    return f"{words}, closed" if good else f"{words}, not closed: {trouble_of(closing)}"


def trouble_of(act: Act) -> str:
    """Return why an act is not proven to be done, as a clause."""
    return bare(plain(act.outcome.sentence, 300)) if act.outcome else "it is under way"
