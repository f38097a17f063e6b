"""Answering a question: approve or deny a change, report a step, choose a candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command, Section
from allclear.domain.decisions import decision_for
from allclear.domain.errors import NotAllowed, Refused
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Answer(Command):
    """An answer to one question. It counts for no other question."""

    name: ClassVar[str] = "answer"
    may_make_private: ClassVar[bool] = True
    title: ClassVar[str] = "Answer a question"
    section: ClassVar[Section] = "none"

    ask: str = Field(description="The question's id, as VS-12/contain/roll-back.")
    word: str = Field(description="One of the two words that answer it, as `approve` or `not done`.")
    reason: str = Field(default="", description="Why, or how. Some answers need it.")
    choice: str | None = Field(default=None, description="The candidate, if the question is which one.")
    other: str = Field(
        default="", max_length=2_000, description="What is typed in place of a candidate, if the question takes that."
    )
    digest: str | None = Field(
        default=None, description="The hash of the change that was shown; an answer about another change is refused."
    )

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        if self.ask.partition("/")[0] != incident:
            raise NotAllowed(f"{self.ask} is no question of {incident}.", f"Read on: allclear show {incident}.")
        sentence = self.record(engine, by)
        result = await engine.manual.after_answer(self.ask, by)
        if result is None or result.outcome is None:
            return sentence
        if not result.outcome.good:
            raise Refused(f"{result.act}: {result.outcome.sentence}", result.outcome.next_step)
        return f"{sentence} {result.outcome.sentence}"

    def record(self, engine: Engine, by: By) -> str:
        """Record the answer alone, and return a sentence for the person.

        For a run that waits for the answer and then carries out what it allows. Raises what `People.answer` raises, and
        NotAllowed if the change is not the one that was shown.
        """
        ask = engine.people.question(self.ask).ask
        if self.digest is not None and self.digest != ask.digest:
            raise NotAllowed(
                f"Your answer does not count: the change of {self.ask} is not the one that you saw.",
                "Read the question again, and answer it.",
            )
        decision = decision_for(ask, self.word, self.other.strip() or self.choice, engine.company.plan)
        choice = decision.choice if decision.yes or not ask.typed else None  # "none of them", whatever was typed
        return engine.people.answer(self.ask, by, yes=decision.yes, reason=self.reason, choice=choice)
