"""Writing the parts of the post-mortem that only people know."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command, Section
from allclear.domain.records import By
from allclear.domain.review.post_mortem import PostMortemField

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class WritePostMortem(Command):
    """The text of one field of the post-mortem. The last text counts."""

    name: ClassVar[str] = "post-mortem"
    title: ClassVar[str] = "Write a field of the post-mortem"
    typed: ClassVar[tuple[str, ...] | None] = ("field", "text")
    section: ClassVar[Section] = "none"

    field: PostMortemField = Field(description="The field that the text answers.")
    text: str = Field(description="The text. A field of several points has a line for each.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.write_post_mortem(incident, self.field, self.text, by)
