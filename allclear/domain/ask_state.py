"""A question to people, and how people have answered it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from allclear.domain.approval import Ask
from allclear.domain.base import person_key
from allclear.domain.records import (
    AnswerRefused,
    By,
)


@dataclass(frozen=True)
class Answer:
    """One person's answer to an ask."""

    yes: bool
    by: By
    reason: str
    at: datetime
    choice: str | None = None


@dataclass
class AskState:
    """An ask and its answers so far."""

    ask: Ask
    opened: datetime
    answers: list[Answer] = field(default_factory=list[Answer])
    withdrawn: str | None = None
    inapplicable: bool = False
    """Whether it was withdrawn because its step no longer applied: the step is asked again if it applies again."""
    refused: list[AnswerRefused] = field(default_factory=list[AnswerRefused])
    """The answers in forms that did not count."""
    veto_window_ended: bool = False
    number: int = 0
    """The number of the entry that opened it: numbers give the order, because clocks can differ."""

    @property
    def granted(self) -> bool:
        """Return whether enough different people of the right roles said yes, and none said no."""
        return self.granted_by_people or (self.veto_window_ended and not self.denied and self.withdrawn is None)

    @property
    def granted_by_people(self) -> bool:
        """Return the same without a veto window that ended: whether people have granted it."""
        if self.denied or self.withdrawn is not None:
            return False
        policy = self.ask.policy
        approvals = [answer for answer in self.answers if answer.yes and answer.by.person]
        people = {person_key(answer.by.actor) for answer in approvals}
        right = not policy.one_of or any(answer.by.role in policy.one_of for answer in approvals)
        return right and len(people) >= policy.people

    @property
    def chosen(self) -> str | None:
        """Return the candidate that was chosen last, or None."""
        return next((answer.choice for answer in reversed(self.answers) if answer.yes and answer.choice), None)

    @property
    def denied(self) -> bool:
        """Return whether a person said no; one is enough."""
        return self.withdrawn is None and any(not answer.yes for answer in self.answers)

    @property
    def open(self) -> bool:
        """Return whether an answer still counts."""
        return self.withdrawn is None and not self.denied and not self.granted
