"""The state of an incident, read from the journal. Everything in the engine reads incidents through this module.

Replaying thousands of entries at every read would be slow. So a process remembers each incident as it was read last,
and applies only the entries that were written since.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from threading import Lock
from weakref import WeakKeyDictionary

from allclear.domain.act import Act
from allclear.domain.errors import Unreadable
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan, RotaOverride
from allclear.domain.records import By
from allclear.domain.replay import apply_to, replay
from allclear.journal.ports import Journal
from allclear.journal.rows import IncidentRow

log = logging.getLogger("allclear.incidents")


def overrides_of(journal: Journal, plan: Plan) -> list[RotaOverride]:
    """Return the overrides of all rotas of the plan. Raises JournalError."""
    return [override for rota in plan.rotas for override in journal.overrides(rota.role)]


_SEARCHED = 500
"""Among how many of the newest incidents a request is searched that names none."""

_REMEMBERED = 2000
"""Incidents. The one that was read longest ago is forgotten first."""


class Incidents:
    """The incidents of one journal, each remembered as it was read last. Thread-safe.

    A returned incident never changes. A caller that decides by it writes with its length, so the journal refuses the
    decision if other entries were written meanwhile.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, Incident] = OrderedDict()
        self._lock = Lock()

    def read(self, journal: Journal, incident_id: str, head: tuple[int, str] | None = None) -> Incident:
        """Return the incident as the journal has it now. Raises NotFound for an unknown one, JournalError.

        `head` is its length and the hash of its last entry, if the caller has read them already.
        """
        with self._lock:
            known = self._known.get(incident_id)
        if head is None or (known and known.length > head[0]):  # a list may be older than the remembered incident
            head = journal.head(incident_id)
        if known is None or (known.length, known.head) != head:
            known = _newer(journal, incident_id, known)
        self._remember(known)
        return known

    def _remember(self, incident: Incident) -> None:
        with self._lock:
            self._known[incident.id] = incident
            self._known.move_to_end(incident.id)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def _newer(journal: Journal, incident_id: str, known: Incident | None) -> Incident:
    if known is not None:
        new = journal.entries(incident_id, after=known.length)
        # If `known` was read within a transaction that was rolled back, the new entries do not follow it.
        if new and new[0].previous_hash == known.head:
            return apply_to(known, new)
    incident = replay(journal.entries(incident_id))
    if incident is None:
        raise Unreadable(f"The record of {incident_id} is empty.", "Restore the journal from a backup.")
    return incident


_READERS: WeakKeyDictionary[Journal, Incidents] = WeakKeyDictionary()
_MAKING = Lock()


def _reader(journal: Journal) -> Incidents:
    """Return the one reader of a journal, so that all callers in this process share what it remembers."""
    with _MAKING:
        return _READERS.setdefault(journal, Incidents())


def read_incident(journal: Journal, incident_id: str) -> Incident:
    """Return the incident as `journal` has it now. Raises NotFound for an unknown one, JournalError."""
    return _reader(journal).read(journal, incident_id)


def read_or_none(journal: Journal, incident_id: str) -> Incident | None:
    """Return the incident as the journal has it now; None if its record cannot be read, which is logged.

    Raises NotFound for an unknown one, JournalError.
    """
    try:
        return read_incident(journal, incident_id)
    except Unreadable as error:  # one damaged record must not hold up the other incidents
        log.warning("%s", error)
        return None


def _any(_: Incident) -> bool:
    return True


def open_under(journal: Journal, key: str, fits: Callable[[Incident], bool] = _any) -> tuple[Incident | None, str]:
    """Return the open incident with `key`, or None, and the key that it has or that a new incident is to get.

    An incident whose record cannot be read, or that does not fit, keeps its key, so a new incident gets another key.
    Raises JournalError.
    """
    while found := journal.open_with_key(key):
        incident = read_or_none(journal, found)
        if incident is not None and fits(incident):
            return incident, key
        key = f"{key}/after {found}"
    return None, key


def find_open(
    journal: Journal,
    service: str,
    *,
    runbook: str | None = None,
    opened_since: datetime | None = None,
    fits: Callable[[Incident], bool] = _any,
) -> Incident | None:
    """Return the newest open incident of a service that `fits`, or None. Without `opened_since` its age is open.

    With `runbook`, only an incident that follows that runbook. Raises JournalError.
    """
    rows = journal.incidents(open_only=True, service=service, since=opened_since)
    incidents = readable(journal, rows)
    return next((one for one in incidents if runbook in {None, one.opened.runbook} and fits(one)), None)


def readable(journal: Journal, rows: Iterable[IncidentRow]) -> Iterator[Incident]:
    """Yield the incidents of a list that can be read, and log a warning for each of the others."""
    reader = _reader(journal)
    for row in rows:
        try:
            yield reader.read(journal, row.id, (row.length, row.head))
        except Unreadable as error:  # one damaged record must not hold up the other incidents
            log.warning("%s", error)


def act_of_request(incident: Incident, by: By) -> Act | None:
    """Return the act that the same request has proposed before, or None."""
    return next((act for act in incident.acts.values() if by.request and act.by.request == by.request), None)


def find_request(journal: Journal, request: str) -> Incident | None:
    """Return the incident to which the request wrote, among the newest ones, or None. Raises JournalError."""
    if not request:
        return None
    return next((one for one in _newest(journal) if request in one.requests), None)


def _newest(journal: Journal) -> Iterator[Incident]:
    """Yield the incidents among which a request is searched that names none."""
    return readable(journal, islice(journal.incidents(with_tickets=True), _SEARCHED))
