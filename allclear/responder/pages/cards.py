"""The cards of the questions that wait for people: the change, why, the risk, the undo, and who may answer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup

from allclear.domain.answer_window import is_promise, window_words
from allclear.domain.approval import ApprovalPolicy, Ask, AskKind
from allclear.domain.ask_state import Answer, AskState
from allclear.domain.base import Candidate, person_key
from allclear.domain.decisions import closed_because
from allclear.domain.incident import Incident
from allclear.domain.moments import named_clock
from allclear.domain.plan import Plan
from allclear.domain.text import LONG, asked_words, change_rows, plain, role_words
from allclear.engine.people.personal_links import anchor_of
from allclear.responder.pages.sign_in import Viewer

_MOST_CLOSED = 5
"""How many questions that were answered last are shown: a person who opens an old link finds what became of it."""


@dataclass(frozen=True)
class Card:
    """One question as a person reads it."""

    id: str
    anchor: str
    kind: str
    title: str
    rows: list[tuple[str, str, str]]
    """Of a change: name, before, after."""
    why: Markup
    risk: Markup
    undo: Markup
    more: Markup
    """The rest of its text; all of it, if it is no approval."""
    asked: str
    since: str
    answered: list[str]
    role: str
    """The role in which this person may answer; empty if this person may not."""
    why_not: str
    yes: str
    no: str
    on_yes: str
    on_no: str
    reason_needed: bool
    choices: list[Candidate]
    typed: str
    """What may be typed in place of a choice; empty if nothing may."""
    until: datetime | None
    until_words: str
    digest: str


@dataclass(frozen=True)
class ClosedCard:
    """A question that is answered or withdrawn."""

    anchor: str
    title: str
    words: str


def roles_of(viewer: Viewer, incident: Incident, plan: Plan) -> list[str]:
    """Return the roles in which a person may act: the link's, those of the plan, and those taken in the incident."""
    known, key = plan.person(viewer.person), person_key(viewer.person)
    taken = [role for role, person in incident.roles.items() if person_key(person) == key]
    named = [*([viewer.role] if viewer.role else []), *(known.roles if known else []), *taken]
    return [role for role in dict.fromkeys(named) if role in plan.roles and may_have(role, viewer, plan)]


def may_have(role: str, viewer: Viewer, plan: Plan) -> bool:
    """Return whether the plan gives the person this role, or names no one for it, so that any person may claim it."""
    holders = {person_key(person.name) for person in plan.holders(role)}
    return not holders or person_key(viewer.person) in holders


def role_for(policy: ApprovalPolicy, roles: Sequence[str], plan: Plan) -> str:
    """Return the role in which a person with `roles` answers; one that must be among the answers comes first."""
    fitting = [role for role in roles if role in policy.one_of]
    fitting += [role for role in roles if plan.may_act_for(role, policy.roles)]
    return fitting[0] if fitting else ""


def card_of(state: AskState, incident: Incident, plan: Plan, viewer: Viewer, now: datetime) -> Card:
    """Return the card of an open question, as it is at `now`."""
    ask = state.ask
    role = role_for(ask.policy, roles_of(viewer, incident, plan), plan)
    act = incident.acts.get(ask.act or "")
    change = act.proposed.change if act and ask.kind is AskKind.APPROVAL else None
    parts = _parts(ask)
    yes, no = ask.words
    return Card(
        id=ask.id,
        anchor=anchor_of(ask.id),
        kind=ask.kind.value,
        title=plain(ask.title, LONG),
        rows=change_rows(change or {}, lambda text: plain(text, LONG)),
        why=parts["Why"],
        risk=parts["Risk"],
        undo=parts["Undo"],
        more=parts[""],
        asked=asked_words(ask.policy, plan),
        since=named_clock(state.opened, plan.zone),
        answered=[_answer_words(state, answer, plan) for answer in state.answers],
        role=role,
        why_not=_why_not(state, viewer, plan, role=role),
        yes=yes,
        no=no,
        on_yes=plain(ask.yes, LONG),
        on_no=plain(ask.no, LONG),
        reason_needed=ask.policy.reason_needed,
        choices=ask.choices,
        typed=plain(ask.typed),
        until=ask.window.until if ask.window else None,
        until_words=window_words(incident, state, now, plan.zone),
        digest=ask.digest or "",
    )


def closed_cards(incident: Incident, plan: Plan) -> list[ClosedCard]:
    """Return the questions that were closed last, the newest first."""
    closed = [state for state in incident.asks.values() if not state.open][-_MOST_CLOSED:]
    return [
        ClosedCard(anchor_of(state.ask.id), plain(state.ask.title), "; ".join(closing_words(state, plan)))
        for state in reversed(closed)
    ]


def closing_words(state: AskState, plan: Plan) -> list[str]:
    """Return each answer with what proves its author, and then why the question closed without a person's answer."""
    words = [_answer_words(state, answer, plan) for answer in state.answers]
    if state.withdrawn is not None or state.veto_window_ended:
        words.append(plain(closed_because(state, plan.zone), LONG))
    return words


def person_words(answer: Answer, plan: Plan) -> str:
    """Return `Ana (On-Call), identified by a personal link`."""
    role = f" ({role_words(answer.by.role, plan)})" if answer.by.role else ""
    return f"{plain(answer.by.actor, 60)}{role}, {answer.by.proof.words}"


def _answer_words(state: AskState, answer: Answer, plan: Plan) -> str:
    word = state.ask.words[0 if answer.yes else 1]
    reason = f": {plain(answer.reason, LONG)}" if answer.reason.strip() else ""
    choice = f" {plain(answer.choice)}" if answer.choice else ""
    return f"{named_clock(answer.at, plan.zone)} {word}{choice}, by {person_words(answer, plan)}{reason}"


def _why_not(state: AskState, viewer: Viewer, plan: Plan, *, role: str) -> str:
    """Return why this person cannot say yes; empty if they can. A person who said yes may still say no."""
    policy = state.ask.policy
    if not role:
        return f"You may not answer this. {asked_words(policy, plan)} may."
    if any(person_key(answer.by.actor) == person_key(viewer.person) for answer in state.answers):
        return f"You have answered. {'Another person must approve, too.' if policy.people > 1 else ''}".strip()
    return ""


def _parts(ask: Ask) -> dict[str, Markup]:
    """Return the parts of a question's text by their first word; of an approval the table is left out."""
    found = dict.fromkeys(("Why", "Risk", "Undo", ""), Markup())
    if ask.kind is not AskKind.APPROVAL:
        return found | {"": as_html(ask.text)}
    rest: list[str] = []
    for paragraph in ask.text.split("\n\n"):
        name, _, words = paragraph.partition(": ")
        if name in found and name:
            found[name] = as_html(words, inline=True)
        elif not paragraph.startswith("|") and not (ask.window and is_promise(paragraph)):
            rest.append(paragraph)
    return found | {"": as_html("\n\n".join(rest))}


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table").disable("image")


def as_html(markdown: str, *, inline: bool = False) -> Markup:
    """Return Markdown as HTML. HTML within it is shown as text, images are not loaded."""
    render = _reader().renderInline if inline else _reader().render
    return Markup(render(markdown))  # noqa: S704 - the reader escapes everything
