"""What a runbook would do right now: its probes are run and its changes are worked out, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, Refused
from allclear.domain.incident import Incident
from allclear.domain.notify.audiences import first_people, is_pager, no_one, ways_to
from allclear.domain.notify.notified import open_lines
from allclear.domain.notify.recipients import Reaches
from allclear.domain.placeholders import Unknown, render, render_all
from allclear.domain.plan import Notification, Plan, RotaOverride, not_known
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.records import By, IncidentOpened
from allclear.domain.review.incident_ticket import planned_call, ticket_call
from allclear.domain.runbook import Phase, ProbeCall, Runbook, Step
from allclear.domain.text import plain
from allclear.engine.actions.message_acts import MessageActs
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.next_move import applicable

INCIDENT = "DRY-RUN"
"""The id of the incident of a dry run, which is in no journal."""


_ALONE = re.compile(r"\{(\w+)\}")

_LATER = "This step needs what an earlier step finds out or does. A dry run does nothing, so it is not shown."


def _not_known_yet(step: Step, values: Mapping[str, str]) -> list[str]:
    """Return the facts that are whole parameters of a step, as the start of a meeting, and are not known yet."""
    alone = [_ALONE.fullmatch(value) for value in step.with_.values() if isinstance(value, str)]
    names = [found[1] for found in alone if found and not found[1].startswith("t_")]
    return [name for name in names if isinstance(values.get(name), Unknown)]


def _needs_an_earlier_step(error: AllclearError) -> bool:
    """Return whether the step fails only because nothing was done in the incident of the dry run, as opening a page."""
    return isinstance(error, Refused) and INCIDENT in error.message


@dataclass(frozen=True)
class DryRunStep:
    """One step of a dry run: what it would do, who would be asked, and why it would be refused."""

    phase: Phase
    title: str
    sentence: str
    roles: tuple[str, ...] = ()
    """The roles that would be asked; any one of them may answer."""
    refusals: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    """The risk of the change and how it is undone, for those who would be asked."""
    error: AllclearError | None = None
    """Why it cannot be worked out; None if it can."""


@dataclass(frozen=True)
class DryRunMessage:
    """A notice or a ticket that the plan adds to the steps of the runbook: whom it would reach, or what it would be."""

    title: str
    sentence: str


def dry_run_incident(opened: IncidentOpened) -> Incident:
    """Return the incident that `opened` would begin; it is in no journal."""
    return Incident(
        id=INCIDENT,
        opened=opened,
        opened_at=utc_now(),
        # A person would declare it, so that its texts are those of an incident that a person declared.
        opened_by=By(actor="you", role="on_call", via="dry run"),
        severity=opened.severity,
        kind=opened.incident_kind,
        facets=dict(opened.facets),
        known_at=opened.known_at,
        title=opened.title,
    )


class DryRun:
    """Goes through a runbook without changing anything."""

    def __init__(self, conductor: Conductor, proposer: Proposer, acts: MessageActs, plan: Plan) -> None:
        self._conductor = conductor
        self._proposer = proposer
        self._acts = acts
        self._plan = plan

    def notices(self, incident: Incident, overrides: Sequence[RotaOverride], now: datetime) -> Iterator[DryRunMessage]:
        """Yield for each audience of the plan's `notifications` who would be notified first, and by which way."""
        reaches = self._acts.reaches(self._plan)
        for line in open_lines(self._plan, incident):
            unknown = [self._plan.facets[name].title for name in not_known(line.when, incident.facets)]
            depends = f" (it depends on: {', '.join(unknown)})" if unknown else ""
            told = [
                self._first_way(line, name, now, reaches)
                for name in first_people(self._plan, line.audience, now, overrides)
            ]
            pager = [way for way in line.by if is_pager(line, way, reaches)]
            words = [*(f"the person on call, by {way}" for way in pager), *told] or [no_one(self._plan, line.audience)]
            yield DryRunMessage(self._plan.role_title(line.audience), f"{'; '.join(words)}{depends}")

    def _first_way(self, line: Notification, name: str, now: datetime, reaches: Reaches) -> str:
        found, why = ways_to(self._plan, line, name, now, reaches)
        return (
            f"{plain(name, 60)}, by {found[0]}" if found else f"{plain(name, 60)} would not be notified, because {why}"
        )

    async def ticket(self, incident: Incident) -> DryRunMessage | None:
        """Return the ticket that would be opened, or why it cannot be; None if the plan opens none."""
        call = ticket_call(self._plan, incident.severity, incident.kind) or planned_call(self._plan, incident)
        if call is None:
            return None
        try:
            values = self._conductor.values_for(incident, self._acts.kind(call.action))
            params = render_all(call.with_, values)
            request = ActionRequest(TICKET, "dry-run", call.action, params, "", authorised=True)
            preview, _ = await self._proposer.preview(request)
        except AllclearError as error:
            return DryRunMessage("Its ticket", f"It cannot be opened now: {error}")
        return DryRunMessage("Its ticket", preview.change.summary)

    async def walk(self, incident: Incident, runbook: Runbook) -> AsyncIterator[DryRunStep]:
        """Yield the steps that apply to the incident's severity and kind, in the order of the runbook."""
        values = self._conductor.values(incident)
        for phase in Phase:
            for step in applicable(incident, self._plan, runbook, phase):
                yield await self._step(incident, phase, step, values)

    async def _step(self, incident: Incident, phase: Phase, step: Step, values: Mapping[str, str]) -> DryRunStep:
        title = render(step.title, values) or step.id
        try:
            if step.probe:
                call = ProbeCall.model_validate({"probe": step.probe, "with": step.with_})
                return DryRunStep(phase, title, (await self._conductor.check(call, values)).sentence)
            if step.person:
                return DryRunStep(phase, title, render(step.ask, values), roles=(step.person,))
            if step.undo:
                return DryRunStep(phase, title, "Undo everything that is still in place; each undo needs an approval.")
            return await self._action(incident, phase, step, title, values)
        except AllclearError as error:
            if _needs_an_earlier_step(error):
                return DryRunStep(phase, title, _LATER, details=(error.message,))
            return DryRunStep(phase, title, "It cannot be done now.", refusals=(str(error),), error=error)

    async def _action(
        self, incident: Incident, phase: Phase, step: Step, title: str, values: Mapping[str, str]
    ) -> DryRunStep:
        if missing := _not_known_yet(step, values):
            details = tuple(f"{{{name}}} is not known yet." for name in missing)
            return DryRunStep(phase, title, _LATER, details=details)
        request = self._conductor.request(incident, phase, step)
        if request.refused:  # its text needs a fact that the response finds out
            return DryRunStep(phase, title, _LATER, details=(request.refused.message,))
        preview, policy = await self._proposer.preview(request)
        refusals = tuple(f"{refusal.sentence} {refusal.next_step}" for refusal in preview.refusals)
        roles = tuple(policy.roles) if policy else ()
        change = preview.change
        note = " Nothing is left to change." if preview.done else ""
        details = (f"risk: {change.risk}", f"undo: {change.undo}") if roles else ()
        return DryRunStep(phase, title, change.summary + note, roles, refusals, details)
