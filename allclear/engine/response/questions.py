"""Words the question of an `AskPeople` move."""

from __future__ import annotations

from allclear.company import Company
from allclear.domain.approval import Ask, AskKind
from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.placeholders import render
from allclear.domain.reminders.deadlines import deadlines
from allclear.domain.runbook import Step
from allclear.engine.actions import approval_requests
from allclear.engine.actions.registry import Registry
from allclear.engine.response.moves import AskPeople
from allclear.engine.response.step_context import StepContext
from allclear.engine.response.step_keys import choice_key, undo_failed_key, undo_key


class Questions:
    """The questions that the steps of a runbook and the duties of a plan put to people."""

    def __init__(self, company: Company, registry: Registry, steps: StepContext) -> None:
        self._company = company
        self._registry = registry
        self._steps = steps

    def ask(self, incident: Incident, move: AskPeople) -> Ask:
        """Return the question that `move` puts to people. Raises NotFound, JournalError."""
        match move.kind:
            case AskKind.STEP:
                return self._step(incident, move)
            case AskKind.CHOICE:
                return self._choice(incident, move)
            case AskKind.FALSE_ALARM:
                policy = approval_requests.response_policy(self._company.plan)
                return approval_requests.false_alarm_ask(incident, move.phase, move.step, move.about, policy)
            case AskKind.RETRY if move.step.undo:
                return self._undo_failed(incident, move)
            case _:
                policy = approval_requests.response_policy(self._company.plan, reason=True)
                return approval_requests.check_again_ask(
                    incident, move.phase, move.step.id, self._steps.title(incident, move.step), move.about, policy
                )

    def _step(self, incident: Incident, move: AskPeople) -> Ask:
        values = self._steps.values(incident)
        step = move.step.model_copy(update={"title": render(move.step.title, values)})
        text = render(step.ask, values) + self._due(incident, move.phase, step)
        ask = approval_requests.step_ask(incident, move.phase, step, text)
        left_out = self._steps.left_out_without(incident, move.phase, step.id)
        ask = ask.model_copy(update={"no": approval_requests.not_done(left_out)})
        if step.measure and self._company.plan.people_verify(incident.kind):
            yes, no = "The incident is contained.", "The incident is not contained, and the response goes on."
            return ask.model_copy(update={"contains": True, "yes": yes, "no": no})
        return ask

    def _choice(self, incident: Incident, move: AskPeople) -> Ask:
        plan, step = self._company.plan, move.step
        kind = self._registry.action(step.action or "")
        policy = approval_requests.policy_for(plan, kind, step) or approval_requests.response_policy(plan)
        act = incident.acts[move.about]
        key = choice_key(step.id)
        return approval_requests.choice_ask(incident, move.phase, key, self._steps.title(incident, step), act, policy)

    def _undo_failed(self, incident: Incident, move: AskPeople) -> Ask:
        undo = incident.act_of(move.phase, undo_key(move.about))
        outcome = undo.outcome if undo else None
        text = f"{outcome.sentence} {outcome.next_step}" if outcome else move.about
        title = incident.acts[move.about].proposed.title
        policy = approval_requests.response_policy(self._company.plan, reason=True)
        return approval_requests.undo_failed_ask(incident, move.phase, undo_failed_key(move.about), title, text, policy)

    def _due(self, incident: Incident, phase: str, step: Step) -> str:
        """Return the sentence by when a duty is due; empty for other steps."""
        due = (
            deadline.due
            for deadline in deadlines(self._company.plan, incident)
            if (deadline.what, deadline.name) == (phase, step.id)
        )
        moment = next(due, None)
        return f" Due {stamp(moment, self._company.plan.zone)}." if moment else ""
