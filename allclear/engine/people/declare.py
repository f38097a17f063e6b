"""Declaring an incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from allclear.company import Company
from allclear.domain.base import digest, is_blank
from allclear.domain.errors import NotAllowed
from allclear.domain.incident import Incident
from allclear.domain.privacy import has_same_readers, is_reader
from allclear.domain.records import Assessed, By, IncidentOpened, NoteAdded
from allclear.domain.review.incident_ticket import only_a_ticket, ticket_call
from allclear.engine.incidents import find_open, find_request, open_under
from allclear.engine.people.assess import Assessments
from allclear.engine.people.incident_writer import IncidentWriter
from allclear.engine.people.leading import lead_taken_by
from allclear.engine.response.flow_starts import start_message
from allclear.journal.ports import INCIDENTS, Journal


@dataclass(frozen=True)
class Declaration:
    """What a person reports who declares an incident."""

    title: str
    severity: str | None
    """None: the plan's rules derive it from the facets."""
    service: str
    runbook: str
    began: str = ""
    """When the trouble began, as a person types it."""
    known_since: str = ""
    """When the company became aware of it, as a person types it."""
    facets: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: str | None = None
    """None: the runbook's kind."""


@dataclass(frozen=True)
class DeclareResult:
    """What became of a declaration."""

    incident: str
    joined: bool
    """Whether the incident was open before, so that the declaration was added to it as a note."""


class Declarations:
    """Opens the incidents that people declare."""

    def __init__(self, journal: Journal, company: Company, writer: IncidentWriter, assessments: Assessments) -> None:
        self._journal = journal
        self._company = company
        self._writer = writer
        self._assessments = assessments

    def declare(self, declaration: Declaration, by: By, *, first: str | None = "respond") -> DeclareResult:
        """Open an incident, or join an open one; `first` is the flow that is started for it, or None.

        The person who declares it has acknowledged it, and leads it unless the plan names other people for that. If an
        incident is open for the same service, runbook and readers, the declaration is added to it as a note, so that
        one trouble has one response. If the severity makes only a ticket, the id is that of a ticket. A request that is
        repeated, by its key in `by`, returns what it opened before. Raises NotFound for what the plan does not have,
        NotAllowed also for a program, JournalError.
        """
        if by.program:
            raise NotAllowed(f"{by.actor} is a program, and only a person may declare an incident.", "Send an alert.")
        if before := find_request(self._journal, by.request):
            # The request that opened the incident wrote entry 1; a later entry means that it joined.
            return DeclareResult(before.id, joined=before.requests[by.request] > 1)
        opened = self.opening(declaration, by).model_copy(update={"manual": first is None})
        service, runbook = declaration.service, declaration.runbook
        fits = partial(has_same_readers, self._company.plan, kind=opened.incident_kind, severity=opened.severity)
        if known := find_open(self._journal, service, runbook=runbook, fits=fits):
            return self._declare_again(known, declaration, by, first)
        if first and ticket_call(self._company.plan, opened.severity, opened.incident_kind):
            return self._open_ticket(opened.model_copy(update={"ticket": True}), by)
        outbox = [start_message("{incident}", first)] if first else []
        # The key lets one of two simultaneous declarations open the incident, and the other one join it.
        _, key = open_under(self._journal, f"declared:{service}:{runbook}", fits)
        with self._journal.transaction(INCIDENTS):
            incident, new = self._journal.open_incident(self._company.plan.short, opened, by, key=key, outbox=outbox)
            if new and (leading := lead_taken_by(self._company.plan, self._writer.read(incident), by)):
                self._journal.append(incident, leading, by)
        if new:
            return DeclareResult(incident, joined=False)
        return self._declare_again(self._writer.read(incident), declaration, by, first)

    def _open_ticket(self, opened: IncidentOpened, by: By) -> DeclareResult:
        """Open only a ticket, as the severity asks for nothing else."""
        _, key = open_under(self._journal, f"ticket:declared:{opened.service}:{digest(opened.title)}")
        again = [NoteAdded(text=f"Declared again: {opened.title}")]
        with self._journal.transaction(INCIDENTS):
            known = self._journal.open_with_key(key)
            records = again if known else []
            ticket, new = self._journal.open_incident(self._company.plan.short, opened, by, key=key, records=records)
        return DeclareResult(ticket, joined=not new)

    def _declare_again(self, known: Incident, declaration: Declaration, by: By, first: str | None) -> DeclareResult:
        """Add the declaration to an open incident. One that a manual action opened has no flow yet, and gets it now.

        To a private incident a person who may not read it adds a note, and changes nothing by it.
        """
        outbox = [start_message(known.id, first)] if first and not known.entered else []
        known_at = self._assessments.past(declaration.known_since)

        def decide(incident: Incident) -> list[Any]:
            if not is_reader(self._company.plan, incident, by):
                return [NoteAdded(text=f"Declared again: {_all_of(declaration)}")]
            records: list[Any] = [NoteAdded(text=f"Declared again: {declaration.title}")]
            if declaration.facets or known_at:
                facts = dict(declaration.facets)
                records.append(Assessed(facets=facts, reason="Declared again.", known_at=known_at))
            facets = incident.facets | dict(declaration.facets)
            return [*records, *self._assessments.raised(incident, declaration.severity, facets)]

        self._writer.append(known.id, by, decide, outbox=outbox, needs_reader=False)
        return DeclareResult(known.id, joined=True)

    def opening(self, declaration: Declaration, by: By) -> IncidentOpened:
        """Return the record that opens an incident for the declaration.

        Raises NotAllowed for a blank title, and NotFound if the plan lacks the service, runbook, kind, facet or
        severity, or has no rule for the facets.
        """
        if is_blank(declaration.title):
            raise NotAllowed("An incident needs a title.", "Say in a few words what users notice.")
        self._company.service(declaration.service)
        kind = declaration.kind or self._company.runbook(declaration.runbook).kind
        self._assessments.check_known(declaration.facets, kind)
        severity = declaration.severity or self._assessments.severity_for(declaration.facets)
        self._assessments.check_severity(severity)
        return IncidentOpened(
            company=self._journal.scope.company,
            title=declaration.title.strip(),
            severity=severity,
            service=declaration.service,
            runbook=declaration.runbook,
            incident_kind=kind,
            facets=dict(declaration.facets),
            reported=f"declared by {by.actor}",
            began_at=self._assessments.past(declaration.began),
            known_at=self._assessments.past(declaration.known_since),
            simulated=self._journal.scope.simulated,
        )


def declared_words(incident: Incident, result: DeclareResult) -> str:
    """Return what the person reads who declared an incident: it is open, was joined, or is only a ticket."""
    if incident.opened.ticket:
        return only_a_ticket(incident)
    if result.joined:
        already = f"{incident.id} was open already for the same service and runbook"
        return f"{already}, so your declaration was added to it as a note."
    return f"{incident.id} is open."


def _all_of(declaration: Declaration) -> str:
    """Return everything that a declaration says, as one line."""
    facts = [f"{name}={value}" for name, value in declaration.facets.items()]
    known = [f"known since {declaration.known_since}"] if declaration.known_since else []
    more = [text for text in (declaration.severity, *facts, *known) if text]
    return f"{declaration.title} ({', '.join(more)})" if more else declaration.title
