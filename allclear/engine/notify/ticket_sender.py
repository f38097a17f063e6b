"""Opens and closes tickets: of each incident, of each follow-up, and of a severity that makes only a ticket.

What is to be done follows from the record and the plan alone, as for reminders, wherever an incident ended or a
follow-up was recorded. Each is an act: it is done once, and tried again only if nothing was changed. After a lost
answer nothing is written again; the act watch settles what became of it. A tracker that does not answer delays nothing
else: each incident's tickets have a task of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from allclear.domain.base import Clock
from allclear.domain.errors import ConcurrentWrite
from allclear.domain.incident import Incident
from allclear.domain.local_times import day
from allclear.domain.placeholders import render_all
from allclear.domain.plan import Plan, TicketAction
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.records import IncidentEnded
from allclear.domain.reminders.tickets import TRIES
from allclear.domain.review.follow_up_tickets import closing_step, opening_step, ticket_of, wants_tickets
from allclear.domain.review.incident_ticket import CLOSE, closing_call, ends_at, opening_acts, opening_call, opening_of
from allclear.domain.text import plain
from allclear.engine.actions.message_acts import BY, READS, MessageActs
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.concurrency import Sweep
from allclear.engine.notify.message_retries import next_try
from allclear.engine.response.conductor import Conductor
from allclear.journal.ports import Journal

log = logging.getLogger("allclear.tickets")

_AT_ONCE = 20
"""Incidents whose tickets are opened and closed at the same time."""


@dataclass(frozen=True)
class DueTicket:
    """A ticket that is to be opened or closed."""

    number: int | None
    """The follow-up's number, 1 for the first; None for the ticket of the incident itself."""
    step: str
    title: str
    call: TicketAction
    due: datetime


def due_tickets(plan: Plan, incident: Incident) -> Iterator[DueTicket]:
    """Yield what is to be done about the tickets of an incident and its follow-ups, and when."""
    yield from _own_ticket(plan, incident)
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


def _own_ticket(plan: Plan, incident: Incident) -> Iterator[DueTicket]:
    """Yield that the incident's own ticket is to be opened or closed, unless that may have been done."""
    acts = opening_acts(incident)
    begun = next((act for act in acts if act.begun), None)  # interrupted, perhaps before the incident ended
    call, (step, first) = opening_call(plan, incident), opening_of(incident)
    if begun is not None:
        step, call = begun.proposed.step, TicketAction(action=begun.proposed.action, **{"with": begun.proposed.params})
    if call and not (acts and acts[-1].unsettled) and (due := _next(incident, step, first)):
        yield DueTicket(None, step, f"Open the ticket of {incident.id}", call, due)
    closing, ended_at = closing_call(plan, incident), incident.ended_at
    if begun is None and closing and ended_at and (due := _next(incident, CLOSE, ended_at)):
        yield DueTicket(None, CLOSE, f"Close the ticket of {incident.id}", closing, due)


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
        acts: MessageActs,
        plan: Plan,
        clock: Clock,
        on_end: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_end` is called with each incident whose tickets were worked on."""
        self._journal = journal
        self._conductor = conductor
        self._acts = acts
        self._plan = plan
        self._clock = clock
        self._sweep = Sweep(log, "open or close the tickets of", _AT_ONCE, on_end=on_end)

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each ticket is to be opened or closed, and when a mere ticket is left to the people."""
        if incident.id in self._sweep:
            return
        yield from (ticket.due for ticket in due_tickets(self._plan, incident))
        if ends := ends_at(incident):
            yield ends

    def start_due(self, incident_id: str) -> None:
        """Start opening and closing what is due; `wait` waits for it."""
        if any(due <= self._clock() for due in self.due_times(self._conductor.incident(incident_id))):
            self._sweep.start(incident_id, partial(self.send_due, incident_id))

    async def wait(self) -> None:
        """Wait until everything that was started was opened or closed, or failed."""
        await self._sweep.wait()

    async def send_due(self, incident_id: str) -> None:
        """Open and close what is due. Raises AllclearError for the first that fails."""
        done: set[str] = set()
        for _ in range(READS):
            incident = self._conductor.incident(incident_id)
            due = [
                one for one in due_tickets(self._plan, incident) if one.due <= self._clock() and one.step not in done
            ]
            try:
                for ticket in due[:1]:
                    await self._carry_out(incident, ticket)
                    done.add(ticket.step)
                if not due:
                    self._leave_to_people(incident)
                    return
            except ConcurrentWrite:  # something else was written meanwhile: read again
                continue

    def _leave_to_people(self, incident: Incident) -> None:
        if (ends := ends_at(incident)) and ends <= self._clock():
            why = "Its alert has not fired for long." if incident.alerts else "No alert belongs to it."
            ended = IncidentEnded(ending="resolved", reason=f"{why} Its ticket is left to the people.")
            self._journal.append(incident.id, [ended], BY, expect=incident.length)

    async def _carry_out(self, incident: Incident, ticket: DueTicket) -> None:
        if await self._acts.carry_on(incident, TICKET, ticket.step):
            return
        values = self._conductor.values_for(incident, self._acts.kind(ticket.call.action))
        params = render_all(ticket.call.with_, values.extended(self._about(incident, ticket)))
        request = ActionRequest(TICKET, ticket.step, ticket.call.action, params, ticket.title, authorised=True)
        await self._acts.send(incident, request)

    def _about(self, incident: Incident, ticket: DueTicket) -> dict[str, str]:
        """Return the placeholders of a follow-up's ticket; none for the incident's own."""
        if ticket.number is None:
            return {}
        item = incident.follow_ups[ticket.number - 1]
        return {
            "number": str(ticket.number),
            "follow_up": plain(item.text),
            "owner": plain(item.owner, 60),
            "due": day(item.due, self._plan.zone),
        }
