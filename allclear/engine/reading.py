"""How an incident stands, read from the journal: the one way in for everything in the engine."""

from __future__ import annotations

from allclear.domain.errors import JournalError
from allclear.domain.incident import Incident, replay
from allclear.journal.port import Journal


def read_incident(journal: Journal, incident_id: str) -> Incident:
    """Returns the incident, replayed from its entries. Raises NotFound for an unknown one, JournalError."""
    incident = replay(journal.entries(incident_id))
    if incident is None:
        raise JournalError(f"The record of {incident_id} is empty.", "Restore the journal from a backup.")
    return incident
