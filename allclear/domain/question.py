"""A question as people read it, wherever it is shown: on the incident's page, in a channel, in Prefect. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from allclear.domain.answer_window import is_promise, window_words
from allclear.domain.ask_state import Answer, AskState
from allclear.domain.base import JsonDict
from allclear.domain.decisions import closed_because
from allclear.domain.incident import Incident
from allclear.domain.local_times import named_clock
from allclear.domain.plan import Plan
from allclear.domain.text import (
    LONG,
    WHOLE,
    asked_words,
    change_rows,
    markdown_safe,
    plain,
    role_words,
    with_full_stop,
)

_WHY = "Why: "
"""The beginning of the paragraph that says why a change is needed."""


@dataclass(frozen=True)
class Question:
    """What people read of a question. Every text is on one line and may hold what strangers wrote."""

    title: str
    rows: list[tuple[str, str, str]]
    """Of a change: name, before, after. Empty for a question that is about no change."""
    why: str
    """Why the change is needed: what fails now, by the last check."""
    risk: str
    undo: str
    notes: list[str]
    """Who proposes the change, and why it is not done automatically."""
    asked: str
    """Who may answer."""
    answered: list[str]
    """The answers so far, each with what proves its author."""
    window: str
    """What happens without an answer; empty if nothing does."""


def question_of(incident: Incident, state: AskState, plan: Plan, now: datetime) -> Question:
    """Return a question as it is at `now`."""
    ask, change = state.ask, change_of(incident, state)
    return Question(
        title=plain(ask.title, LONG),
        rows=change_rows(change, lambda text: plain(text, WHOLE)),
        why=plain(situation(incident, plan.zone), LONG) if change else "",
        risk=plain(str(change.get("risk") or ""), LONG),
        undo=plain(str(change.get("undo") or ""), LONG),
        notes=[plain(note, LONG) for note in ask.notes],
        asked=asked_words(ask.policy, plan),
        answered=[answer_words(state, answer, plan) for answer in state.answers],
        window=window_words(incident, state, now, plan.zone),
    )


def change_of(incident: Incident, state: AskState) -> JsonDict:
    """Return the change that a question is about; empty if it is about none."""
    act = incident.acts.get(state.ask.act or "")
    return (act.proposed.change if act else None) or {}


def text_now(incident: Incident, state: AskState, now: datetime, zone: tzinfo) -> str:
    """Return the text of a question in Markdown.

    The reason with the last check, and what happens without an answer, are as of `now`.
    """
    words = window_words(incident, state, now, zone)
    why = why_paragraph(incident, zone) if change_of(incident, state) else ""

    def current(paragraph: str) -> str:
        if why and paragraph.startswith(_WHY):
            return why
        return words if words and is_promise(paragraph) else paragraph

    return "\n\n".join(current(paragraph) for paragraph in state.ask.text.split("\n\n"))


def why_paragraph(incident: Incident, zone: tzinfo) -> str:
    """Return the paragraph of a question about a change that says why it is needed, in Markdown."""
    return f"{_WHY}{markdown_safe(situation(incident, zone))}"


def situation(incident: Incident, zone: tzinfo) -> str:
    """Return what fails, and what the last check that decides about containment or recovery has found, and when."""
    check = last_check_words(incident, zone)
    last = f" Last check of {check}" if check else ""
    return f"{incident.id}, {incident.severity}: {with_full_stop(incident.title)}{last}"


def last_check_words(incident: Incident, zone: tzinfo) -> str:
    """Return the newest check that decides about containment or recovery: what was checked, when, and the result.

    For example `containment, 14:31 UTC: 20 requests: 0 failed.`; empty before the first one. It may hold what strangers
    wrote.
    """
    check = incident.last_check
    if check is None:
        return ""
    what = "the service" if check.health_check else "containment"
    since = ", before the last change" if check.begun < incident.service_changed else ""
    return f"{what}, {named_clock(check.at, zone)}{since}: {check.finding.sentence}"


def answer_words(state: AskState, answer: Answer, plan: Plan) -> str:
    """Return `10:12 CET approve, by Ana (On-Call), identified by a personal link: the reason`."""
    word = state.ask.words[0 if answer.yes else 1]
    reason = f": {plain(answer.reason, LONG)}" if answer.reason.strip() else ""
    choice = f" {plain(answer.choice)}" if answer.choice else ""
    return f"{named_clock(answer.at, plan.zone)} {word}{choice}, by {person_words(answer, plan)}{reason}"


def person_words(answer: Answer, plan: Plan) -> str:
    """Return `Ana (On-Call), identified by a personal link`."""
    role = f" ({role_words(answer.by.role, plan)})" if answer.by.role else ""
    return f"{plain(answer.by.actor, 60)}{role}, {answer.by.proof.words}"


def closing_words(incident: Incident, state: AskState, plan: Plan) -> list[str]:
    """Return how a question ended: each answer with what proves its author, then why it closed without one.

    A question that is still asked has only the answers that it has so far.
    """
    words = [answer_words(state, answer, plan) for answer in state.answers]
    if state.withdrawn is not None or state.veto_window_ended:
        words.append(plain(closed_because(state, plan.zone), LONG))
    elif state.open and incident.over:  # the incident ended while it was asked
        words.append(f"{incident.id} has ended")
    return words
