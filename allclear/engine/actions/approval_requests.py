"""The texts of the questions to people: what would change, before and after, why, the risk, and how it is undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from allclear.domain.act import Act
from allclear.domain.action import Action, Change
from allclear.domain.approval import ONE_PERSON, AnswerWindow, ApprovalPolicy, Ask, AskKind, Fallback
from allclear.domain.base import Candidate
from allclear.domain.fact_questions import FactQuestion
from allclear.domain.incident import Incident
from allclear.domain.local_times import named_clock
from allclear.domain.plan import Plan
from allclear.domain.pseudo_phases import FACT
from allclear.domain.question import why_paragraph
from allclear.domain.records import By
from allclear.domain.reminders.follow_ups import DUE_DAYS
from allclear.domain.runbook import Step
from allclear.domain.text import LONG, WHOLE, change_rows, markdown_safe, plain, with_full_stop


def policy_for(plan: Plan, action: type[Action[Any, Any]], step: Step | None = None) -> ApprovalPolicy | None:
    """Return who must approve an action, with their deputies; None if no approval is needed.

    The step decides, or else the plan, or else the action's default.
    """
    own = step.approval if step is not None else None
    policy = own or plan.approvals.get(action.name, action.approval)
    if policy is None:
        return None
    return policy.model_copy(
        update={"roles": plan.with_deputies(policy.roles), "one_of": plan.with_deputies(policy.one_of)}
    )


def response_policy(plan: Plan, *, reason: bool = False) -> ApprovalPolicy:
    """Return who may answer questions about the response itself: its responders, or everyone if the plan has none."""
    known = [role for role in ONE_PERSON.roles if role in plan.roles]
    return ApprovalPolicy(roles=known or list(plan.roles), reason_needed=reason)


def fallback_for(action: type[Action[Any, Any]], step: Step | None) -> Fallback | None:
    """Return the standard text that is sent if no one answers: the step's, or else the action's; None if there is none.

    Only parameters that people read may be replaced.
    """
    fallback = None if step is None or step.if_unanswered == "never" else step.if_unanswered or action.if_unanswered
    return fallback if fallback and set(fallback.with_) <= set(action.text_params) else None


def ask_id(incident: Incident, phase: str, step: str) -> str:
    """Return a new ask's id, as `VS-12/contain/roll-back`; the second ask of a step ends in `~2`."""
    times = sum((state.ask.phase, state.ask.step) == (phase, step) for state in incident.asks.values())
    return f"{incident.id}/{phase}/{step}" + (f"~{times + 1}" if times else "")


def approval_ask(
    incident: Incident, request: tuple[str, str, str], change: Change[Any], policy: ApprovalPolicy, zone: tzinfo
) -> Ask:
    """Return the question whether `change` may be made. Its digest binds the approval to this change.

    `request` is the phase, the step and the act; times are shown in `zone`.
    """
    phase, step, act = request
    shown = change_rows(change.model_dump(mode="json"), lambda value: markdown_safe(value, WHOLE))
    rows = [f"| {name} | {was} | {then} |" for name, was, then in shown]
    text = "\n".join(
        [
            "| | before | after |",
            "|---|---|---|",
            *rows,
            "",
            why_paragraph(incident, zone),
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


def as_proposal(ask: Ask, by: By, reason: str) -> Ask:
    """Return the question about an act that a program or a person proposes, with the author and the reason in it."""
    author = f"{plain(by.actor, 60)}, a program" if by.program else plain(by.actor, 60)
    proposed = f"**Proposed by {markdown_safe(author)}.** Reason: {markdown_safe(reason)}"
    note = f"Proposed by {author}. Reason: {with_full_stop(plain(reason, LONG))}"
    comma = "," if by.program else ""
    title = f"{author}{comma} proposes: {ask.title}"
    update = {"title": title, "text": f"{proposed}\n\n{ask.text}", "notes": [*ask.notes, note]}
    return ask.model_copy(update=update)


def with_window(
    ask: Ask, step: Step, fallback: Fallback | None, against: list[str], now: datetime, zone: tzinfo
) -> Ask:
    """Return `ask` with what happens if no one answers, and with the text that says so.

    `against` are the reasons that rule out automatic action, `zone` is the plan's. `fallback` is the standard text that
    is sent otherwise.
    """
    if step.auto_approve:
        if ask.policy.extra_requirement:
            against = [*against, f"its approval takes {ask.policy.extra_requirement}"]
        if against:
            note = f"It is not done automatically: {'; '.join(against)}."
            return ask.model_copy(update={"text": f"{ask.text}\n\n{note}", "notes": [*ask.notes, note]})
        until = now + step.auto_approve.veto_window
        notice = f"It is done automatically at {named_clock(until, zone, '%H:%M:%S')}, unless a person says no before."
        window = AnswerWindow(until=until, then="act")
        return ask.model_copy(update={"window": window, "text": f"**{notice}**\n\n{ask.text}"})
    if fallback:
        until = now + fallback.after
        notice = (
            f"If no one answers by {named_clock(until, zone)} and the service is still failing, the standard text is "
            "sent. It is not sent if no alert is authenticated, an alert is flapping, or there is an alert storm."
        )
        window = AnswerWindow(until=until, then="fallback")
        return ask.model_copy(update={"window": window, "text": f"{ask.text}\n\n{notice}"})
    return ask


def choice_ask(incident: Incident, phase: str, key: str, title: str, act: Act, policy: ApprovalPolicy) -> Ask:
    """Return the question which candidate is meant, after an act was refused because it could not tell.

    People may type another one if the act says what is typed.
    """
    typed = next((refusal.typed for refusal in act.refusals if refusal.typed), "")
    candidates = [candidate for refusal in act.refusals for candidate in refusal.candidates]
    reason = " ".join(refusal.sentence for refusal in act.refusals)
    lines = [f"- **{markdown_safe(candidate.name)}**: {markdown_safe(candidate.reason)}" for candidate in candidates]
    return Ask(
        id=ask_id(incident, phase, key),
        kind=AskKind.CHOICE,
        phase=phase,
        step=key,
        title=f"Which one? {title}",
        text="\n".join([markdown_safe(reason), "", *lines, *([f"Type: {markdown_safe(typed)}"] if typed else [])]),
        yes="The change is prepared and shown to you for approval.",
        no="It is not done; the runbook goes on without it.",
        policy=policy,
        choices=candidates,
        typed=typed,
    )


def step_ask(incident: Incident, phase: str, step: Step, text: str) -> Ask:
    """Return the request that a person in the step's role does it, and reports it."""
    role = step.person or "on_call"
    roles = list(dict.fromkeys([role, "incident_commander"]))
    return Ask(
        id=ask_id(incident, phase, step.id),
        kind=AskKind.STEP,
        phase=phase,
        step=step.id,
        title=step.title or text,
        text=markdown_safe(text),
        yes="The step is done; the note says how.",
        no=not_done([]),
        policy=ApprovalPolicy(roles=roles, reason_needed=True),
        post_mortem=step.post_mortem or "",
    )


def not_done(left_out: Sequence[str]) -> str:
    """Return what happens if a step is answered "not done". `left_out`: the titles of the steps that depend on it."""
    sentence = "The step cannot or need not be done; the note says why."
    if not left_out:
        return sentence
    return (
        f"{sentence} As the incident is now, these steps are left out as well: {'; '.join(left_out)}. "
        f"You get a follow-up with all of them, due in {DUE_DAYS} days."
    )


def false_alarm_ask(incident: Incident, phase: str, step: Step, finding: str, policy: ApprovalPolicy) -> Ask:
    """Return the question whether the incident is a false alarm, because the service looks healthy."""
    return Ask(
        id=ask_id(incident, phase, step.id),
        kind=AskKind.FALSE_ALARM,
        phase=phase,
        step=step.id,
        title=f"False alarm? {incident.title}",
        text=f"The service looks healthy: {markdown_safe(finding)} Nothing was changed, and no one was paged.",
        yes="The incident ends as a false alarm.",
        no="The response goes on. The on-call is paged, unless the person on call acts already.",
        policy=policy,
    )


def check_again_ask(incident: Incident, phase: str, key: str, title: str, finding: str, policy: ApprovalPolicy) -> Ask:
    """Return the question whether to repeat a health check that failed."""
    return Ask(
        id=ask_id(incident, phase, key),
        kind=AskKind.RETRY,
        phase=phase,
        step=key,
        title=f"Not healthy yet: {title}",
        text=f'{markdown_safe(finding)} Correct it, then answer "try again".',
        yes="The service is checked again.",
        no="The response goes on without it; the record says so.",
        policy=policy,
    )


def undo_failed_ask(incident: Incident, phase: str, key: str, title: str, outcome: str, policy: ApprovalPolicy) -> Ask:
    """Return the question what to do about an act that could not be undone."""
    return Ask(
        id=ask_id(incident, phase, key),
        kind=AskKind.RETRY,
        phase=phase,
        step=key,
        title=f"Still in place: {title}",
        text=markdown_safe(outcome),
        yes="The undo is prepared again and shown to you.",
        no='It stays in place. The person who answers "go on" takes it over, and is reminded after a day.',
        policy=policy,
    )


def fact_ask(incident: Incident, question: FactQuestion, plan: Plan) -> Ask:
    """Return the question for a fact that is not known and decides who is notified."""
    otherwise = question.otherwise(plan)
    return Ask(
        id=ask_id(incident, FACT, question.name),
        kind=AskKind.CHOICE,
        phase=FACT,
        step=question.name,
        title=f"Not known yet: {question.facet.title}",
        text=markdown_safe(f"{question.consequences(plan)} Without an answer, {otherwise}."),
        yes="It is recorded. Everyone who is due because of it is notified at once.",
        no=f"It stays unknown: {otherwise}.",
        policy=response_policy(plan),
        choices=[Candidate(name=value, reason=question.consequence(plan, value)) for value in question.facet.values],
    )
