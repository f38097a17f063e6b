"""Undoing what is still in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command
from allclear.domain.errors import Refused
from allclear.domain.records import By
from allclear.domain.text import must_answer

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Undo(Command):
    """Undo a change that is still in place. Refused if the system was changed since."""

    name: ClassVar[str] = "undo"
    title: ClassVar[str] = "Undo a change"

    act: str = Field(description="The act that left it in place, as contain/roll-back.")
    reason: str = Field(default="", description="Why.")
    digest: str | None = Field(
        default=None, description="The hash of the change that was shown; if it is another one now, it is refused."
    )

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        result = await engine.manual.undo(incident, self.act, self.reason, by, shown=self.digest)
        if result.outcome is None:
            asked = engine.people.question(result.waiting[0]).ask
            return f"{self.act} is NOT undone yet. {must_answer(asked, engine.company.plan)}"
        if not result.outcome.good:
            raise Refused(f"{self.act} is not undone: {result.outcome.sentence}", result.outcome.next_step)
        return f"{self.act} is undone. {result.outcome.sentence}"
