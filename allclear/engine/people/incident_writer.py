"""Appends what people decide to the record of an incident."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from allclear.domain.after_end import may_still_be_written
from allclear.domain.base import is_blank
from allclear.domain.errors import ConcurrentWrite, MissingText, NotAllowed, WrongState
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.privacy import require_reader
from allclear.domain.records import Acknowledged, By, Entry, NoteAdded, RoleTaken
from allclear.domain.text import signature
from allclear.engine.incidents import read_incident
from allclear.engine.people.leading import lead_taken_by
from allclear.journal.ports import Journal
from allclear.journal.rows import OutboxMessage

_MOST_ATTEMPTS = 20
"""How often an entry is attempted while other entries are written to the same incident."""


class IncidentWriter:
    """Reads incidents, and appends entries that are decided anew whenever the incident has changed meanwhile."""

    def __init__(self, journal: Journal, plan: Plan) -> None:
        self._journal = journal
        self._plan = plan

    @property
    def plan(self) -> Plan:
        """Return the company's plan."""
        return self._plan

    def read(self, incident_id: str) -> Incident:
        """Return the incident as the journal has it now. Raises NotFound, JournalError."""
        return read_incident(self._journal, incident_id)

    def entries(self, incident_id: str, up_to: int) -> list[Entry]:
        """Return the entries up to entry `up_to`, in order. Raises NotFound, JournalError."""
        return self._journal.entries(incident_id)[:up_to]

    def append(
        self,
        incident_id: str,
        by: By,
        decide: Callable[[Incident], list[Any]],
        *,
        outbox: Sequence[OutboxMessage] | Callable[[Incident], Sequence[OutboxMessage]] = (),
        needs_reader: bool = True,
    ) -> int:
        """Append the records that `decide` returns for the incident, and the outbox messages with them.

        Return the number of the first of these entries, also if the request was carried out before.

        If no one leads the incident yet, the person who acts leads it from now on. A request that is repeated, by its
        key in `by`, appends nothing.

        In a private incident only its readers write. `needs_reader` is False for what anyone may report about it: that
        one knows of it, and what one has seen. The answer must then say nothing of what the incident is about.

        `decide` (and `outbox`, if it is a function) is called again if another entry was written meanwhile. Raises
        NotAllowed for a record that may not follow the incident's end, and for a program; NotFound,
        ConcurrentWrite, JournalError, and what `decide` raises.
        """
        if by.program:  # whatever calls this: a program decides nothing
            raise NotAllowed(f"{by.actor} is a program, and only a person may do this.", "Ask a person.")
        for _ in range(_MOST_ATTEMPTS):
            incident = self.read(incident_id)
            if by.request in incident.requests:  # sent again, because its answer was lost
                return incident.requests[by.request]
            if needs_reader:
                require_reader(self._plan, incident, by)
            records = decide(incident)
            if incident.opened.ticket and not all(isinstance(record, NoteAdded) for record in records):
                raise is_a_ticket(incident)
            if incident.over and not all(map(may_still_be_written, records)):
                raise is_over(incident, self._plan)
            leads = not (incident.over or incident.opened.ticket)
            if leads and not any(isinstance(record, RoleTaken) for record in records):
                # A person who leads because of an answer is named as the lead before the answer.
                lead = lead_taken_by(self._plan, incident, by)
                acknowledges = any(isinstance(record, Acknowledged) for record in records)
                records = [*records, *lead] if acknowledges else [*lead, *records]
            messages = outbox(incident) if callable(outbox) else outbox
            try:
                self._journal.append(incident_id, records, by, expect=incident.length, outbox=list(messages))
            except ConcurrentWrite:
                continue
            return incident.length + 1
        raise ConcurrentWrite(
            f"Nothing was written: other entries kept being written to {incident_id}.", "Try again in a moment."
        )


def required_text(text: str, name: str) -> str:
    """Return `text` without the spaces around it. Raises NotAllowed if it is blank; `name` says what it is."""
    if is_blank(text):
        raise MissingText(f"The {name} is empty.", "Write a few words.")
    return text.strip()


def is_a_ticket(incident: Incident) -> WrongState:
    """Return the error that something is only a ticket, in which nothing is done but notes."""
    return WrongState(
        f"{incident.id} is a ticket and no incident: it has no response.",
        "If it is graver than that, declare an incident: allclear respond --severity SEVERITY …",
    )


def is_over(incident: Incident, plan: Plan) -> WrongState:
    """Return the error that the incident has ended; it says what can still be done."""
    return WrongState(
        f"{incident.id} is over.",
        f'Write what is missing into its record: allclear note {incident.id} "…" {signature(plan)}',
    )
