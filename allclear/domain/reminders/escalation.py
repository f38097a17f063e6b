"""When an escalation fires, and whom it reaches: unacknowledged pages, unanswered questions, severities. Pure.

When a severity is to become a higher one is worked out in `allclear.domain.reminders.deadlines`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from allclear.domain.approval import AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.durations import in_words
from allclear.domain.incident import Incident
from allclear.domain.notify.on_call import page_answered, rota_of
from allclear.domain.notify.ways import page_tried_at
from allclear.domain.plan import (
    DEFAULT_ESCALATION_POLICY,
    EVERYONE,
    EscalationLevel,
    EscalationPolicy,
    Plan,
    RotaOverride,
)
from allclear.domain.plan.people import LEAD
from allclear.domain.privacy import may_read, reading_roles
from allclear.domain.pseudo_phases import RECOVERY
from allclear.domain.reminders.deadlines import Deadline
from allclear.domain.reminders.reminder import Reminder, known_roles, last_given, level_given
from allclear.domain.text import answer_commands, plain

POSTPONED_BY = timedelta(minutes=10)
"""How long an escalation is postponed when a new check finds the service healthy."""


def escalation_policy(plan: Plan, incident: Incident) -> EscalationPolicy:
    """Return the escalation policy that applies to the incident."""
    policies = plan.applying(plan.escalation_policies, incident.severity, incident.kind, incident.facets)
    return policies[0] if policies else DEFAULT_ESCALATION_POLICY


def roles_to_notify(plan: Plan, incident: Incident, waited: timedelta) -> list[str]:
    """Return the roles to notify of an approval that has been unanswered for `waited`."""
    roles: list[str] = []
    for level in escalation_levels(plan, incident):
        if waited >= level.after:
            roles += _of(plan, level)
    return list(dict.fromkeys(roles))


def escalation_levels(plan: Plan, incident: Incident) -> list[EscalationLevel]:
    """Return the levels of the escalation policy that applies to the incident.

    In a private incident only a person who may read it can answer. So a level whose roles may not read it calls the
    incident's readers instead, and the last level calls everyone: a message that says nothing of what it is about.
    """
    levels, readers = escalation_policy(plan, incident).levels, reading_roles(plan, incident)
    if not readers:
        return levels
    climb = [level if level.roles == EVERYONE else _for_readers(plan, incident, level, readers) for level in levels]
    if climb[-1].roles != EVERYONE:
        climb.append(EscalationLevel(after=2 * climb[-1].after, roles=EVERYONE))
    return climb


def _for_readers(plan: Plan, incident: Incident, level: EscalationLevel, readers: list[str]) -> EscalationLevel:
    """Return the level with those of its roles that may read a private incident, or with its readers if none may."""
    able = [role for role in level.roles if role in readers or _is_held_by_a_reader(plan, incident, role)]
    return EscalationLevel(after=level.after, roles=able or readers)


def _is_held_by_a_reader(plan: Plan, incident: Incident, role: str) -> bool:
    named = [incident.roles[role]] if role in incident.roles else [person.name for person in plan.holders(role)]
    return any(may_read(plan, incident, name) for name in named)


def _of(plan: Plan, level: EscalationLevel) -> tuple[str, ...]:
    return tuple(plan.roles) if level.roles == EVERYONE else known_roles(plan, *level.roles)


# --- an unacknowledged page ----------------------------------------------------------------------------


def page_escalation(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]) -> Iterator[Reminder]:
    """Yield one reminder for each layer of the rota in turn, then those of the escalation policy.

    The policy's times count from when the last person of the rota was paged, who has the time of that layer first.
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
    levels = escalation_levels(plan, incident)
    if shifts:
        waited += max(timedelta(0), shifts[-1].acknowledge_within - levels[0].after)
    for escalation in levels:
        after, level = waited + escalation.after, level + 1
        sentence = f"No one has acknowledged the page within {in_words(after)}."
        yield Reminder(topic, level, paged + after, sentence, _of(plan, escalation), urgent=True)


# --- an unanswered question --------------------------------------------------------------------------


def question_escalation(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]) -> Iterator[Reminder]:
    """Yield the escalation of every open question; a person's step has targets of its own instead."""
    if page_tried_at(plan, incident, overrides) and not page_answered(plan, incident, overrides):
        return  # the page itself escalates to the same people
    for state in incident.open_asks:
        if state.ask.asks_fact:
            continue  # without an answer the fact counts as a match; see `fact_questions.py`
        if state.ask.kind is not AskKind.STEP or state.ask.phase == RECOVERY:
            for number, level in enumerate(escalation_levels(plan, incident), start=1):
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
