"""Ends the incidents of an earlier simulated production: the vendors of the present one know nothing of them.

The journal lasts longer than a simulated production. After a restart each ticket, each page and each update of a
message from before would fail, one by one, and a new alert would join an incident that can no longer be carried on. So
these incidents are ended, and nothing is sent in them any more.
"""

from __future__ import annotations

import logging
from typing import Any

from allclear.domain.errors import ConcurrentWrite
from allclear.domain.incident import Incident
from allclear.domain.records import IncidentEnded, LedgerSuperseded
from allclear.domain.text import enumerated
from allclear.engine.actions.message_acts import BY, READS
from allclear.engine.incidents import read_incident, readable
from allclear.engine.response.ending import ending
from allclear.journal.ports import Journal

log = logging.getLogger("allclear.simulation")

_WHY = "The simulated production was restarted and knows nothing of it, so the response cannot go on."


class EarlierSimulation:
    """The incidents of a company that were opened in an earlier simulated production than the present one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._present = journal.scope.simulation

    def includes(self, incident: Incident) -> bool:
        """Return whether the incident was opened in an earlier simulated production.

        If the present one has no id, that is not known, and no incident was. An incident without an id was recorded
        before simulated productions had ids.
        """
        return bool(self._present) and incident.opened.simulation != self._present

    def end_incidents(self) -> list[str]:
        """End those that are open, and return their ids. Raises JournalError."""
        if not self._present:
            return []
        found = readable(self._journal, self._journal.incidents(open_only=True, with_tickets=True))
        ended = [one.id for one in found if self.includes(one) and self._end(one)]
        if ended:
            log.warning("Ended %s: %s of an earlier simulated production. %s", enumerated(ended), len(ended), _WHY)
        return ended

    def _end(self, incident: Incident) -> bool:
        """End one incident; return False if it has ended meanwhile. Its ledger is closed: its production is gone."""
        for _ in range(READS):
            if incident.over:
                return False
            left: list[Any] = [LedgerSuperseded(act=act.id, reason=_WHY) for act in incident.in_place]
            records, outbox = ending(incident, IncidentEnded(ending="abandoned", reason=_WHY))
            try:
                self._journal.append(incident.id, [*left, *records], BY, expect=incident.length, outbox=outbox)
            except ConcurrentWrite:
                incident = read_incident(self._journal, incident.id)
            else:
                return True
        raise ConcurrentWrite(f"Entries keep being written to {incident.id}.", "Try again in a moment.")
