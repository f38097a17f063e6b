"""What a runbook would do right now: every look is taken, every change worked out, and nothing is written anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError
from allclear.domain.incident import Incident
from allclear.domain.placeholders import render, render_all
from allclear.domain.plan import Plan
from allclear.domain.records import By, IncidentOpened
from allclear.domain.runbook import Phase, ProbeCall, Runbook, Step
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.next_move import applicable

INCIDENT = "DRY-RUN"
"""The id that stands in for an incident that is never opened."""


@dataclass(frozen=True)
class Tried:
    """One step of the dry run: what it would do, who would be asked, and what speaks against it."""

    phase: Phase
    title: str
    sentence: str
    asks: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()
    details: tuple[str, ...] = field(default=())


def imagined(opened: IncidentOpened) -> Incident:
    """Return the incident that `opened` would begin, in no journal."""
    return Incident(
        id=INCIDENT,
        opened=opened,
        opened_at=utc_now(),
        opened_by=By(actor="allclear", via="dry run"),
        severity=opened.severity,
        title=opened.title,
    )


class DryRun:
    """Walks through a runbook without doing any of it."""

    def __init__(self, conductor: Conductor, proposer: Proposer, plan: Plan) -> None:
        self._conductor = conductor
        self._proposer = proposer
        self._plan = plan

    async def walk(self, incident: Incident, runbook: Runbook) -> AsyncIterator[Tried]:
        """Yield every step that this incident's severity and kind call for, in order."""
        words = self._conductor.words(incident)
        for phase in Phase:
            for step in applicable(incident, self._plan, runbook, phase):
                yield await self._try(phase, step, words)

    async def _try(self, phase: Phase, step: Step, words: dict[str, str]) -> Tried:
        title = render(step.title, words) or step.id
        try:
            if step.probe:
                call = ProbeCall.model_validate({"probe": step.probe, "with": step.with_})
                return Tried(phase, title, (await self._conductor.check(call, words)).sentence)
            if step.person:
                return Tried(phase, title, render(step.ask, words), asks=(step.person,))
            if step.undo:
                return Tried(phase, title, "The undo of everything that is in place by then, one approval each.")
            return await self._action(phase, step, title, words)
        except AllclearError as error:
            return Tried(phase, title, "It cannot be done now.", objections=(str(error),))

    async def _action(self, phase: Phase, step: Step, title: str, words: dict[str, str]) -> Tried:
        request = ActionRequest(phase.value, step.id, step.action or "", render_all(step.with_, words), title, step)
        preview, policy = await self._proposer.preview(request)
        objections = tuple(f"{refusal.sentence} {refusal.next_step}" for refusal in preview.refusals)
        roles = tuple(policy.roles) if policy else ()
        change = preview.change
        done = " Nothing is left to change." if preview.done else ""
        details = (f"risk: {change.risk}", f"undo: {change.undo}") if roles else ()
        return Tried(phase, title, change.summary + done, roles, objections, details)
