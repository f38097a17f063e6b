"""Asks the responders for facts that are not known and decide who is notified."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from allclear.domain.base import Clock
from allclear.domain.fact_questions import FactQuestion, fact_questions
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.pseudo_phases import FACT
from allclear.domain.records import AskOpened
from allclear.engine.actions.approval_requests import fact_ask
from allclear.engine.actions.message_acts import BY
from allclear.engine.response.conductor import Conductor
from allclear.journal.ports import Journal


class FactAsker:
    """Asks each question once. An answer, a recorded fact, or a notice that reached the audience closes it."""

    def __init__(self, journal: Journal, conductor: Conductor, plan: Plan, clock: Clock) -> None:
        self._journal = journal
        self._conductor = conductor
        self._plan = plan
        self._clock = clock

    def due_times(self, incident: Incident) -> Iterator[datetime]:
        """Yield when each question is to be asked."""
        yield from (one.since for one in self._unasked(incident))

    def ask_due(self, incident_id: str) -> None:
        """Ask what is to be asked now. Raises JournalError, ConcurrentWrite."""
        incident = self._conductor.incident(incident_id)
        due = [one for one in self._unasked(incident) if one.since <= self._clock()]
        if due:
            asked = [AskOpened(ask=fact_ask(incident, one, self._plan)) for one in due]
            self._journal.append(incident.id, asked, BY, expect=incident.length)

    def _unasked(self, incident: Incident) -> list[FactQuestion]:
        return [one for one in fact_questions(self._plan, incident) if incident.ask_of(FACT, one.name) is None]
