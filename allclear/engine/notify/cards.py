"""The words of the posts in an incident's thread: a turn's sentence, and a question's card."""

from __future__ import annotations

import re

from allclear.domain.approval import Ask
from allclear.domain.ask_state import AskState
from allclear.domain.channel import MOST_BUTTONS, Card, CardButton, CardRow, button_value
from allclear.domain.decisions import closed_because, decisions
from allclear.domain.incident import Incident
from allclear.domain.moments import named_clock
from allclear.domain.plan import Plan
from allclear.domain.text import LONG, answer_commands, asked_words, bare, change_rows, plain, with_proof
from allclear.engine.actions.approval_requests import situation

_TABLE_OR_EMPHASIS = re.compile(r"^\|.*$|\*\*", re.MULTILINE)
_ESCAPE = re.compile(r"\\([^\w\s])")


def card_text(incident: Incident, ask: Ask, plan: Plan) -> str:
    """Return the first line of a card, which notifications show: who must answer, and what is asked."""
    return plain(f"{incident.id}: {asked_words(ask.policy, plan)} must answer. {ask.title}", LONG)


def card(incident: Incident, state: AskState, plan: Plan, *, closed: bool) -> Card:
    """Return a question's card; `closed` says that its answers no longer count."""
    ask, act = state.ask, incident.acts.get(state.ask.act or "")
    change = (act.proposed.change if act else None) or {}
    rows = [CardRow(name=name, before=was, after=then) for name, was, then in change_rows(change, plain)]
    offered = [] if closed else list(decisions(ask))
    if len(offered) > MOST_BUTTONS:  # the page offers the others
        offered = [*offered[: MOST_BUTTONS - 1], offered[-1]]
    numbers = {decision: number for number, decision in enumerate(decisions(ask))}
    return Card(
        ask=ask.id,
        rows=rows,
        why=plain(situation(incident, plan.zone) if change else _words(ask.text), LONG),
        risk=plain(str(change.get("risk") or ""), LONG),
        undo=plain(str(change.get("undo") or ""), LONG),
        who=_who(ask, plan),
        commands="" if closed else with_proof(" or: ".join(answer_commands(ask, plan)), ask.policy),
        buttons=[
            CardButton(
                words=plain(f"{decision.word} {decision.choice or ''}").capitalize(),
                value=button_value(ask, numbers[decision]),
                yes=decision.yes,
            )
            for decision in offered
        ],
        closed=closing_words(incident, state, plan) if closed else "",
    )


def private_card_text(incident: Incident, ask: Ask, plan: Plan) -> str:
    """Return the first line of the card of a private incident."""
    return plain(f"{incident.id}: {asked_words(ask.policy, plan)} must answer a question.", LONG)


def private_card(state: AskState, *, closed: bool) -> Card:
    """Return the card of a private incident: it has a link and nothing of what the question is about.

    It has no buttons, because no one may approve a change that is not shown.
    """
    page = "Read it on the incident's page, which shows it to the people that may read it."
    return Card(ask=state.ask.id, who=page, closed="Closed: it is answered, or no longer asked." if closed else "")


def closing_words(incident: Incident, state: AskState, plan: Plan) -> str:
    """Return how a question ended: who decided and how that person was identified, or why it is no longer asked."""
    if state.open:  # the incident ended while it was asked
        return f"Closed: {incident.id} has ended."
    sentence = f"Closed: {closed_because(state, plan.zone)}"
    if state.withdrawn is not None or state.veto_window_ended:
        return f"{sentence}."
    last = state.answers[-1]
    before = [f"{plain(answer.by.actor, 60)} ({answer.by.proof.words})" for answer in state.answers[:-1]]
    others = f", after {' and '.join(before)}" if before else ""
    reason = f' Reason: "{bare(last.reason)}".' if last.reason else ""
    return f"{sentence} ({last.by.proof.words}){others}.{reason}"


def _who(ask: Ask, plan: Plan) -> str:
    needs = " It needs a reason." if ask.policy.reason_needed else ""
    proof = " It needs proof of who answers." if ask.policy.needs_proof else ""
    words = f"{asked_words(ask.policy, plan)} may answer.{needs}{proof}"
    if ask.window is None:
        return words
    then = "it is done by itself" if ask.window.then == "act" else "the standard text is sent"
    return f"{words} Without an answer by {named_clock(ask.window.until, plan.zone)}, {then}."


def _words(markdown: str) -> str:
    """Return the words of a question's text, without its markup."""
    return _ESCAPE.sub(r"\1", _TABLE_OR_EMPHASIS.sub("", markdown))
