"""How a question to people reads: what will change, before and after, why, the risk, and the way back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from allclear.domain.action import Action, Change
from allclear.domain.approval import ONE_PERSON, AnswerWindow, ApprovalPolicy, Ask, AskKind, Fallback
from allclear.domain.incident import Act, Incident
from allclear.domain.plan import Plan
from allclear.domain.runbook import Step
from allclear.domain.text import change_rows, markdown_safe


def policy_for(plan: Plan, action: type[Action[Any, Any]], step: Step | None = None) -> ApprovalPolicy | None:
    """Return who must say yes: the step's own word, else the plan's, else the action's default; None for nobody.

    Deputies stand beside those whom they act for.
    """
    own = step.approval if step is not None else None
    policy = own or plan.approvals.get(action.name, action.approval)
    if policy is None:
        return None
    return policy.model_copy(
        update={"roles": plan.with_deputies(policy.roles), "one_of": plan.with_deputies(policy.one_of)}
    )


def responder(plan: Plan, *, reason: bool = False) -> ApprovalPolicy:
    """Return the policy for questions about the response itself: one of its responders, or anybody."""
    known = [role for role in ONE_PERSON.roles if role in plan.roles]
    return ApprovalPolicy(roles=known or list(plan.roles), reason_needed=reason)


def fallback_for(action: type[Action[Any, Any]], step: Step | None) -> Fallback | None:
    """Return what goes out when nobody answers: the step's own word, else the action's; None for nothing."""
    found = None if step is None or step.if_unanswered == "never" else step.if_unanswered or action.if_unanswered
    return found if found and set(found.with_) <= set(action.speaks) else None


def ask_id(incident: Incident, phase: str, step: str) -> str:
    """Return a new ask's id, as `VS-12/contain/roll-back`; the second of a step ends in `~2`."""
    times = sum((state.ask.phase, state.ask.step) == (phase, step) for state in incident.asks.values())
    return f"{incident.id}/{phase}/{step}" + (f"~{times + 1}" if times else "")


def approval_of(
    incident: Incident, phase: str, step: str, act: str, change: Change[Any], policy: ApprovalPolicy
) -> Ask:
    """Return the question whether `change` may be made."""
    rows = [f"| {name} | {was} | {then} |" for name, was, then in change_rows(change.model_dump(mode="json"))]
    text = "\n".join(
        [
            f"Why: {markdown_safe(_why(incident))}",
            "",
            "| | before | after |",
            "|---|---|---|",
            *rows,
            "",
            f"Risk: {markdown_safe(change.risk)}",
            "",
            f"Undo: {markdown_safe(change.undo)}",
        ]
    )
    return Ask(
        id=ask_id(incident, phase, step),
        kind=AskKind.APPROVAL,
        phase=phase,
        step=step,
        title=change.summary,
        text=text,
        yes="It is done at once, and verified.",
        no="It is not done; the runbook goes on without it.",
        policy=policy,
        act=act,
        digest=change.digest,
    )


def with_window(ask: Ask, step: Step, unanswered: Fallback | None, against: list[str], now: datetime) -> Ask:
    """Return `ask` with what happens when nobody answers, if so; `against` speaks against acting alone."""
    simple = ask.policy.people == 1 and not ask.policy.one_of and not ask.policy.reason_needed
    if step.auto_approve and not simple:
        against = [*against, "its approval asks for more than one person's yes"]
    if step.auto_approve and not against:
        until = now + step.auto_approve.veto_window
        told = f"It is done by itself at {until:%H:%M:%S} UTC, unless somebody says no."
        return ask.model_copy(
            update={"window": AnswerWindow(until=until, then="act"), "text": f"**{told}**\n\n{ask.text}"}
        )
    if step.auto_approve:
        text = f"{ask.text}\n\nIt is not done by itself: {'; '.join(against)}."
        return ask.model_copy(update={"text": text})
    if unanswered:
        until = now + unanswered.after
        told = (
            f"Unanswered by {until:%H:%M} UTC while the service is failing, the generic text goes out, "
            "unless no alert proved who it is, one flaps, or alerts storm in."
        )
        return ask.model_copy(
            update={"window": AnswerWindow(until=until, then="fallback"), "text": f"{ask.text}\n\n{told}"}
        )
    return ask


def _why(incident: Incident) -> str:
    checks = [state for state in incident.steps.values() if state.finding.facts]
    seen = f" Last look: {checks[-1].finding.sentence}" if checks else ""
    return f"{incident.id}, {incident.severity}: {incident.title}.{seen}"


def choice_ask(incident: Incident, phase: str, key: str, title: str, act: Act, policy: ApprovalPolicy) -> Ask:
    """Return the question which candidate is meant, where nothing decided it."""
    candidates = [candidate for refusal in act.refusals for candidate in refusal.candidates]
    said = " ".join(refusal.sentence for refusal in act.refusals)
    lines = [f"- **{markdown_safe(one.name)}**: {markdown_safe(one.reason)}" for one in candidates]
    return Ask(
        id=ask_id(incident, phase, key),
        kind=AskKind.CHOICE,
        phase=phase,
        step=key,
        title=f"Which one? {title}",
        text="\n".join([markdown_safe(said), "", *lines]),
        yes="The change to it is worked out, and asked for.",
        no="It is not done; the runbook goes on without it.",
        policy=policy,
        choices=candidates,
    )


def step_ask(incident: Incident, phase: str, step: Step, text: str) -> Ask:
    """Return the request that a role does `step` and says so."""
    role = step.person or "on_call"
    roles = list(dict.fromkeys([role, "incident_commander"]))
    return Ask(
        id=ask_id(incident, phase, step.id),
        kind=AskKind.STEP,
        phase=phase,
        step=step.id,
        title=step.title or text,
        text=markdown_safe(text),
        yes="It is done; a note says how.",
        no="It cannot or need not be done; a note says why.",
        policy=ApprovalPolicy(roles=roles, reason_needed=True),
    )


def false_alarm_ask(incident: Incident, phase: str, step: Step, finding: str, policy: ApprovalPolicy) -> Ask:
    """Return the question whether the response should end here."""
    return Ask(
        id=ask_id(incident, phase, step.id),
        kind=AskKind.FALSE_ALARM,
        phase=phase,
        step=step.id,
        title=f"False alarm? {incident.title}",
        text=f"The service looks healthy: {markdown_safe(finding)} Nothing was changed and nobody was paged.",
        yes="The incident ends as a false alarm.",
        no="The response goes on: somebody is paged.",
        policy=policy,
    )


def check_again_ask(incident: Incident, phase: str, key: str, title: str, finding: str, policy: ApprovalPolicy) -> Ask:
    """Return the question whether to look again, where a look did not show health."""
    return Ask(
        id=ask_id(incident, phase, key),
        kind=AskKind.RETRY,
        phase=phase,
        step=key,
        title=f"Not well yet: {title}",
        text=f"{markdown_safe(finding)} Set it right, then say yes.",
        yes="The service is looked at again.",
        no="The response goes on without; the record says so.",
        policy=policy,
    )


def undo_failed_ask(incident: Incident, phase: str, key: str, title: str, outcome: str, policy: ApprovalPolicy) -> Ask:
    """Return the question what to do about something that could not be undone."""
    return Ask(
        id=ask_id(incident, phase, key),
        kind=AskKind.RETRY,
        phase=phase,
        step=key,
        title=f"Still in place: {title}",
        text=f"{markdown_safe(outcome)}",
        yes="Its undo is worked out again.",
        no="It stays in place: whoever answers takes it over, and is reminded a day later.",
        policy=policy,
    )
