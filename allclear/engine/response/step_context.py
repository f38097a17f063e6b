"""What the steps of an incident's runbook are filled in with."""

from __future__ import annotations

from allclear.company import Company
from allclear.domain.base import Clock
from allclear.domain.incident import Incident
from allclear.domain.runbook import Runbook
from allclear.domain.template_values import TemplateValues, values
from allclear.journal.ports import Journal


class StepContext:
    """An incident's runbook, and the values for the placeholders in its steps."""

    def __init__(self, journal: Journal, company: Company, clock: Clock) -> None:
        self._journal = journal
        self._company = company
        self._clock = clock

    def runbook(self, incident: Incident) -> Runbook:
        """Return the runbook that the incident follows. Raises NotFound."""
        return self._company.runbook(incident.opened.runbook)

    def values(self, incident: Incident) -> TemplateValues:
        """Return the present value of every placeholder. Raises JournalError."""
        company, runbook = self._company, self.runbook(incident)
        service = company.systems.services.get(incident.opened.service)
        return values(
            incident,
            self._journal.entries(incident.id) if incident.length else [],
            company.plan,
            service_title=service.title if service else incident.opened.service,
            impact=incident.opened.impact or incident.title,
            now=self._clock(),
            templates=company.templates,
            runbook_title=runbook.title,
        )
