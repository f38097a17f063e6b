"""Sends messages as acts: what was interrupted is carried on, and everything else is proposed and carried out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from allclear.domain.errors import ConcurrentWrite, NotFound, Refused
from allclear.domain.incident import Incident
from allclear.domain.notify.recipients import Reaches
from allclear.domain.plan import Plan
from allclear.domain.records import By
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.proposals import ActionRequest, Proposal, Proposer
from allclear.engine.actions.registry import ActionType

BY = By(actor="allclear", via="clock")

READS = 20
"""How often a record is read again because something else was written to it meanwhile."""


async def with_fresh_reads(work: Callable[[], Awaitable[object]]) -> None:
    """Do `work`, which reads the record, and repeat it if something else was written meanwhile, `READS` times in all.

    Raises what `work` raises, and ConcurrentWrite if the record keeps growing.
    """
    for left in reversed(range(READS)):
        try:
            await work()
        except ConcurrentWrite:
            if not left:
                raise
        else:
            return


class MessageActs:
    """The acts of everything that is sent by the clock: reminders, posts, tickets, notices, the meeting."""

    def __init__(self, proposer: Proposer, executor: Executor) -> None:
        self._proposer = proposer
        self._executor = executor

    def kind(self, action: str) -> ActionType:
        """Return the class of an action. Raises NotFound if it is not installed."""
        return type(self._executor.action(action))

    def require_message(self, action: str) -> None:
        """Raise Refused for an action that does more than send a message, because no one approves it here."""
        kind = self.kind(action)
        if not kind.text_params or kind.approval is not None:
            raise Refused(f"`{action}` does more than send a message.", "Name a message action, such as slack.post.")

    def reaches(self, plan: Plan) -> Reaches:
        """Return what each way of the plan reaches: a kind of contact, or None for the pager's on-call."""
        found: dict[str, str | None] = {}
        for way, message in plan.ways.items():
            with suppress(NotFound):  # an action that is not installed any more reaches no one
                found[way] = self.kind(message.action).reaches
        return found

    async def carry_on(self, incident: Incident, phase: str, step: str) -> bool:
        """Carry on the newest act of a step if it was interrupted, and return whether it was. Raises AllclearError."""
        act = incident.act_of(phase, step)
        if act is None or act.outcome is not None:
            return False
        await self.finish(incident.id, act.id)
        return True

    async def finish(self, incident_id: str, act: str) -> None:
        """Carry out an act that was proposed. Raises AllclearError."""
        await self._executor.carry_out(incident_id, act, BY)

    async def work_out(self, incident: Incident, request: ActionRequest) -> Proposal:
        """Return the proposal of a message, as `Proposer.work_out` does. Raises AllclearError."""
        return await self._proposer.work_out(incident, request, BY)

    def journal(self, incident: Incident, proposals: Sequence[Proposal]) -> list[str]:
        """Journal proposals and return their acts' ids, as `Proposer.journal` does. Raises AllclearError."""
        return self._proposer.journal(incident, proposals)

    async def send(self, incident: Incident, request: ActionRequest) -> None:
        """Propose an act and carry it out. Raises AllclearError, ConcurrentWrite if the record has grown."""
        await self.finish(incident.id, await self._proposer.propose(incident, request, BY))
