"""Makes the moves that `next_move` calls for. Each move is journalled before the next one is computed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from allclear.company import Company
from allclear.domain.action import ActionContext, Finding, Verdict
from allclear.domain.approval import AskKind
from allclear.domain.base import Clock
from allclear.domain.deadlines import deadlines
from allclear.domain.errors import ConcurrentWrite, Refused
from allclear.domain.incident import Incident, StepState
from allclear.domain.placeholders import render, render_all
from allclear.domain.plan import Plan
from allclear.domain.records import (
    AskOpened,
    AskWithdrawn,
    By,
    Contained,
    IncidentEnded,
    LedgerHandedOver,
    PhaseEntered,
    PhaseLeft,
    Recovered,
    StepDone,
)
from allclear.domain.runbook import Phase, ProbeCall, Runbook, Step
from allclear.domain.template_values import values
from allclear.domain.timeline import stamp, tell
from allclear.engine.actions import approval_requests
from allclear.engine.actions.auto_approval import APART
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.known_good import after_checks, note_finding, serving_all, with_serving
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.actions.registry import Registry, read_params
from allclear.engine.concurrency import rest
from allclear.engine.incidents import read_incident, readable
from allclear.engine.response.next_move import (
    REOPENED,
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
    choice_key,
    next_move,
    undo_key,
)
from allclear.journal.ports import Journal, OutboxKind, OutboxMessage

Written = Enter | AskPeople | WithdrawAsk | HandOver | FalseAlarm | Leave
"""Moves that are entries in the journal and nothing else."""

HANDED_OVER_FOR = timedelta(days=1)
"""When somebody who took over what is still in place is reminded."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 2.0
"""Seconds between two looks at a service that is to get well."""


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
        *,
        simulated: bool = False,
    ) -> None:
        self._simulated = simulated
        self._journal = journal
        self._registry = registry
        self._executor = executor
        self._proposer = proposer
        self._company = company
        self._around = context
        self._clock = clock

    def incident(self, incident_id: str) -> Incident:
        """Return how the incident stands. Raises NotFound."""
        return read_incident(self._journal, incident_id)

    def standing(self, ended_since: datetime | None = None) -> Iterator[Incident]:
        """Yield the company's incidents that are open or ended no earlier, of this process's world: real or simulated.

        What cannot be read is logged and left out: one damaged record never holds up the others. Raises JournalError.
        """
        rows = self._journal.incidents(
            open_only=ended_since is None, company=self._company.name, ended_since=ended_since
        )
        incidents = readable(self._journal, rows)
        return (incident for incident in incidents if incident.is_of(simulated=self._simulated))

    def told_since(self, incident_id: str, number: int) -> str:
        """Return what was written down after the entry `number`, as the scribe tells it, in one line."""
        incident = self.incident(incident_id)
        lines = [
            tell(entry, incident, self._company.plan) for entry in self._journal.entries(incident_id, after=number)
        ]
        return " ".join(line.text for line in lines) or "Nothing was left to do."

    def runbook(self, incident: Incident) -> Runbook:
        """Return the runbook that the incident follows. Raises NotFound."""
        return self._company.runbook(incident.opened.runbook)

    def next_move(self, incident_id: str, phase: Phase) -> Move:
        """Return what comes next in `phase` of the incident."""
        incident = self.incident(incident_id)
        return next_move(incident, self._company.plan, self.runbook(incident), phase)

    async def make(self, incident_id: str, move: Move, by: By) -> None:
        """Make `move`; where the incident has moved on meanwhile, nothing: ask for the next move again.

        Wait and Over are not made. Raises JournalError, and VendorError where an interrupted act cannot be looked at.
        """
        await self._make_in(self.incident(incident_id), move, by)

    async def _make_in(self, incident: Incident, move: Move, by: By) -> None:
        if not incident.is_of(simulated=self._simulated):
            raise Refused(
                f"{incident.id} is {'simulated' if incident.opened.simulated else 'real'}, and this process is not.",
                "Set or unset ALLCLEAR_SIMULATION, as `allclear up` printed it.",
            )
        try:
            await self._make(incident, move, by)
        except ConcurrentWrite:
            return

    async def _make(self, incident: Incident, move: Move, by: By) -> None:
        match move:
            case RunProbe():
                await self._check(incident, move, by)
            case Propose(phase=phase, step=step, generic=True):
                await self._propose_generic(incident, phase, step, by)
            case Propose(phase=phase, step=step, chosen=chosen):
                if step.auto_approve and chosen is None:
                    incident = await self._check_twice(incident, phase, step, by)
                await self._proposer.propose(incident, self._wish(incident, phase, step, chosen), by)
            case ProposeUndo(phase=phase, act=act_id, title=title):
                act = incident.acts[act_id]
                request = ActionRequest(
                    phase.value, undo_key(act_id), act.proposed.action, act.proposed.params, title, undoes=act
                )
                await self._proposer.propose(incident, request, by)
            case CarryOut(act=act_id):
                await self._executor.carry_out(incident.id, act_id, by)
            case Enter() | AskPeople() | WithdrawAsk() | HandOver() | FalseAlarm() | Leave():
                self._write(incident, move, by)
            case Wait() | Over():
                pass

    def _wish(self, incident: Incident, phase: Phase, step: Step, chosen: str | None = None) -> ActionRequest:
        words, action = self.words(incident), step.action or ""
        params = render_all(step.with_, words)
        if chosen is not None:
            params |= {self._registry.action(action).chooses: chosen}
        return ActionRequest(phase.value, step.id, action, params, render(step.title, words) or step.id, step)

    async def _propose_generic(self, incident: Incident, phase: Phase, step: Step, by: By) -> None:
        """Propose `step` with the words for when nobody answers; they need no approval, for the plan holds them."""
        unanswered = approval_requests.fallback_for(self._registry.action(step.action or ""), step)
        words = unanswered.with_ if unanswered else {}
        generic = step.model_copy(update={"with_": step.with_ | words})
        request = replace(self._wish(incident, phase, generic), authorised=True)
        await self._proposer.propose(incident, request, by)

    async def _check_twice(self, incident: Incident, phase: Phase, step: Step, by: By) -> Incident:
        """Look once more, long enough after the first look that failed, before anything may act by itself."""
        failed = [one.at for one in incident.steps.values() if one.finding.verdict is Verdict.FAILURE]
        if failed:
            await rest(max(0.0, (min(failed) + APART - self._clock()).total_seconds()))
        finding = await self.check(self.runbook(incident).health, self.words(incident))
        seen = StepDone(
            phase=phase.value, step=f"{step.id}-again", title="Looked at again", finding=finding, health_check=True
        )
        self._journal.append(incident.id, [seen], by)
        now = self.incident(incident.id)
        if now.act_of(phase, step.id) is not None and now.act_of(phase, step.id) != incident.act_of(phase, step.id):
            raise ConcurrentWrite(f"{step.id} was proposed meanwhile.", "Ask for the next move again.")
        return now

    def _write(self, incident: Incident, move: Written, by: By) -> None:
        records: list[Any]
        outbox: list[OutboxMessage] = []
        healthy: StepState | None = None
        match move:
            case Enter(phase=phase):
                records = [PhaseEntered(phase=phase.value)]
            case AskPeople():
                records = [AskOpened(ask=self._ask(incident, move))]
            case WithdrawAsk(ask=ask, reason=reason):
                records = [AskWithdrawn(ask=ask, reason=reason)]
            case HandOver(act=act, ask=ask):
                to = incident.asks[ask].answers[-1].by.actor
                records = [LedgerHandedOver(act=act, to=to, due=self._clock() + HANDED_OVER_FOR)]
            case FalseAlarm(phase=phase, ask=ask):
                answer = incident.asks[ask].answers[-1]
                reason = f"{answer.by.actor} agreed: {answer.reason or 'the service is healthy'}"
                records = [PhaseLeft(phase=phase.value), IncidentEnded(ending="false-alarm", reason=reason)]
                healthy = incident.step(phase.value, incident.asks[ask].ask.step)
            case Leave(phase=phase):
                records = [PhaseLeft(phase=phase.value)]
                if phase is Phase.RESOLVE:
                    records.append(IncidentEnded(ending="resolved", reason=_all_clear(incident, self._company.plan)))
                if phase.following:
                    outbox = [start_message(incident.id, phase.following.value)]
        self._journal.append(incident.id, records, by, expect=incident.length, outbox=outbox)
        if healthy and healthy.finding.verdict is Verdict.SUCCESS:  # what looked well then, people have confirmed now
            note_finding(self._journal, healthy.finding, healthy.at, f"{incident.id}, a false alarm")

    def _ask(self, incident: Incident, move: AskPeople) -> Any:  # noqa: ANN401 - an Ask
        step, phase, plan = move.step, move.phase, self._company.plan
        words, sure = self.words(incident), approval_requests.responder(plan, reason=True)
        match move.kind:
            case AskKind.STEP:
                titled = step.model_copy(update={"title": render(step.title, words)})
                return approval_requests.step_ask(
                    incident, phase, titled, render(step.ask, words) + self._due(incident, phase, step)
                )
            case AskKind.CHOICE:
                title = render(step.title, words) or step.id
                kind = self._registry.action(step.action or "")
                policy = approval_requests.policy_for(plan, kind, step) or approval_requests.responder(plan)
                act = incident.acts[move.about]
                return approval_requests.choice_ask(incident, phase, choice_key(step.id), title, act, policy)
            case AskKind.FALSE_ALARM:
                return approval_requests.false_alarm_ask(
                    incident, phase, step, move.about, approval_requests.responder(plan)
                )
            case AskKind.AGAIN if step.undo:
                undo = incident.act_of(phase, undo_key(move.about))
                said = f"{undo.outcome.sentence} {undo.outcome.next_step}" if undo and undo.outcome else move.about
                title = incident.acts[move.about].proposed.title
                return approval_requests.undo_failed_ask(
                    incident, phase, f"{undo_key(move.about)}-left", title, said, sure
                )
            case _:
                return approval_requests.check_again_ask(
                    incident, phase, step.id, render(step.title, words) or step.id, move.about, sure
                )

    def _due(self, incident: Incident, phase: str, step: Step) -> str:
        """Return by when a duty is due, for whoever is asked."""
        found = [one for one in deadlines(self._company.plan, incident) if (one.what, one.name) == (phase, step.id)]
        return f" Due {stamp(found[0].due)}." if found and found[0].due else ""

    async def _check(self, incident: Incident, move: RunProbe, by: By) -> None:
        words = self.words(incident)
        finding = await self.check(move.call, words)
        if finding.verdict is Verdict.SUCCESS and move.call.probe == self.runbook(incident).health.probe:
            served = await serving_all(self._registry, self._around, incident.opened.service)
            finding = with_serving(finding, served)
        title = render(move.step.title, words) or move.step.id
        records: list[Any] = [
            StepDone(
                phase=move.phase.value,
                step=move.key,
                title=title,
                finding=finding,
                health_check=move.call.probe == self.runbook(incident).health.probe,
            ),
        ]
        # A look takes its time, and people write notes meanwhile: only what this look bears on must not have moved.
        incident = self.incident(incident.id)
        if finding.verdict is Verdict.SUCCESS:
            if move.contains and incident.contained is None:
                records.append(Contained(by=move.contains, finding=finding))
            if move.step.expects == "health" and move.phase is Phase.RESOLVE and incident.recovered_at is None:
                records.append(Recovered(finding=finding))
        self._journal.append(incident.id, records, by, expect=incident.length)
        # Not in the same transaction: lost in a crash, it is one witness less, and nothing wrong.
        if len(records) > 1:
            note_finding(self._journal, finding, self._clock(), f"{incident.id}, {records[-1].kind}")

    async def check(self, call: ProbeCall, words: dict[str, str]) -> Finding:
        """Return what a probe shows; with `within`, it looks again until all is well or the time is over."""
        kind = self._registry.probe(call.probe)
        params = read_params(kind, render_all(call.with_, words))
        probe = kind(self._around)
        loop = asyncio.get_running_loop()
        end = loop.time() + (call.within.total_seconds() if call.within else 0.0)
        pause, checks = _FIRST_PAUSE, 0
        while True:
            finding, checks = await probe.check(params), checks + 1
            if finding.verdict is Verdict.SUCCESS or loop.time() + pause > end:
                return after_checks(finding, checks)
            await rest(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def words(self, incident: Incident) -> dict[str, str]:
        """Return the value of every placeholder, for this incident as it stands."""
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

    async def run(self, incident_id: str, phase: Phase, by: By, on_move: Callable[[Move], None] | None = None) -> Move:
        """Make every move of `phase` that needs nobody, and returns the Wait or Over that it ends at."""
        while True:
            incident = self.incident(incident_id)  # once for both: reading it is most of what a move costs
            move = next_move(incident, self._company.plan, self.runbook(incident), phase)
            if isinstance(move, Wait | Over):
                return move
            if on_move:
                on_move(move)
            await self._make_in(incident, move, by)


def start_message(incident: str, flow: str) -> OutboxMessage:
    """Return the errand to start the run of `flow` for the incident: one, however often it is asked for."""
    return OutboxMessage(OutboxKind.START, incident, f"{incident}/{flow}", {"flow": flow})


def taken_up_again(incident: Incident, plan: Plan, severity: str) -> list[OutboxMessage]:
    """Return the errands that start again what was left at a lesser severity than the incident gets now."""
    if plan.rank(severity) >= plan.rank(incident.severity):
        return []
    return [
        OutboxMessage(OutboxKind.START, incident.id, f"{incident.id}/{phase.value}/{severity}", {"flow": phase.value})
        for phase in REOPENED
        if phase.value in incident.left
    ]


def _all_clear(incident: Incident, plan: Plan) -> str:
    severity = plan.severity(incident.severity)
    if severity and severity.ticket_only and not incident.acts:
        return f"A {severity.name} only makes a ticket."
    if incident.recovered_at is None:
        return "The response was ended by people; recovery was not proven."
    left = [act.proposed.title for act in incident.in_place]
    if left:
        return f"The service is well; still in place, each with a name and a date: {', '.join(left)}."
    return "The service is well, and nothing of the containment is left in place."
