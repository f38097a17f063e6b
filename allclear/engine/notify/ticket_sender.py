"""Opens a ticket for each follow-up when it is recorded, and closes it when the follow-up is done.

It also opens the ticket of a severity that makes only a ticket, and opens it again when its alert fires again.

What is to be done follows from the record and the plan alone, as for reminders, wherever the follow-up was recorded.
Each is an act: it is done once, and tried again only if nothing was changed. After a lost answer nothing is written
again; the act watch settles what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from allclear.domain.base import Clock
from allclear.domain.follow_up_tickets import closing_step, opening_step, ticket_of, wants_tickets
from allclear.domain.incident import Incident
from allclear.domain.moments import day
from allclear.domain.placeholders import render_all
from allclear.domain.plan import Plan, TicketAction
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.records import IncidentEnded
from allclear.domain.severity_tickets import call_for, ends_at, opening_acts, opening_of
from allclear.domain.text import plain
from allclear.domain.ticket_reminders import TRIES
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.notify.message_retries import next_try
from allclear.engine.notify.sender import BY
from allclear.engine.response.conductor import Conductor
from allclear.journal.ports import Journal


@dataclass(frozen=True)
class DueTicket:
    """A ticket that is to be opened or closed."""

    number: int | None
    """The follow-up's number, 1 for the first; None for the ticket of the severity."""
    step: str
    title: str
    call: TicketAction
    due: datetime


def due_tickets(plan: Plan, incident: Incident) -> Iterator[DueTicket]:
    """Yield what is to be done about the tickets of an incident and its follow-ups, and when."""
    yield from _severity_ticket(plan, incident)
    rules = plan.follow_up_tickets
    if rules is None:
        return
    for number in range(1, len(incident.follow_ups) + 1):
        done_at = incident.follow_ups_done.get(number)
        opening, closing = opening_step(number), closing_step(number)
        if ticket_of(incident, number) is None:
            act = incident.act_of(TICKET, opening)
            begun = act is not None and act.begun
            wanted = done_at is None and wants_tickets(plan, incident)
            if (begun or wanted) and (due := _next(incident, opening, incident.opened_at)):
                yield DueTicket(number, opening, f"Open the ticket of follow-up {number}", rules.open, due)
        elif done_at and rules.close and (due := _next(incident, closing, done_at)):
            yield DueTicket(number, closing, f"Close the ticket of follow-up {number}", rules.close, due)


def _severity_ticket(plan: Plan, incident: Incident) -> Iterator[DueTicket]:
    """Yield the ticket of the incident's severity, unless it may have been opened."""
    call, acts = call_for(plan, incident), opening_acts(incident)
    if call is None or (acts and acts[-1].unsettled):
        return
    step, first = opening_of(incident)
    if due := _next(incident, step, first):
        yield DueTicket(None, step, f"Open the ticket of {incident.id}", call, due)


def _next(incident: Incident, step: str, first: datetime) -> datetime | None:
    """Return when a step is to be tried; None if it is done, was tried often enough, or may have been done."""
    act = incident.act_of(TICKET, step)
    return None if act is not None and act.unsettled else next_try(incident, TICKET, step, first, TRIES)


class TicketSender:
    """Opens and closes the tickets of one incident and its follow-ups."""

    def __init__(
        self,
        journal: Journal,
        conductor: Conductor,
        proposer: Proposer,
        executor: Executor,
        plan: Plan,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._conductor = conductor
        self._proposer = proposer
        self._executor = executor
        self._plan = plan
        self._clock = clock

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each ticket is to be opened or closed, and when a mere ticket is left to the people."""
        yield from (ticket.due for ticket in due_tickets(self._plan, incident))
        if ends := ends_at(incident):
            yield ends

    async def send_due(self, incident_id: str) -> None:
        """Open and close what is due. Raises AllclearError for the first that fails."""
        for ticket in list(due_tickets(self._plan, self._conductor.incident(incident_id))):
            if ticket.due <= self._clock():
                await self._carry_out(incident_id, ticket)
        incident = self._conductor.incident(incident_id)
        if (ends := ends_at(incident)) and ends <= self._clock():
            why = "Its alert has not fired for long." if incident.alerts else "No alert belongs to it."
            ended = IncidentEnded(ending="resolved", reason=f"{why} Its ticket is left to the people.")
            self._journal.append(incident_id, [ended], BY, expect=incident.length)

    async def _carry_out(self, incident_id: str, ticket: DueTicket) -> None:
        incident = self._conductor.incident(incident_id)
        act = incident.act_of(TICKET, ticket.step)
        if act is not None and act.outcome is None:  # interrupted
            await self._executor.carry_out(incident_id, act.id, BY)
            return
        values = self._conductor.values_for(incident, type(self._executor.action(ticket.call.action)))
        params = render_all(ticket.call.with_, values.extended(self._about(incident, ticket)))
        request = ActionRequest(TICKET, ticket.step, ticket.call.action, params, ticket.title, authorised=True)
        new = await self._proposer.propose(incident, request, BY)
        await self._executor.carry_out(incident_id, new, BY)

    def _about(self, incident: Incident, ticket: DueTicket) -> dict[str, str]:
        """Return the placeholders of a follow-up's ticket; none for the ticket of a severity."""
        if ticket.number is None:
            return {}
        item = incident.follow_ups[ticket.number - 1]
        return {
            "number": str(ticket.number),
            "follow_up": plain(item.text),
            "owner": plain(item.owner, 60),
            "due": day(item.due, self._plan.zone),
        }
