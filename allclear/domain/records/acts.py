"""Records about acts, the questions that ask for them, and the ledger of what they leave in place."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from allclear.domain.action import Outcome, Refusal
from allclear.domain.approval import Ask
from allclear.domain.base import JsonDict, Model, Moment


class NoticeOf(Model):
    """Whom a message of the plan's `notifications` is for."""

    audiences: list[str] = Field(description="The roles because of which it is sent, or the list.")
    person: str = Field(
        description="The person or the address of a mailing list, as in the plan; empty for the pager's on-call."
    )
    way: str = Field(description="The way of the plan by which it is sent.")
    instead_of: str = Field(default="", description="In earlier records: the title of the role in `stands_in_for`.")
    stands_in_for: list[str] = Field(
        default=[],
        description="Those of the audiences of which no one could be reached: this person is notified instead.",
    )
    update: int = Field(default=0, description="The number of the update that it is; 0 if it is the first notice.")


class ActProposed(Model):
    """An act was proposed: the change that it would make, and any reasons against it."""

    kind: Literal["act.proposed"] = "act.proposed"
    act: str
    phase: str
    step: str
    action: str
    title: str
    params: JsonDict
    change: JsonDict | None = Field(description="The change in full; None if none could be planned.")
    digest: str | None = None
    resource: str = ""
    refusals: list[Refusal] = []
    auto_approve: bool = Field(
        default=False, description="Whether it is carried out without an approval after its veto window."
    )
    undoes: str | None = Field(default=None, description="The act that this one undoes.")
    pages: bool = Field(default=False, description="Whether it pages people, which starts the time to acknowledge.")
    tells: bool = Field(default=False, description="Whether it only informs people: a message, a page, a public post.")
    invites: bool = Field(default=False, description="Whether it invites people to a meeting, moves or cancels it.")
    changes_service: bool = Field(
        default=False, description="Whether it changes how users are served: afterwards containment is proven anew."
    )
    closes_service: bool = Field(
        default=False, description="Whether it closes the service to its users on purpose, as maintenance mode does."
    )
    leaves: str | None = None
    owner: str | None = None
    expires: Moment | None = None
    reason: str = Field(default="", description="Why, in the words of the program or the person who proposes it.")
    notice: NoticeOf | None = Field(
        default=None, description="Whom it notifies, if the plan's `notifications` ask for it."
    )


class AskOpened(Model):
    """A question to people was opened."""

    kind: Literal["ask.opened"] = "ask.opened"
    ask: Ask


class AskAnswered(Model):
    """A person answered a question."""

    kind: Literal["ask.answered"] = "ask.answered"
    ask: str
    yes: bool
    reason: str = ""
    choice: str | None = Field(default=None, description="The candidate, if the question was which one.")

    @model_validator(mode="before")
    @classmethod
    def _without_identity(cls, stored: Any) -> Any:  # noqa: ANN401 - what a journal has
        """Leave out `identity`, which older journals repeat here: what proves the person is the entry's `by.proof`."""
        return {name: value for name, value in stored.items() if name != "identity"} if "identity" in stored else stored


class AnswerRefused(Model):
    """An answer in Prefect's form that did not count, as one to a question that was closed meanwhile."""

    kind: Literal["answer.refused"] = "answer.refused"
    ask: str = Field(description="The question that the form was about.")
    form: str = Field(description="The form's key in Prefect. A run that starts again reads its forms again.")
    answer: str = Field(description="The decision as it was given, as `approve: VS-12/contain/roll-back`.")
    name: str = Field(description="The name as it was given; it may be blank.")
    reason: str = ""
    problem: str = Field(description="Why it did not count.")


class VetoWindowEnded(Model):
    """The veto window of an automatic act ended, and no one stopped it."""

    kind: Literal["veto-window.ended"] = "veto-window.ended"
    ask: str


class AskWithdrawn(Model):
    """A question was withdrawn because the state changed; its answers no longer count."""

    kind: Literal["ask.withdrawn"] = "ask.withdrawn"
    ask: str
    reason: str
    inapplicable: bool = Field(
        default=False, description="Whether its step no longer applied. If it applies again, it is asked again."
    )


class ActIntended(Model):
    """An act is about to be carried out by this holder; recorded before the vendor is called."""

    kind: Literal["act.intended"] = "act.intended"
    act: str
    digest: str
    change: JsonDict = Field(description="The change, with the state that was read right before the write.")
    holder: str


class ActFinished(Model):
    """The outcome of an act."""

    kind: Literal["act.finished"] = "act.finished"
    act: str
    outcome: Outcome


class ActSettled(Model):
    """What became of an act whose outcome was not known or not proven: a later read could tell."""

    kind: Literal["act.settled"] = "act.settled"
    act: str
    outcome: Outcome


class LedgerHandedOver(Model):
    """A named person took over what an act left in place, until a date."""

    kind: Literal["ledger.handed-over"] = "ledger.handed-over"
    act: str
    to: str
    due: Moment


class LedgerSuperseded(Model):
    """A person closed what an act left in place: the world has moved on, and nothing of it has to be undone."""

    kind: Literal["ledger.superseded"] = "ledger.superseded"
    act: str
    reason: str
    found: str = Field(default="", description="What a read of the target showed at that moment.")


class LedgerNoted(Model):
    """Something happened that people must know about a change that is still in place."""

    kind: Literal["ledger.noted"] = "ledger.noted"
    act: str
    key: str = Field(description="Identifies the news, which is recorded once.")
    text: str
    moved: bool = Field(default=False, description="Whether the target is no longer as the act left it.")
