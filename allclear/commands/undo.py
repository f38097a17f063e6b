"""Undoing what is still in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command, Section
from allclear.commands.choices import acts_in_place
from allclear.commands.inputs import LINES, NOT_ASKED, OneOf
from allclear.domain.errors import Refused
from allclear.domain.incident import Incident
from allclear.domain.records import By
from allclear.domain.text import must_answer

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.commands.effects import Effect


class Undo(Command):
    """Undo a change that is still in place. Refused if the system was changed since."""

    name: ClassVar[str] = "undo"
    title: ClassVar[str] = "Undo a change"
    section: ClassVar[Section] = "none"
    confirm: ClassVar[str] = "Undo it now"
    asked_before: ClassVar[tuple[str, ...]] = ("act",)

    act: Annotated[str, OneOf(acts_in_place)] = Field(
        description="The act that left it in place, as contain/roll-back."
    )
    reason: Annotated[str, LINES] = Field(default="", description="Why.")
    digest: Annotated[str | None, NOT_ASKED] = Field(
        default=None, description="The hash of the change that was shown; if it is another one now, it is refused."
    )

    @classmethod
    @override
    def offered(cls, incident: Incident) -> bool:
        return bool(incident.changes_in_place)

    @classmethod
    @override
    async def effect(cls, engine: Engine, incident: Incident, by: By, known: Mapping[str, str]) -> Effect:
        from allclear.commands.effects import effect_of_undo  # noqa: PLC0415 - the command line starts without it

        return await effect_of_undo(engine, incident, known["act"], by)

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        result = await engine.manual.undo(incident, self.act, self.reason, by, shown=self.digest)
        if result.outcome is None:
            asked = engine.people.question(result.waiting[0]).ask
            return f"{self.act} is NOT undone yet. {must_answer(asked, engine.company.plan)}"
        if not result.outcome.good:
            raise Refused(f"{self.act} is not undone: {result.outcome.sentence}", result.outcome.next_step)
        return f"{self.act} is undone. {result.outcome.sentence}"
