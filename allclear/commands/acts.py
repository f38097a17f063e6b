"""Acting by hand: propose an action, start one, and close what cannot be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.commands.base import Command
from allclear.domain.base import JsonDict
from allclear.domain.errors import Refused
from allclear.domain.records import By
from allclear.domain.text import must_answer

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.engine.actions.manual import ManualResult


class Propose(Command):
    """An action that a program, or a person, proposes: a person approves it, and only then is it done.

    The question to people names the author, the reason and the exact change. The approval is bound to that change.
    """

    name: ClassVar[str] = "proposals"
    title: ClassVar[str] = "Propose an action"
    for_programs: ClassVar[bool] = True

    action: str = Field(description="An action, as cloud_run.rollback_traffic; `allclear actions` lists them.")
    params: JsonDict = Field(default={}, description="The action's parameters, as service -> storefront.")
    reason: str = Field(description="Why it should be done. People read it before they decide.")

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

    action: str = Field(description="An action, as cloud_run.rollback_traffic; `allclear actions` lists them.")
    params: JsonDict = Field(default={}, description="The action's parameters, as service -> storefront.")
    reason: str = Field(description="Why. It goes into the record.")
    incident: str | None = Field(
        default=None, description="The incident that it belongs to. Default: the open one of its service, or a new one."
    )
    severity: str | None = Field(default=None, description="The severity, if a new incident is opened.")
    digest: str | None = Field(default=None, description="The digest of the change that you saw; another is refused.")

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

    act: str = Field(description="The act, as contain/roll-back.")
    reason: str = Field(description="Why it needs no undo.")

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return await engine.ledger.supersede(incident, self.act, self.reason, by)
