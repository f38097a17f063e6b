"""The runbook that an incident follows, and what its steps are filled in with."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from allclear.company import Company
from allclear.domain.base import Clock
from allclear.domain.incident import Incident
from allclear.domain.links import Links, LinkTo
from allclear.domain.notify.update_rhythm import PUBLIC, audience_of, next_update
from allclear.domain.placeholders import render
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_private
from allclear.domain.records import Entry
from allclear.domain.runbook import Phase, Runbook, Step
from allclear.domain.template_values import TemplateValues, impact_words, update_words, values
from allclear.engine.actions.registry import ActionType, Registry
from allclear.engine.response.withdrawals import left_out_without
from allclear.journal.ports import Journal


class StepContext:
    """An incident's runbook, and the values for the placeholders in its steps."""

    def __init__(self, journal: Journal, company: Company, clock: Clock, links: Links) -> None:
        self._journal = journal
        self._company = company
        self._clock = clock
        self._links = links

    @property
    def plan(self) -> Plan:
        """Return the company's plan."""
        return self._company.plan

    def runbook(self, incident: Incident) -> Runbook:
        """Return the runbook that the incident follows. Raises NotFound."""
        return self._company.runbook(incident.opened.runbook)

    def values(self, incident: Incident, now: datetime | None = None) -> TemplateValues:
        """Return the value of every placeholder at `now`, by default the present one. Raises JournalError."""
        company, runbook = self._company, self.runbook(incident)
        service = company.systems.services.get(incident.opened.service)
        service_title = service.title if service else incident.opened.service
        return values(
            incident,
            lambda: self._entries(incident),
            company.plan,
            service_title=service_title,
            impact=impact_words(incident, service_title),
            now=now or self._clock(),
            templates=company.templates,
            runbook_title=runbook.title,
            page=self._links.href(LinkTo(incident=incident.id)) if incident.length else "",
        )

    def _entries(self, incident: Incident) -> list[Entry]:
        """Return the entries of the incident as it was read; in a dry run it may have none."""
        entries = self._journal.entries(incident.id) if incident.length else []
        return [entry for entry in entries if entry.number <= incident.length]

    def title(self, incident: Incident, step: Step) -> str:
        """Return the title of a step with its placeholders filled; its id if it has none. Raises JournalError."""
        return render(step.title, self.values(incident)) or step.id

    def left_out_without(self, incident: Incident, phase: str, step: str) -> list[str]:
        """Return the titles of the steps that are left out if a step is not done. Raises JournalError."""
        if phase not in set(Phase):
            return []
        depending = left_out_without(incident, self.plan, self.runbook(incident), Phase(phase), step)
        return [self.title(incident, one) for one in depending]

    def values_for(self, incident: Incident, action: ActionType, now: datetime | None = None) -> TemplateValues:
        """Return the values for the parameters of an action, as `values` does. Raises JournalError.

        A message tells the public only what the public may read. A message about a private incident has nothing of
        what the incident is about.
        """
        now = now or self._clock()
        values, audience = self.values(incident, now), audience_of(action.name)
        if audience in PUBLIC:  # its text is an update itself, and promises the next one
            promised = next_update(self.plan, incident, audience, now)
            values = values.extended({"next_update": update_words(self.plan, promised)})
        values = values.public() if action.public else values
        tells = action.pages or action.text_params or action.public
        return values.private() if tells and is_private(self.plan, incident) else values


def company_with_announcements(company: Company, registry: Registry) -> Company:
    """Return the company as the engine uses it, so that every reader of its runbooks finds the same steps."""
    runbooks = {name: with_announcements(book, registry) for name, book in company.runbooks.items()}
    return replace(company, runbooks=runbooks)


def with_announcements(runbook: Runbook, registry: Registry) -> Runbook:
    """Return `runbook` with the announcements of its contain phase beside the other steps, unless it decides itself.

    People must learn of the trouble also while no one answers whether to roll back.
    """
    announcing = {name for name, kind in registry.actions.items() if kind.announces or kind.pages}
    steps = [
        step.model_copy(update={"meanwhile": True}) if step.meanwhile is None and step.action in announcing else step
        for step in runbook.steps(Phase.CONTAIN)
    ]
    return runbook.model_copy(update={"contain": steps})
