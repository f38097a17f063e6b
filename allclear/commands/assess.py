"""Changing the severity, and recording what is known of the incident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, field_validator
from typing_extensions import override

from allclear.commands.base import Command
from allclear.commands.choices import facets, kinds, severities
from allclear.commands.inputs import EachOf, OneOf
from allclear.domain.errors import NotAllowed
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class ChangeSeverity(Command):
    """A higher or a lower severity. The incident's clocks keep running."""

    name: ClassVar[str] = "severity"
    may_make_private: ClassVar[bool] = True
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
    may_make_private: ClassVar[bool] = True
    title: ClassVar[str] = "Record what is known"
    after_end: ClassVar[bool] = True
    typed: ClassVar[tuple[str, ...] | None] = ("facts", "reason")

    facts: Annotated[dict[str, str], EachOf(facets)] = Field(
        default={}, description="Facet -> value, as in the plan: customer_facing -> yes."
    )
    kind: Annotated[str | None, OneOf(kinds)] = Field(default=None, description="The incident's kind, if it changes.")
    reason: str = Field(default="", description="How that is known.")
    known_since: str = Field(default="", description="When the company became aware of it, as 2026-11-20 17:00.")

    @field_validator("facts", mode="before")
    @classmethod
    def _typed(cls, value: object) -> object:
        """Read a fact as people type it, as `customer_facing=yes`."""
        return read_facts([value]) if isinstance(value, str) else value

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.assess(incident, self.facts, self.kind, self.reason, by, self.known_since)


def read_facts(texts: list[str]) -> dict[str, str]:
    """Return facet -> value for texts of the form `facet=value`. Raises NotAllowed for any other form."""
    for text in texts:
        if "=" not in text:
            raise NotAllowed(f"{text!r} is not a facet and its value.", "Write facet=value, as in users=many.")
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in texts)}
