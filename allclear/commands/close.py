"""Ending an incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command
from allclear.commands.inputs import LINES
from allclear.domain.incident import Incident
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.commands.effects import Effect


class Resolve(Command):
    """The end of the incident: all clear. Refused while something that containment changed is in place."""

    name: ClassVar[str] = "resolve"
    title: ClassVar[str] = "End the incident as resolved"
    typed: ClassVar[tuple[str, ...] | None] = ("reason",)
    confirm: ClassVar[str] = "End it as resolved"

    reason: Annotated[str, LINES] = Field(description="How you know that it is over.")

    @classmethod
    @override
    async def effect(cls, engine: Engine, incident: Incident, by: By, known: Mapping[str, str]) -> Effect:
        from allclear.commands.effects import effect_of_end  # noqa: PLC0415 - the command line starts without it

        return effect_of_end(engine, incident, "resolved")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.resolve(incident, self.reason, by)


class FalseAlarm(Command):
    """The end of the incident as a false alarm: there was no trouble."""

    name: ClassVar[str] = "false-alarm"
    title: ClassVar[str] = "End the incident as a false alarm"
    typed: ClassVar[tuple[str, ...] | None] = ("reason",)
    confirm: ClassVar[str] = "End it as a false alarm"

    reason: Annotated[str, LINES] = Field(description="How you know that there was no trouble.")

    @classmethod
    @override
    async def effect(cls, engine: Engine, incident: Incident, by: By, known: Mapping[str, str]) -> Effect:
        from allclear.commands.effects import effect_of_end  # noqa: PLC0415 - the command line starts without it

        return effect_of_end(engine, incident, "false-alarm")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.false_alarm(incident, self.reason, by)
