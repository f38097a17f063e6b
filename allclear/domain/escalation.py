"""When an escalation fires, and whom it reaches: unacknowledged pages, unanswered questions, severities. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from allclear.domain.approval import AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.deadlines import Deadline
from allclear.domain.durations import in_words
from allclear.domain.incident import Incident
from allclear.domain.on_call import page_answered, rota_of
from allclear.domain.plan import (
    DEFAULT_ESCALATION_POLICY,
    EVERYONE,
    EscalationLevel,
    EscalationPolicy,
    Plan,
    RotaOverride,
)
from allclear.domain.reminder import LEAD, RECOVERY, Reminder, known_roles, last_given, level_given
from allclear.domain.text import answer_commands, plain
from allclear.domain.ways import page_tried_at

POSTPONED_BY = timedelta(minutes=10)
"""How long an escalation is postponed when a new check finds the service healthy."""


def escalation_policy(plan: Plan, incident: Incident) -> EscalationPolicy:
    """Return the escalation policy that applies to the incident."""
    policies = plan.applying(plan.escalation_policies, incident.severity, incident.kind, incident.facets)
    return policies[0] if policies else DEFAULT_ESCALATION_POLICY


def roles_to_notify(plan: Plan, incident: Incident, waited: timedelta) -> list[str]:
    """Return the roles to notify of an approval that has been unanswered for `waited`."""
    roles: list[str] = []
    for level in escalation_policy(plan, incident).levels:
        if waited >= level.after:
            roles += (
                list(plan.roles) if level.roles == EVERYONE else [role for role in level.roles if role in plan.roles]
            )
    return list(dict.fromkeys(roles))


def _of(plan: Plan, level: EscalationLevel) -> tuple[str, ...]:
    return tuple(plan.roles) if level.roles == EVERYONE else known_roles(plan, *level.roles)


# --- an unacknowledged page ----------------------------------------------------------------------------


def page_escalation(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]) -> Iterator[Reminder]:
    """Yield one reminder for each layer of the rota in turn, then those of the escalation policy.

    They end when the page is answered, and begin anew if a contained incident fails again.
    """
    paged, topic = page_tried_at(plan, incident, overrides), "acknowledge"
    if paged is None or page_answered(plan, incident, overrides):
        return
    if again := incident.asked_again:
        paged, topic = max(paged, again[1]), f"acknowledge:{again[0]}"
    waited, level = timedelta(0), 0
    shifts = list(rota.on_duty(paged, plan.working_time, overrides)) if (rota := rota_of(plan)) else []
    for shift, following in pairwise(shifts):
        waited, level = waited + shift.acknowledge_within, level + 1
        sentence = (
            f"{shift.person} has not acknowledged the page within {in_words(waited)}; {following.person} is next."
        )
        roles, people = (rota.role,) if rota else (), (following.person,)
        yield Reminder(topic, level, paged + waited, sentence, roles, people, urgent=True)
    waited += shifts[-1].acknowledge_within if shifts else timedelta(0)
    for escalation in escalation_policy(plan, incident).levels:
        after, level = waited + escalation.after, level + 1
        sentence = f"No one has acknowledged the page within {in_words(after)}."
        yield Reminder(topic, level, paged + after, sentence, _of(plan, escalation), urgent=True)


# --- an unanswered question --------------------------------------------------------------------------


def question_escalation(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]) -> Iterator[Reminder]:
    """Yield the escalation of every open question; a person's step has targets of its own instead."""
    if page_tried_at(plan, incident, overrides) and not page_answered(plan, incident, overrides):
        return  # the page itself escalates to the same people
    for state in incident.open_asks:
        if state.ask.kind is not AskKind.STEP or state.ask.phase == RECOVERY:
            for number, level in enumerate(escalation_policy(plan, incident).levels, start=1):
                yield _unanswered(plan, incident, state, level, number)


def _unanswered(plan: Plan, incident: Incident, state: AskState, level: EscalationLevel, number: int) -> Reminder:
    ask = state.ask
    title, (yes, no) = plain(ask.title).rstrip(". "), answer_commands(ask, plan)
    how = f"{yes} or {no}" if ask.kind is AskKind.FALSE_ALARM else yes
    sentence = f'"{title}" has had no answer for {in_words(level.after)}. Answer with: {how}'
    # While the service looks healthy no one is paged, even if a page was sent before.
    contained = incident.containment.current is not None
    urgent = incident.paged_at is not None and not contained and ask.kind is not AskKind.FALSE_ALARM
    return Reminder(f"answer:{ask.id}", number, state.opened + level.after, sentence, _of(plan, level), urgent=urgent)


# --- a severity ---------------------------------------------------------------------------------


def severity_escalation(plan: Plan, incident: Incident, one: Deadline, due: datetime) -> Reminder:
    """Return the reminder with which the incident gets a higher severity. The service is probed first."""
    topic = f"escalation:{one.severity}:{one.name}"
    last = last_given(incident, topic)
    sentence = f"{one.severity} is not contained in time: the severity becomes {one.name}."
    roles, level = known_roles(plan, LEAD, "tech_lead", "cto"), level_given(incident, topic) + 1
    return Reminder(topic, level, last.at + POSTPONED_BY if last else due, sentence, roles, becomes=one.name)
