"""The words of what is posted in an incident's thread in Slack or Teams: a turn's sentence, and a question's card.

The summary message above the thread is the company's own text (`runbooks/<company>/templates/`).
"""

from __future__ import annotations

import re

from allclear.domain.approval import Ask
from allclear.domain.ask_state import AskState
from allclear.domain.decisions import Decision, decisions
from allclear.domain.incident import Incident
from allclear.domain.notify.channel import MOST_BUTTONS, Card, CardButton, CardRow, button_value
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_private
from allclear.domain.question import Question, closing_words, question_of
from allclear.domain.records import Entry
from allclear.domain.text import LONG, answer_commands, asked_words, plain, with_full_stop, with_proof
from allclear.domain.timeline import line_of

_TABLE_OR_EMPHASIS = re.compile(r"^\|.*$|\*\*", re.MULTILINE)
_ESCAPE = re.compile(r"\\([^\w\s])")


def turn_text(incident: Incident, entry: Entry, plan: Plan) -> str:
    """Return what is posted about a turn. Of a private incident it says only that there is news."""
    if is_private(plan, incident):
        return f"{incident.id}: There is news. Open {incident.id} in allclear to read it."
    return f"{incident.id}: {line_of(entry, incident, plan).text}"


def card_text(incident: Incident, ask: Ask, plan: Plan) -> str:
    """Return the first line of a card, which notifications show: who must answer, and what is asked."""
    return plain(f"{incident.id}: {asked_words(ask.policy, plan)} must answer. {ask.title}", LONG)


def card(incident: Incident, state: AskState, plan: Plan, *, closed: bool) -> Card:
    """Return a question's card; `closed` says that its answers no longer count."""
    ask, shown = state.ask, question_of(incident, state, plan, state.opened)
    offered = [] if closed else list(decisions(ask))
    if len(offered) > MOST_BUTTONS:  # the page offers the others
        offered = [*offered[: MOST_BUTTONS - 1], offered[-1]]
    numbers = {decision: number for number, decision in enumerate(decisions(ask))}
    return Card(
        ask=ask.id,
        rows=[CardRow(name=name, before=plain(was, LONG), after=plain(then, LONG)) for name, was, then in shown.rows],
        why=" ".join([shown.why, *shown.notes]).strip() or plain(_words(ask.text), LONG),
        risk=shown.risk,
        undo=shown.undo,
        who=_who(ask, shown),
        commands="" if closed else with_proof(" or: ".join(answer_commands(ask, plan)), ask.policy),
        buttons=[
            CardButton(
                words=_button(ask, decision),
                value=button_value(ask, numbers[decision]),
                yes=decision.yes,
            )
            for decision in offered
        ],
        closed=with_full_stop(f"Closed: {'; '.join(closing_words(incident, state, plan))}") if closed else "",
    )


def _button(ask: Ask, decision: Decision) -> str:
    """Return what a button says: `Approve`, `Choose web-41`, and for a fact only its value, as `Yes`."""
    words = (decision.choice,) if ask.asks_fact and decision.choice else (decision.word, decision.choice)
    return plain(" ".join(word for word in words if word)).capitalize()


def private_card_text(incident: Incident, ask: Ask, plan: Plan) -> str:
    """Return the first line of the card of a private incident."""
    return plain(f"{incident.id}: {asked_words(ask.policy, plan)} must answer a question.", LONG)


def private_card(state: AskState, *, closed: bool) -> Card:
    """Return the card of a private incident: it has a link and nothing of what the question is about.

    It has no buttons, because no one may approve a change that is not shown.
    """
    page = "Read it on the incident's page, which shows it to the people that may read it."
    return Card(ask=state.ask.id, who=page, closed="Closed: it is answered, or no longer asked." if closed else "")


def _who(ask: Ask, shown: Question) -> str:
    needs = " It needs a reason." if ask.policy.reason_needed else ""
    proof = " It needs proof of who answers." if ask.policy.needs_proof else ""
    return f"{shown.asked} may answer.{needs}{proof} {shown.window}".strip()


def _words(markdown: str) -> str:
    """Return the words of a question's text, without its markup."""
    return _ESCAPE.sub(r"\1", _TABLE_OR_EMPHASIS.sub("", markdown))
