"""What people do that belongs to no incident yet, or to all: declare one, take over a shift, revoke links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command
from allclear.commands.choices import facets, kinds, runbooks, services, severities, severity_needed
from allclear.commands.inputs import EachOf, OneOf
from allclear.domain.errors import NotAllowed
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.engine.people.declare import DeclareResult


class Declare(Command):
    """A new incident. If one is open for the same service and runbook, this is added to it as a note."""

    name: ClassVar[str] = "incidents"
    title: ClassVar[str] = "Declare an incident"
    of_incident: ClassVar[bool] = False

    title_: str = Field(alias="title", description="What is wrong, as users notice it.")
    service: Annotated[str, OneOf(services)] = Field(description="The service that is affected.")
    runbook: Annotated[str, OneOf(runbooks)] = Field(description="The runbook to follow.")
    severity: Annotated[str | None, OneOf(severities, unchosen="As the facts imply", why_required=severity_needed)] = (
        Field(default=None, description="On the plan's own scale. Default: as the facts imply.")
    )
    kind: Annotated[str | None, OneOf(kinds, unchosen="The runbook's")] = Field(
        default=None, description="The kind, as security. Default: the runbook's."
    )
    facts: Annotated[dict[str, str], EachOf(facets)] = Field(default={}, description="Facet -> value, as in the plan.")
    began: str = Field(default="", description="When the trouble began, as 2026-11-20 17:00 in the plan's time zone.")
    known_since: str = Field(default="", description="When the company became aware of it.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return self.words(engine, self.open(engine, by))

    @staticmethod
    def words(engine: Engine, result: DeclareResult) -> str:
        """Return the sentence about what became of the declaration, with the command that shows the incident."""
        from allclear.engine.people.declare import declared_words  # noqa: PLC0415 - the command line starts without it

        opened = engine.conductor.incident(result.incident)
        follow = "" if opened.opened.ticket else f" Follow it: allclear show {opened.id}"
        return declared_words(opened, result) + follow

    def open(self, engine: Engine, by: By, first: str = "respond") -> DeclareResult:
        """Open the incident, or join an open one; `first` is the flow that is started for it.

        Raises what `People.declare` raises.
        """
        from allclear.engine.people.declare import Declaration  # noqa: PLC0415 - the command line starts without it

        declaration = Declaration(
            title=self.title_,
            severity=self.severity,
            service=self.service,
            runbook=self.runbook,
            facets=self.facts,
            began=self.began,
            known_since=self.known_since,
            kind=self.kind,
        )
        return engine.people.declare(declaration, by, first=first)


class TakeOver(Command):
    """The current shift of a rota: you are on duty from now on."""

    name: ClassVar[str] = "take-over"
    title: ClassVar[str] = "Take over a shift"
    of_incident: ClassVar[bool] = False

    role: str = Field(description="A role with a rota, as on_call.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return engine.people.take_over(self.role, by)


class RevokeLinks(Command):
    """All links, sign-ins and tokens of a person that were made before now are refused."""

    name: ClassVar[str] = "revoke-links"
    title: ClassVar[str] = "Revoke links, sign-ins and tokens"
    of_incident: ClassVar[bool] = False

    person: str = Field(default="", description="Whose. Empty: everyone's.")
    incident: str = Field(default="", description="Only those for this incident. Empty: all, and tokens too.")
    everything: bool = Field(default=False, description="Everyone's, for all incidents.")
    reason: str = Field(description="Why.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        if self.everything == bool(self.person or self.incident):
            raise NotAllowed("It is not clear whose links are revoked.", "Give --person, --incident or both, or --all.")
        if self.incident:
            engine.conductor.incident(self.incident)
        return engine.links.revoke(self.person, self.incident, by.actor, self.reason, by.request)
