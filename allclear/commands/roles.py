"""Taking the incident, and handing a role over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command, Section
from allclear.commands.choices import people, roles
from allclear.commands.inputs import OneOf
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Acknowledge(Command):
    """You are working on the incident. The first to acknowledge leads it."""

    name: ClassVar[str] = "acknowledge"
    title: ClassVar[str] = "Acknowledge"
    needs_reader: ClassVar[bool] = False
    typed: ClassVar[tuple[str, ...] | None] = ()
    section: ClassVar[Section] = "none"

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.acknowledge(incident, by)


class HandOver(Command):
    """Another person is asked to take the role. Its holder keeps it until that person accepts."""

    name: ClassVar[str] = "hand-over"
    title: ClassVar[str] = "Hand a role over"
    typed: ClassVar[tuple[str, ...] | None] = ("role", "to")
    section: ClassVar[Section] = "roles"

    role: Annotated[str, OneOf(roles)] = Field(description="The role that is handed over.")
    to: Annotated[str, OneOf(people, others=True)] = Field(description="The person who is asked to take it.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.hand_over(incident, self.role, self.to, by)


class TakeRole(Command):
    """You have the role from now on: it was offered to you, it is free, or its holder receives a message."""

    name: ClassVar[str] = "take-role"
    title: ClassVar[str] = "Take or accept a role"
    typed: ClassVar[tuple[str, ...] | None] = ("role",)
    section: ClassVar[Section] = "roles"

    role: Annotated[str, OneOf(roles)] = Field(description="The role that you take.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.take_role(incident, self.role, by)
