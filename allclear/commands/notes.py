"""Writing down what people saw, decided and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Note(Command):
    """A note in the timeline."""

    name: ClassVar[str] = "note"
    title: ClassVar[str] = "Add a note"

    text: str = Field(description="What you saw, heard or did.")
    post_mortem: str = Field(
        default="", description="Where the post-mortem shows it: `timeline`, or the field that it answers."
    )

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.note(incident, self.text, by, self.post_mortem)


class Decide(Command):
    """A decision and its reason."""

    name: ClassVar[str] = "decide"
    title: ClassVar[str] = "Record a decision"

    text: str = Field(description="What was decided.")
    reason: str = Field(default="", description="Why.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.decide(incident, self.text, self.reason, by)


class Told(Command):
    """A report that a person has told an audience."""

    name: ClassVar[str] = "told"
    title: ClassVar[str] = "Record whom you told"

    audience: str = Field(description="A role, or an audience of the plan, as `customers`.")
    text: str = Field(default="", description="What you said, and how.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.told(incident, self.audience, self.text, by)
