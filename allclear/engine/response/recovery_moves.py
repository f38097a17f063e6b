"""The next move of the step that proves recovery: several good checks in a row, over the time that the plan names."""

from __future__ import annotations

from datetime import datetime

from allclear.domain.action import Finding, Verdict
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.records import Recovered
from allclear.domain.recovery import RecoveryRule
from allclear.domain.replay_states import REPEATED
from allclear.domain.runbook import Phase, Runbook, Step
from allclear.engine.response.moves import Move, RunProbe
from allclear.engine.response.step_moves import probe_call, repeat_check


def recovery_rule(plan: Plan, runbook: Runbook) -> RecoveryRule:
    """Return how many good checks over which time prove recovery: the runbook's rule, or else the plan's."""
    return runbook.recovery or plan.recovery


def probe_can_prove_recovery(incident: Incident, plan: Plan) -> bool:
    """Return whether good checks prove recovery: always, unless only people can tell that the incident is contained."""
    return not plan.people_verify(incident.kind) or incident.contained is not None


def recovery_move(incident: Incident, plan: Plan, runbook: Runbook, phase: Phase, step: Step) -> Move | None:
    """Return the next check; None once recovery is proven, or people go on without it.

    A check that is not good is put to people. If the service fails again later, the checks begin anew.
    """
    rule = recovery_rule(plan, runbook)
    check = RunProbe(phase, step, step.id, probe_call(step), proves="recovery")
    result = incident.step(phase, step.id)
    if result is None or result.number < incident.recovery.last_lost:
        return check
    if result.finding.verdict is not Verdict.SUCCESS:
        return repeat_check(incident, check)
    if incident.recovered or not probe_can_prove_recovery(incident, plan):
        return None
    once = probe_call(step).model_copy(update={"within": None})  # a failure between good checks is not repeated away
    return RunProbe(phase, step, step.id, once, proves="recovery", not_before=rule.next_check(incident.good_checks))


def proven_recovery(
    incident: Incident, plan: Plan, runbook: Runbook, finding: Finding, now: datetime
) -> Recovered | None:
    """Return the record of a recovery that this check proves, together with the good checks before it; else None."""
    if finding.verdict is not Verdict.SUCCESS or incident.recovered or not probe_can_prove_recovery(incident, plan):
        return None
    before = () if REPEATED in finding.facts else incident.good_checks
    good = (*before, now)
    if not recovery_rule(plan, runbook).proven_by(good):
        return None
    return Recovered(finding=finding, checks=len(good), since=good[0] if len(good) > 1 else None)
