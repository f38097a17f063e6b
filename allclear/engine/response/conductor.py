"""Makes the moves that `next_move` computes. Each move is journalled before the next one is computed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from allclear.company import Company
from allclear.domain.action import ActionContext, Finding, Verdict
from allclear.domain.base import Clock
from allclear.domain.errors import ConcurrentWrite, NotAllowed, Refused
from allclear.domain.incident import Incident
from allclear.domain.notify.on_call import acting_on_call
from allclear.domain.placeholders import render, render_all
from allclear.domain.plan import Plan
from allclear.domain.records import (
    AskOpened,
    By,
    IncidentEnded,
    LedgerHandedOver,
    PhaseEntered,
    PhaseLeft,
)
from allclear.domain.runbook import Phase, ProbeCall, Runbook, Step
from allclear.domain.template_values import TemplateValues
from allclear.domain.timeline import line_of
from allclear.engine.actions.approval_requests import fallback_for
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.known_good import record_known_good
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.actions.registry import ActionType, Registry
from allclear.engine.incidents import overrides_of, read_incident, readable
from allclear.engine.response.checks import Checks
from allclear.engine.response.ending import ending
from allclear.engine.response.flow_starts import contain_again, start_message
from allclear.engine.response.moves import (
    AskPeople,
    CarryOut,
    Enter,
    FalseAlarm,
    HandOver,
    Leave,
    Move,
    Over,
    Propose,
    ProposeUndo,
    RunProbe,
    Wait,
    WithdrawAsk,
)
from allclear.engine.response.next_move import next_move
from allclear.engine.response.questions import Questions
from allclear.engine.response.running_check import running_check
from allclear.engine.response.step_context import StepContext
from allclear.engine.response.step_keys import STILL_CONTAINED, undo_key
from allclear.engine.response.withdrawals import questions_to_withdraw, withdrawal
from allclear.journal.ports import Journal
from allclear.journal.rows import OutboxMessage

_log = logging.getLogger(__name__)

HANDED_OVER_FOR = timedelta(days=1)
"""The time after which a person who took over what is still in place is reminded."""


class Conductor:
    """Carries an incident on, move by move. It holds no state: everything is in the journal."""

    def __init__(  # noqa: PLR0913 - the pieces that `allclear.bootstrap` puts together
        self,
        journal: Journal,
        registry: Registry,
        executor: Executor,
        proposer: Proposer,
        company: Company,
        context: ActionContext,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._registry = registry
        self._executor = executor
        self._proposer = proposer
        self._company = company
        self._clock = clock
        self._steps = StepContext(journal, company, clock, context.links)
        self._checks = Checks(journal, registry, context, self._steps, clock)
        self._questions = Questions(company, registry, self._steps)

    def incident(self, incident_id: str) -> Incident:
        """Return the incident as the journal has it now. Raises NotFound, JournalError."""
        return read_incident(self._journal, incident_id)

    def incidents(self, ended_since: datetime | None = None) -> Iterator[Incident]:
        """Yield the incidents that are open, or ended at `ended_since` or later.

        An incident whose record cannot be read is logged and left out, so that it does not hold up the others. Raises
        JournalError.
        """
        rows = self._journal.incidents(open_only=ended_since is None, ended_since=ended_since)
        return readable(self._journal, rows)

    def summary_since(self, incident_id: str, number: int) -> str:
        """Return the timeline sentences of the entries after entry `number`, in one line."""
        incident = self.incident(incident_id)
        lines = [
            line_of(entry, incident, self._company.plan) for entry in self._journal.entries(incident_id, after=number)
        ]
        return " ".join(line.text for line in lines) or "Nothing was left to do."

    def runbook(self, incident: Incident) -> Runbook:
        """Return the runbook that the incident follows. Raises NotFound."""
        return self._steps.runbook(incident)

    def values(self, incident: Incident, now: datetime | None = None) -> TemplateValues:
        """Return the value of every placeholder, as `StepContext.values` does. Raises JournalError."""
        return self._steps.values(incident, now)

    def values_for(self, incident: Incident, action: ActionType, now: datetime | None = None) -> TemplateValues:
        """Return the values for the parameters of an action, as `StepContext.values_for` does."""
        return self._steps.values_for(incident, action, now)

    def running_check(self, incident: Incident) -> str:
        """Return which check of containment or recovery is made now, for how long and at what; empty if none is.

        It is also empty if it cannot be worked out, for example because the runbook was removed.
        """
        if incident.over:
            return ""
        try:
            return running_check(incident, self._company, self._registry, self.values(incident))
        except Exception:  # noqa: BLE001 - a probe may raise anything, and one sentence must not hide an incident
            _log.exception("Could not work out the running check of %s; the incident is shown without it.", incident.id)
            return ""

    async def check(self, call: ProbeCall, values: Mapping[str, str]) -> Finding:
        """Run a probe and return its finding, as `Checks.check` does."""
        return await self._checks.check(call, values)

    async def check_health(self, incident: Incident) -> Finding:
        """Run the health check of the incident's runbook and return its finding; nothing is journalled."""
        return await self._checks.check_health(incident)

    def next_move(self, incident_id: str, phase: Phase) -> Move:
        """Return the next move in `phase` of the incident. Raises NotFound, JournalError."""
        incident = self.incident(incident_id)
        return next_move(incident, self._company.plan, self.runbook(incident), phase)

    def withdraw_questions(self, incident_id: str, by: By) -> None:
        """Withdraw the questions that are no longer to be answered, in every phase. Raises NotFound, JournalError.

        If the incident changes meanwhile, the rest is left to the next call.
        """
        incident = self.incident(incident_id)
        for move in list(questions_to_withdraw(incident, self._company.plan, self.runbook(incident))):
            records, outbox = withdrawal(incident, move)
            try:
                self._journal.append(incident_id, records, by, expect=incident.length, outbox=outbox)
            except ConcurrentWrite:
                return
            incident = self.incident(incident_id)

    async def run(self, incident_id: str, phase: Phase, by: By, on_move: Callable[[Move], None] | None = None) -> Move:
        """Make moves of `phase` until people must answer or it is over; return that last move, a Wait or an Over."""
        while True:
            incident = self.incident(incident_id)  # read once for both: reading is most of what a move costs
            move = next_move(incident, self._company.plan, self.runbook(incident), phase)
            if isinstance(move, Wait | Over):
                return move
            if on_move:
                on_move(move)
            await self._make_in(incident, move, by)

    async def make(self, incident_id: str, phase: Phase, move: Move, by: By) -> None:
        """Make `move` if it is still the next one in `phase`; otherwise do nothing: compute the next move again.

        Another process may have made it since it was computed. A question that was asked twice would ask people again
        what they have answered. Nothing is done for Wait and Over. Raises JournalError; VendorError if what became of
        an interrupted act cannot be read; NotFound if the incident belongs to another scope.
        """
        incident = self.incident(incident_id)
        if next_move(incident, self._company.plan, self.runbook(incident), phase) == move:
            await self._make_in(incident, move, by)

    async def _make_in(self, incident: Incident, move: Move, by: By) -> None:
        try:
            await self._make(incident, move, by)
        except ConcurrentWrite:
            return
        except NotAllowed:
            if not (isinstance(move, CarryOut) and self.incident(incident.id).held):
                raise

    async def _make(self, incident: Incident, move: Move, by: By) -> None:
        match move:
            case RunProbe():
                await self._checks.run(incident, move, by)
            case Propose():
                await self._propose(incident, move, by)
            case ProposeUndo():
                act = incident.acts[move.act]
                request = ActionRequest(
                    move.phase.value,
                    undo_key(move.act),
                    act.proposed.action,
                    act.proposed.params,
                    move.title,
                    undoes=act,
                )
                await self._proposer.propose(incident, request, by)
            case CarryOut():
                await self._executor.carry_out(incident.id, move.act, by)
            case WithdrawAsk():
                records, outbox = withdrawal(incident, move)
                self._journal.append(incident.id, records, by, expect=incident.length, outbox=outbox)
            case Enter() | AskPeople() | HandOver() | FalseAlarm() | Leave():
                self._write(incident, move, by)
            case Wait() | Over():
                pass

    async def _propose(self, incident: Incident, move: Propose, by: By) -> None:
        """Propose the action of a step: with the chosen candidate, or with the standard text if no one answered."""
        phase, step = move.phase, move.step
        if move.fallback:
            fallback = fallback_for(self._registry.action(step.action or ""), step)
            standard = step.model_copy(update={"with_": step.with_ | (fallback.with_ if fallback else {})})
            # The standard text needs no approval, because the plan contains it.
            request = replace(self.request(incident, phase, standard), authorised=True)
        else:
            if move.again:  # it was undone, or did not last: a person decides whether it is tried again
                step = step.model_copy(update={"auto_approve": None})
            if step.auto_approve and move.chosen is None:
                incident = await self._checks.check_twice(incident, phase, step, by)
            request = self.request(incident, phase, step, move.chosen)
            if self._registry.action(step.action or "").pages:
                request = replace(request, needless=self._paged_already(incident))
        await self._proposer.propose(incident, request, by)

    def _paged_already(self, incident: Incident) -> str | None:
        """Return why no page is needed: the person whom it would wake acts already, or a person took the incident."""
        plan = self._company.plan
        person = acting_on_call(plan, incident, self._clock(), overrides_of(self._journal, plan))
        return f"No page was sent, because {person} acts already." if person else None

    def request(self, incident: Incident, phase: Phase, step: Step, chosen: str | None = None) -> ActionRequest:
        """Return the action of a step with its parameters filled in. Raises NotFound, ConfigError, JournalError.

        `chosen` is the candidate that people chose, or None.
        """
        values, action = self.values(incident), step.action or ""
        title = render(step.title, values) or step.id
        request = ActionRequest(phase.value, step.id, action, dict(step.with_), title, step)
        kind = self._registry.action(action)
        try:
            params = render_all(step.with_, self._steps.values_for(incident, kind))
        except Refused as error:  # a text lacks the fact that it is about: people read why it is not sent
            return replace(request, refused=error)
        return replace(request, params=params | ({kind.chooses: chosen} if chosen is not None else {}))

    def _write(self, incident: Incident, move: Enter | AskPeople | HandOver | FalseAlarm | Leave, by: By) -> None:
        """Make a move that consists of journal entries and nothing else."""
        outbox: list[OutboxMessage] = []
        if isinstance(move, Leave) and move.phase.following:
            outbox = [start_message(incident.id, move.phase.following.value)]
        if isinstance(move, AskPeople) and move.step.id == STILL_CONTAINED:
            outbox = contain_again(incident, f"asked-{incident.length + 1}")
        records = self._records(incident, move)
        if isinstance(records[-1], IncidentEnded):
            closed, resumed = ending(incident, records[-1])
            records = [*records[:-1], *closed]
            outbox = [*outbox, *resumed]
        self._journal.append(incident.id, records, by, expect=incident.length, outbox=outbox)
        if isinstance(move, FalseAlarm):
            self._note_known_good(incident, move)

    def _records(self, incident: Incident, move: Enter | AskPeople | HandOver | FalseAlarm | Leave) -> list[Any]:
        records: list[Any]
        match move:
            case Enter(phase=phase):
                records = [PhaseEntered(phase=phase.value)]
            case AskPeople():
                records = [AskOpened(ask=self._questions.ask(incident, move))]
            case HandOver(act=act, ask=ask):
                owner = incident.asks[ask].answers[-1].by.actor
                records = [LedgerHandedOver(act=act, to=owner, due=self._clock() + HANDED_OVER_FOR)]
            case FalseAlarm(phase=phase, ask=ask):
                answer = incident.asks[ask].answers[-1]
                reason = f"{answer.by.actor} agreed: {answer.reason or 'the service is healthy'}"
                records = [PhaseLeft(phase=phase.value), IncidentEnded(ending="false-alarm", reason=reason)]
            case Leave(phase=phase):
                records = [PhaseLeft(phase=phase.value)]
                if phase is Phase.RESOLVE:
                    records.append(IncidentEnded(ending="resolved", reason=_ending(incident, self._company.plan)))
        return records

    def _note_known_good(self, incident: Incident, move: FalseAlarm) -> None:
        """Record what served when the check succeeded, because people have now confirmed that it was healthy."""
        step = incident.asks[move.ask].ask.step
        result = incident.step(move.phase.value, step)
        if result and result.finding.verdict is Verdict.SUCCESS:
            record_known_good(self._journal, result.finding, result.at, f"{incident.id}, a false alarm")


def _ending(incident: Incident, plan: Plan) -> str:
    """Return the reason why the incident ends."""
    severity = plan.severity(incident.severity)
    if severity and severity.ticket_only and not incident.acts:
        return f"A {severity.name} only makes a ticket."
    if incident.recovered is None:
        return "People ended the response; recovery was not proven."
    left = [act.proposed.title for act in incident.in_place]
    if left:
        return f"The service is healthy. Still in place, each with an owner and a date: {', '.join(left)}."
    return "The service is healthy, and nothing of the containment is left in place."
