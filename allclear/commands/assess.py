"""Changing the severity, and recording what is known of the incident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command
from allclear.commands.choices import facets, kinds, severities
from allclear.commands.inputs import EachOf, OneOf
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class ChangeSeverity(Command):
    """A higher or a lower severity. The incident's clocks keep running."""

    name: ClassVar[str] = "severity"
    title: ClassVar[str] = "Change the severity"
    typed: ClassVar[tuple[str, ...] | None] = ("severity", "reason")

    severity: Annotated[str, OneOf(severities)] = Field(description="The new severity, on the plan's own scale.")
    reason: str = Field(description="Why it changes.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.severity(incident, self.severity, self.reason, by)


class Assess(Command):
    """What is known about the incident. If the plan's rules say so, its severity rises."""

    name: ClassVar[str] = "assess"
    title: ClassVar[str] = "Record what is known"
    after_end: ClassVar[bool] = True

    facts: Annotated[dict[str, str], EachOf(facets)] = Field(
        default={}, description="Facet -> value, as in the plan: customer_facing -> yes."
    )
    kind: Annotated[str | None, OneOf(kinds)] = Field(default=None, description="The incident's kind, if it changes.")
    reason: str = Field(default="", description="How that is known.")
    known_since: str = Field(default="", description="When the company became aware of it, as 2026-11-20 17:00.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.assess(incident, self.facts, self.kind, self.reason, by, self.known_since)
