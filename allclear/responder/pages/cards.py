"""The cards of the questions that wait for people: the change, why, the risk, the undo, and who may answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from allclear.domain.ask_state import AskState
from allclear.domain.base import Candidate, person_key
from allclear.domain.incident import Incident
from allclear.domain.local_times import named_clock
from allclear.domain.plan import Plan
from allclear.domain.question import Question, change_of, closing_words, question_of
from allclear.domain.roles import role_for, roles_of
from allclear.domain.text import LONG, asked_words, plain
from allclear.engine.people.personal_links import anchor_of
from allclear.responder.pages.sign_in import Viewer

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_MOST_CLOSED = 5
"""How many questions that were answered last are shown: a person who opens an old link finds what became of it."""


@dataclass(frozen=True)
class Card:
    """One question as a person who may answer it reads it."""

    id: str
    anchor: str
    kind: str
    shown: Question
    more: Markup
    """Its whole text, if it is about no change."""
    since: str
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
    digest: str


@dataclass(frozen=True)
class ClosedCard:
    """A question that is answered or withdrawn."""

    anchor: str
    title: str
    words: str


def card_of(state: AskState, incident: Incident, plan: Plan, viewer: Viewer, now: datetime) -> Card:
    """Return the card of an open question, as it is at `now`."""
    ask, shown = state.ask, question_of(incident, state, plan, now)
    role = role_for(ask.policy, roles_of(viewer.person, incident, plan, viewer.role), plan)
    yes, no = ask.words
    return Card(
        id=ask.id,
        anchor=anchor_of(ask.id),
        kind=ask.kind.value,
        shown=shown,
        more=Markup() if change_of(incident, state) else as_html(ask.text),
        since=named_clock(state.opened, plan.zone),
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
        digest=ask.digest or "",
    )


def closed_cards(incident: Incident, plan: Plan) -> list[ClosedCard]:
    """Return the questions that were closed last, the newest first."""
    closed = sorted((state for state in incident.asks.values() if not state.open), key=_closed_at)[-_MOST_CLOSED:]
    return [
        ClosedCard(anchor_of(state.ask.id), plain(state.ask.title), "; ".join(closing_words(incident, state, plan)))
        for state in reversed(closed)
    ]


def _closed_at(state: AskState) -> datetime:
    """Return when the question was answered last; when it was asked, if it was withdrawn without an answer."""
    return max((answer.at for answer in state.answers), default=state.opened)


def _why_not(state: AskState, viewer: Viewer, plan: Plan, *, role: str) -> str:
    """Return why this person cannot say yes; empty if they can. A person who said yes may still say no."""
    policy = state.ask.policy
    if not role:
        return f"You may not answer this. {asked_words(policy, plan)} may."
    if any(person_key(answer.by.actor) == person_key(viewer.person) for answer in state.answers):
        return f"You have answered. {'Another person must approve, too.' if policy.people > 1 else ''}".strip()
    return ""


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - imported for the first question with a text

    return MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table").disable("image")


def as_html(markdown: str, *, inline: bool = False) -> Markup:
    """Return Markdown as HTML. HTML within it is shown as text, images are not loaded."""
    render = _reader().renderInline if inline else _reader().render
    return Markup(render(markdown))  # noqa: S704 - the reader escapes everything
