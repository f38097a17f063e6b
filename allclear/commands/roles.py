"""Taking the incident, and handing a role over."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Acknowledge(Command):
    """You are working on the incident. The first to acknowledge leads it."""

    name: ClassVar[str] = "acknowledge"
    title: ClassVar[str] = "Acknowledge"

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.acknowledge(incident, by)


class HandOver(Command):
    """Another person has the role from now on."""

    name: ClassVar[str] = "hand-over"
    title: ClassVar[str] = "Hand a role over"

    role: str = Field(description="The role that is handed over.")
    to: str = Field(description="The person who has it from now on.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.hand_over(incident, self.role, self.to, by)
