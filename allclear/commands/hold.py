"""Stopping everything automatic in an incident, and allowing it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command, Section
from allclear.domain.incident import Incident
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Hold(Command):
    """Nothing automatic happens in the incident until a person releases it. What people approve is still done."""

    name: ClassVar[str] = "hold"
    title: ClassVar[str] = "Stop everything automatic"
    typed: ClassVar[tuple[str, ...] | None] = ("reason",)
    section: ClassVar[Section] = "none"

    reason: str = Field(description="Why.")

    @classmethod
    @override
    def offered(cls, incident: Incident) -> bool:
        return not incident.over and incident.held is None

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.hold(incident, self.reason, by)


class Release(Command):
    """Automatic action is allowed again."""

    name: ClassVar[str] = "release"
    title: ClassVar[str] = "Allow automatic action again"
    typed: ClassVar[tuple[str, ...] | None] = ("reason",)
    section: ClassVar[Section] = "none"

    reason: str = Field(default="", description="Why, or what has changed.")

    @classmethod
    @override
    def offered(cls, incident: Incident) -> bool:
        return incident.held is not None

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.release(incident, self.reason, by)
