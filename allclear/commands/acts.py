"""Acting by hand: propose an action, start one, and close what cannot be undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command, Section
from allclear.commands.choices import actions, acts_in_place, parameters
from allclear.commands.inputs import LINES, NOT_ASKED, EachOf, OneOf, nested
from allclear.domain.base import JsonDict
from allclear.domain.errors import Refused
from allclear.domain.incident import Incident
from allclear.domain.records import By
from allclear.domain.text import must_answer

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.commands.effects import Effect
    from allclear.engine.actions.manual import ManualResult

ActionName = Annotated[
    str,
    OneOf(actions),
    Field(description="An action that a service of the company can run, as cloud_run.rollback_traffic."),
]
Parameters = Annotated[
    JsonDict, EachOf(parameters), Field(description="The action's parameters, as service -> storefront.")
]


class Propose(Command):
    """An action that a program, or a person, proposes: a person approves it, and only then is it done.

    The question to people names the author, the reason and the exact change. The approval is bound to that change.
    """

    name: ClassVar[str] = "proposals"
    title: ClassVar[str] = "Propose an action"
    for_programs: ClassVar[bool] = True
    confirm: ClassVar[str] = "Propose it"
    asked_before: ClassVar[tuple[str, ...]] = ("action", "params")

    action: ActionName
    params: Parameters = {}
    reason: Annotated[str, LINES] = Field(description="Why it should be done. People read it before they decide.")

    @classmethod
    @override
    async def effect(cls, engine: Engine, incident: Incident, by: By, known: Mapping[str, str]) -> Effect:
        from allclear.commands.effects import effect_of_action  # noqa: PLC0415 - the command line starts without it

        params = nested(known).get("params", {})
        return await effect_of_action(engine, known["action"], params, proposed=True)

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        from allclear.engine.actions.manual import ManualRequest  # noqa: PLC0415 - the command line starts without it

        ask = await engine.manual.propose(ManualRequest(self.action, self.params, self.reason, incident), by)
        asked = engine.people.question(ask).ask
        return f"Proposed: {asked.title.rstrip('.')}. Nothing is done yet. {must_answer(asked, engine.company.plan)}"


class Act(Command):
    """One action outside the runbook. If the plan lets one person approve it, starting it is the approval."""

    name: ClassVar[str] = "act"
    title: ClassVar[str] = "Carry out an action by hand"
    of_incident: ClassVar[bool] = False
    confirm: ClassVar[str] = "Carry it out now"
    asked_before: ClassVar[tuple[str, ...]] = ("action", "params")

    action: ActionName
    params: Parameters = {}
    reason: str = Field(description="Why. It goes into the record.")
    incident: Annotated[str | None, NOT_ASKED] = Field(
        default=None, description="The incident that it belongs to. Default: the open one of its service, or a new one."
    )
    severity: Annotated[str | None, NOT_ASKED] = Field(
        default=None, description="The severity, if a new incident is opened."
    )
    digest: Annotated[str | None, NOT_ASKED] = Field(
        default=None, description="The digest of the change that you saw; another is refused."
    )

    @classmethod
    @override
    async def effect(cls, engine: Engine, incident: Incident, by: By, known: Mapping[str, str]) -> Effect:
        from allclear.commands.effects import effect_of_action  # noqa: PLC0415 - the command line starts without it

        params = nested(known).get("params", {})
        return await effect_of_action(engine, known["action"], params, proposed=False)

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        result = await self.start(engine, by)
        if result.outcome is None:
            asked = engine.people.question(result.waiting[0]).ask
            return f"{result.act} of {result.incident} is NOT done yet. {must_answer(asked, engine.company.plan)}"
        if not result.outcome.good:
            raise Refused(
                f"{result.act} of {result.incident} is {result.outcome.status.value}. {result.outcome.sentence}",
                result.outcome.next_step,
            )
        return f"{result.incident}: {result.outcome.status.value}. {result.outcome.sentence}"

    async def start(self, engine: Engine, by: By) -> ManualResult:
        """Carry the action out, unless other people must approve it first. Raises what `ManualActions.do` raises."""
        from allclear.engine.actions.manual import ManualRequest  # noqa: PLC0415 - as above

        wanted = ManualRequest(self.action, self.params, self.reason, self.incident, self.severity, self.digest)
        return await engine.manual.do(wanted, by)


class Supersede(Command):
    """The end of a change that cannot be undone because the system was changed since. Nothing is changed."""

    name: ClassVar[str] = "supersede"
    title: ClassVar[str] = "Close a change as superseded"
    section: ClassVar[Section] = "none"
    confirm: ClassVar[str] = "Close it as superseded"
    asked_before: ClassVar[tuple[str, ...]] = ("act",)

    act: Annotated[str, OneOf(acts_in_place)] = Field(description="The act, as contain/roll-back.")
    reason: str = Field(description="Why it needs no undo.")

    @classmethod
    @override
    def offered(cls, incident: Incident) -> bool:
        return bool(incident.changes_in_place)

    @classmethod
    @override
    async def effect(cls, engine: Engine, incident: Incident, by: By, known: Mapping[str, str]) -> Effect:
        from allclear.commands.effects import effect_of_supersede  # noqa: PLC0415 - as above

        return await effect_of_supersede(engine, incident, known["act"])

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return await engine.ledger.supersede(incident, self.act, self.reason, by)
