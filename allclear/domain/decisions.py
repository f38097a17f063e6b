"""The ways to answer one question. Each names the question, so that an answer counts for no other one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from allclear.domain.approval import Ask, AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.errors import NotAllowed
from allclear.domain.incident import Incident
from allclear.domain.local_times import named_clock
from allclear.domain.plan import Plan
from allclear.domain.template_values import waiting
from allclear.domain.text import answer_commands, plain

_BEFORE_ID = ": "


@dataclass(frozen=True)
class Decision:
    """One way to answer the question with the id `ask`."""

    ask: str
    word: str
    """The word for yes or no of its kind of question, as `approve`."""
    yes: bool
    choice: str | None = None
    """The candidate, if the question is which one."""

    @property
    def text(self) -> str:
        """Return it as a form offers it: `approve: VS-12/contain/roll-back`, `choose web-41: VS-12/contain/which`."""
        word = self.word if self.choice is None else f"{self.word} {self.choice}"
        return f"{word}{_BEFORE_ID}{self.ask}"


def decisions(ask: Ask) -> tuple[Decision, ...]:
    """Return every way to answer `ask`: yes, or each candidate, and then no."""
    yes, no = ask.words
    choices = [candidate.name for candidate in ask.choices] if ask.kind is AskKind.CHOICE else [None]
    return (*(Decision(ask.id, yes, yes=True, choice=choice) for choice in choices), Decision(ask.id, no, yes=False))


def named_ask(text: str) -> str:
    """Return the id of the question that a form's decision names."""
    return text.rpartition(_BEFORE_ID)[2].strip()


def decision_named(ask: Ask, text: str) -> Decision:
    """Return the decision that a form's text names. Raises NotAllowed if it does not answer `ask`."""
    for decision in decisions(ask):
        if decision.text == text:
            return decision
    raise wrong_word(ask, text.rpartition(_BEFORE_ID)[0])


def decision_for(ask: Ask, word: str, choice: str | None = None, plan: Plan | None = None) -> Decision:
    """Return the decision that `word` means for `ask`. Raises NotAllowed, with the right commands, for another word."""
    yes, no = ask.words
    if word not in {yes, no}:
        raise wrong_word(ask, word, plan)
    return Decision(ask.id, word, yes=word == yes, choice=choice)


def wrong_word(ask: Ask, word: str, plan: Plan | None = None) -> NotAllowed:
    """Return the error that `word` does not answer `ask`; it names the commands that do."""
    yes, no = answer_commands(ask, plan)
    return NotAllowed(
        f'"{plain(word)}" does not answer {ask.id} ({plain(ask.title).rstrip(". ")}).', f"Answer with: {yes} or: {no}"
    )


def asked_now(incident: Incident, plan: Plan) -> str:
    """Return a sentence that lists the questions that wait for people now, each with the commands that answer it."""
    lines: list[str] = []
    for state in waiting(incident):
        yes, no = answer_commands(state.ask, plan)
        lines.append(f"{plain(state.ask.title).rstrip('. ')} ({yes} or: {no})")
    return (
        f"Asked now: {'; '.join(lines)}." if lines else f"Nothing is asked now. Read on: allclear show {incident.id}."
    )


def closed_because(state: AskState, zone: tzinfo) -> str:
    """Return why a question is closed, in a clause: `deny, said Ben at 10:12 CET`."""
    if state.withdrawn is not None:
        return f"withdrawn: {plain(state.withdrawn).rstrip('. ')}"
    if state.veto_window_ended:
        return "carried out automatically after its veto window"
    last, (yes, no) = state.answers[-1], state.ask.words
    return f"{yes if last.yes else no}, said {plain(last.by.actor, 60)} at {named_clock(last.at, zone)}"
