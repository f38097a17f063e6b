"""What a person who answers sees of an incident: its open questions, its acts, and whether it is contained."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from allclear.domain.act import Act
from allclear.domain.action import ActStatus
from allclear.domain.approval import AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.question import text_now
from allclear.domain.records import ActFinished, ActSettled, Contained, Entry, StepDone
from allclear.domain.template_values import waiting
from allclear.domain.text import answer_commands, asked_words, plain
from allclear.domain.timeline import line_of


class QuestionView(BaseModel):
    """A question that waits for people."""

    id: str = Field(description="For the command that answers it, as `allclear approve`.")
    kind: AskKind
    title: str
    text: str = Field(default="", description="What is asked, in full: for an approval, the change. Markdown.")
    words: list[str] = Field(default=[], description="The words that answer it: first yes, then no.")
    yes: str = Field(default="", description="What happens on yes.")
    no: str = Field(default="", description="What happens on no.")
    digest: str | None = Field(default=None, description="The hash of the change: send it with the answer.")
    asked: str = Field(description="Who may answer.")
    commands: list[str] = Field(description="The commands that answer it: first yes, then no.")
    since: datetime
    acts_at: datetime | None = Field(description="When allclear acts without an answer, if the plan allows that.")

    def command(self, word: str) -> str:
        """Return the command that answers it with `word`, or with yes if `word` does not answer it."""
        return self.commands[self.words.index(word) if word in self.words else 0]


class ActView(BaseModel):
    """An act: what was proposed, by whom, and what became of it."""

    id: str
    title: str
    change: str = Field(description="What it changes, in a sentence; empty if no change could be worked out.")
    proposed_by: str = Field(description="A person, a program, or allclear.")
    reason: str = Field(description="Why, in the words of who proposed it; empty for a step of the runbook.")
    asks: list[str] = Field(description="The questions whether it may be carried out.")
    status: ActStatus
    ended: bool = Field(description="Whether it has an outcome.")
    good: bool = Field(description="Whether it is done and verified.")
    sentence: str = Field(description="What became of it; empty without an outcome.")
    next_step: str = Field(description="What to do if it was not done; may be empty.")
    told: list[str] = Field(
        default=[], description="The timeline's lines about its outcome, and about the check of containment after it."
    )
    measure: bool = Field(default=False, description="Whether it is to contain: containment is checked after it.")
    settled: bool = Field(
        default=False,
        description="Whether it has its outcome and, if it is a measure, the check of containment after it, too.",
    )

    @property
    def by_hand(self) -> bool:
        """Return whether it is an act by hand, which is carried out before its approval is answered."""
        return self.id.startswith("manual/")


class IncidentNow(BaseModel):
    """An incident as `GET /incidents/{id}` shows it to a person who answers its questions."""

    open_asks: list[QuestionView]
    acts: list[ActView]
    contained_at: datetime | None
    checking: str = Field(
        default="", description="The check that is running now: what it checks, and how long it may take."
    )

    def approved_by(self, ask: str) -> ActView | None:
        """Return the act whose outcome is to come because the question is granted; None if there is none.

        There is none if the question is about no change, needs more approvals or was denied, and for an act by hand.
        """
        act = next((act for act in self.acts if ask in act.asks), None)
        if act is None or act.by_hand or act.status is ActStatus.REJECTED:
            return None
        return None if any(question.id == ask for question in self.open_asks) else act


def incident_now(incident: Incident, entries: Sequence[Entry], plan: Plan, checking: str) -> IncidentNow:
    """Return what a person who answers sees of an incident. `checking` says which check is made now."""
    return IncidentNow(
        open_asks=[question_view(state, incident, plan) for state in waiting(incident)],
        acts=[act_view(act, incident, entries, plan) for act in incident.acts.values()],
        contained_at=incident.contained_at,
        checking=checking,
    )


def question_view(state: AskState, incident: Incident, plan: Plan) -> QuestionView:
    """Return an open question as a person sees it."""
    ask = state.ask
    return QuestionView(
        id=ask.id,
        kind=ask.kind,
        title=plain(ask.title),
        text=text_now(incident, state, utc_now(), plan.zone),
        words=list(ask.words),
        yes=ask.yes,
        no=ask.no,
        digest=ask.digest,
        asked=asked_words(ask.policy, plan),
        commands=list(answer_commands(ask, plan)),
        since=state.opened,
        acts_at=ask.window.until if ask.window else None,
    )


def act_view(act: Act, incident: Incident, entries: Sequence[Entry], plan: Plan) -> ActView:
    """Return an act and what became of it."""
    outcome, told = act.outcome, _told(entries, act)
    return ActView(
        id=act.id,
        title=plain(act.proposed.title),
        change=plain(str((act.change or {}).get("summary", ""))),
        proposed_by=plain(act.by.actor, 60),
        reason=plain(act.proposed.reason),
        asks=list(act.asks),
        status=act.status,
        ended=outcome is not None,
        good=outcome is not None and outcome.good,
        sentence=plain(outcome.sentence) if outcome else "",
        next_step=plain(outcome.next_step) if outcome else "",
        told=[line_of(entry, incident, plan).text for entry in told],
        measure=_is_measure(act),
        settled=outcome is not None and not _is_checked_still(incident, act, told),
    )


def _told(entries: Sequence[Entry], act: Act) -> list[Entry]:
    """Return the entries with the act's outcome and, after a measure, with the first check of containment."""
    outcome = [e for e in entries if isinstance(e.record, ActFinished | ActSettled) and e.record.act == act.id]
    if not outcome or not _is_measure(act):
        return outcome[-1:]
    after = [entry for entry in entries if entry.number > outcome[0].number]
    contained = [entry for entry in after if isinstance(entry.record, Contained)]
    proof = [entry for entry in after if isinstance(entry.record, StepDone) and entry.record.proves == "containment"]
    return [*outcome[-1:], *(contained or proof)[:1]]


def _is_measure(act: Act) -> bool:
    """Return whether the act is to contain the incident, and undoes nothing."""
    return act.proposed.phase == "contain" and act.proposed.changes_service and not act.proposed.undoes


def _is_checked_still(incident: Incident, act: Act, told: Sequence[Entry]) -> bool:
    """Return whether the check that decides about containment is still to come."""
    good = act.outcome is not None and act.outcome.good and act.outcome.changed
    return _is_measure(act) and good and len(told) == 1 and not incident.over
