"""Ending an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Resolve(Command):
    """The end of the incident: all clear. Refused while something that containment changed is in place."""

    name: ClassVar[str] = "resolve"
    title: ClassVar[str] = "End the incident as resolved"
    typed: ClassVar[tuple[str, ...] | None] = ("reason",)

    reason: str = Field(description="How you know that it is over.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.resolve(incident, self.reason, by)


class FalseAlarm(Command):
    """The end of the incident as a false alarm: there was no trouble."""

    name: ClassVar[str] = "false-alarm"
    title: ClassVar[str] = "End the incident as a false alarm"
    typed: ClassVar[tuple[str, ...] | None] = ("reason",)

    reason: str = Field(description="How you know that there was no trouble.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.false_alarm(incident, self.reason, by)
