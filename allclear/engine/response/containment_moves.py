"""The next move towards containment: a measure, its proof, and the check of an incident that was contained before.

A probe proves containment, unless only people can tell (`verified_by: people` of the incident's kind). After
containment was lost, the measures that are not in place are tried again, in order.
"""

from __future__ import annotations

from allclear.domain.act import Act
from allclear.domain.action import ActStatus, Verdict
from allclear.domain.approval import AskKind
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.plan.people import LEAD
from allclear.domain.runbook import Phase, ProbeCall, Runbook, Step
from allclear.engine.response.moves import AskPeople, Move, Propose, RunProbe, Wait
from allclear.engine.response.step_keys import MANUAL_CONTAINMENT, STILL_CONTAINED, proof_key
from allclear.engine.response.step_moves import action_move, repeat_check

_MAY_HAVE_HELPED = {ActStatus.VERIFIED, ActStatus.APPLIED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE}
"""Outcomes after which a measure is proven. One that was already done counts: it may help this incident too."""


class Containment:
    """The moves of one incident towards containment, in one phase."""

    def __init__(self, incident: Incident, plan: Plan, runbook: Runbook, phase: Phase) -> None:
        self._incident = incident
        self._runbook = runbook
        self._phase = phase
        self._people_verify = plan.people_verify(incident.kind)
        self._lost = incident.loss.number if incident.loss else 0
        """The number of the entry that ended containment; what was tried before it may be tried again."""

    # --- measures ----------------------------------------------------------------------------------------

    def measure(self, step: Step) -> Move | None:
        """Return the next move of a measure: its act or its person's step, then the proof that it worked."""
        return self._persons_measure(step) if step.person else self._action(step)

    def _action(self, step: Step) -> Move | None:
        act = self._incident.act_of(self._phase, step.id)
        if self._incident.containment.current and (act is None or act.outcome):
            return None
        if act and act.outcome and act.number < self._lost:
            return None if act.in_place else Propose(self._phase, step, again=True)
        move = action_move(self._incident, self._phase, step, self._lost)
        if move is not None:
            return move
        if act is None or act.outcome is None or act.outcome.status not in _MAY_HAVE_HELPED:
            return None
        return self._proof(step, act.proposed.title, act.number, act.id)

    def _persons_measure(self, step: Step) -> Move | None:
        result, ask = self._incident.step(self._phase, step.id), self._incident.ask_of(self._phase, step.id)
        if self._incident.containment.current:
            return None
        if ask and ask.open:
            return Wait((ask.ask.id,))
        if result is None or result.number < self._lost:
            return AskPeople(self._phase, step, AskKind.STEP)
        if result.finding.verdict is not Verdict.SUCCESS or self._people_verify:
            return None
        return self._proof(step, step.title or step.id, result.number)

    def _proof(self, step: Step, title: str, done: int, act: str = "") -> Move | None:
        """Return the proof of a measure that entry `done` reports; None if it was made, and did not prove it.

        `act` is the act that carried the measure out; empty for a person's step.
        """
        key = proof_key(step.id)
        result = self._incident.step(self._phase, key)
        if result and result.number > done:
            return None
        if self._people_verify:
            return self._ask(key, f"Has the harm stopped? {title}", "Note how you know.", done)
        call = step.proof or self._runbook.health
        return RunProbe(self._phase, step, key, call, contained_by=title, contained_act=act, proves="containment")

    # --- people contain ----------------------------------------------------------------------------------

    def by_people(self) -> tuple[Step, Move] | None:
        """Return the next move if no measure worked: people contain, and the service is probed when they ask for it.

        None if the incident is contained, or if people go on without containment.
        """
        if self._incident.containment.current:
            return None
        if self._people_verify:
            text = "No step of the runbook has contained it. Confirm that the harm has stopped, and note how you know."
            step = self._question(MANUAL_CONTAINMENT, "Has the harm stopped?", text)
            move = self._once(step, self._lost)
            return (step, move) if move else None
        step = self._probe_step(MANUAL_CONTAINMENT, "Contained by hand?")
        check = RunProbe(
            self._phase,
            step,
            step.id,
            self._runbook.health,
            contained_by="Found healthy again",
            proves="containment",
        )
        move = self._after_loss(check)
        return (step, move) if move else None

    def _after_loss(self, check: RunProbe) -> Move | None:
        """Return the next move of the check by hand. After a loss it begins with the question, not with a check.

        The check that found the loss need not be repeated before people have done something.
        """
        loss = self._incident.loss
        result, ask = self._incident.step(check.phase, check.key), self._incident.ask_of(check.phase, check.key)
        if loss is None or (result and result.number > loss.number):
            return repeat_check(self._incident, check)
        if ask is None or (ask.number < loss.number and not ask.open):
            return AskPeople(check.phase, check.step, AskKind.RETRY, loss.sentence)
        if ask.open:
            return Wait((ask.ask.id,))
        return check if ask.granted else None

    # --- an incident that was contained ------------------------------------------------------------------

    def still_contained(self) -> tuple[Step, Move] | None:
        """Return the check of a contained or recovered incident after an alert or a change of production."""
        recheck = self._incident.recheck
        if recheck is None:
            return None
        if self._people_verify:
            text = "An alert fired, or production was changed. Confirm that the harm has not begun again."
            step = self._question(STILL_CONTAINED, "Is it still contained?", text)
            move = self._once(step, recheck.number)
            return (step.model_copy(update={"meanwhile": True}), move) if move else None
        step = self._probe_step(STILL_CONTAINED, "Checked again")
        return step, RunProbe(self._phase, step, step.id, self._proof_in_place(), proves="containment")

    def _proof_in_place(self) -> ProbeCall:
        """Return the proof of the newest act in place that has one of its own; without one, the health check.

        An act that a person started, or that another phase made, has the proof of the measure with the same action: if
        maintenance mode was switched on by hand, the health check would meet the maintenance page.
        """
        proofs = (self._proof_of(act) for act in reversed(self._incident.in_place))
        return next((proof for proof in proofs if proof), self._runbook.health)

    def _proof_of(self, act: Act) -> ProbeCall | None:
        proposed, measures = act.proposed, self._runbook.measures
        own = [step for step in measures if proposed.phase == Phase.CONTAIN and step.id == proposed.step]
        same = [step for step in measures if step.action == proposed.action]
        return next((step.proof for step in [*own, *same] if step.proof), None)

    # --- questions ---------------------------------------------------------------------------------------

    def _probe_step(self, key: str, title: str) -> Step:
        health = self._runbook.health
        return Step.model_validate(
            {"id": key, "title": title, "probe": health.probe, "with": health.with_, "expects": "health"}
        )

    def _question(self, key: str, title: str, text: str) -> Step:
        """Return the question whose yes confirms containment, for the person who confirms it in the runbook."""
        person = next((step.person for step in reversed(self._runbook.measures) if step.person), LEAD)
        return Step.model_validate({"id": key, "title": title, "person": person, "ask": text, "measure": True})

    def _ask(self, key: str, title: str, text: str, since: int) -> Move | None:
        return self._once(self._question(key, title, text), since)

    def _once(self, step: Step, since: int) -> Move | None:
        """Return the question, asked once after entry `since`; None if it was answered since."""
        result, ask = self._incident.step(self._phase, step.id), self._incident.ask_of(self._phase, step.id)
        if ask and ask.open:
            return Wait((ask.ask.id,))
        if result and result.number > since:
            return None
        return AskPeople(self._phase, step, AskKind.STEP)
