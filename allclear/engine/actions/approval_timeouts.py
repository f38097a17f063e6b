"""Applies the timeout of an unanswered ask: does the action that the plan allows, or sends its standard text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from allclear.company import Company
from allclear.domain.act import Act
from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.answer_window import window_check_key
from allclear.domain.approved_change import Clearance, clearance
from allclear.domain.ask_state import AskState
from allclear.domain.base import Clock
from allclear.domain.incident import Incident
from allclear.domain.records import ActFinished, AskWithdrawn, By, NoteAdded, StepDone, VetoWindowEnded
from allclear.engine.actions.auto_approval import acted_recently, reasons_against
from allclear.engine.concurrency import Sweep
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.flow_starts import loss_messages
from allclear.journal.ports import Journal
from allclear.journal.rows import OutboxKind, OutboxMessage

log = logging.getLogger("allclear.approval_timeouts")

BY = By(actor="allclear", via="window")

RECHECK = timedelta(minutes=5)
"""How often a service is checked again while the standard text may still be sent for its unanswered ask."""

STALE = timedelta(minutes=5)
"""A veto window that ended longer ago than this, while no process was running, allows nothing."""

_AT_ONCE = 20
"""Asks whose timeouts are applied at the same time: they share each client's connections."""


class ApprovalTimeouts:
    """Applies the timeouts of open asks. Several processes may run it: each timeout is applied once."""

    def __init__(self, journal: Journal, conductor: Conductor, company: Company, clock: Clock) -> None:
        self._journal = journal
        self._conductor = conductor
        self._company = company
        self._clock = clock
        self._sweep = Sweep(log, "apply the timeout of", _AT_ONCE)

    def waiting(self) -> list[tuple[datetime, str, str]]:
        """Return the time, the incident and the ask of each pending timeout, in order of time."""
        pending: list[tuple[datetime, str, str]] = []
        for incident in self._conductor.incidents():
            times = ((_timeout_of(incident, state), state) for state in incident.open_asks)
            pending += [(until, incident.id, state.ask.id) for until, state in times if until]
        return sorted(pending)

    async def apply_due(self, each: Callable[[], None] = lambda: None) -> list[str]:
        """Apply every timeout that is over, and return the ids of the asks.

        `each` is called after each one. Raises JournalError.
        """
        now = self._clock()
        due = {ask: incident for until, incident, ask in await asyncio.to_thread(self.waiting) if until <= now}

        async def visit(ask_id: str) -> None:
            await self._apply(self._conductor.incident(due[ask_id]), ask_id)

        return await self._sweep.visit_all(((ask, ask) for ask in due), visit, each)

    async def _apply(self, incident: Incident, ask_id: str) -> None:
        """Check the service once more. If it still fails and no reason rules it out, do what the window allows.

        Otherwise the ask stays open, like an ask without a window.
        """
        state = incident.asks[ask_id]
        window, act = state.ask.window, incident.acts.get(state.ask.act or "")
        if not state.open or window is None or act is None or incident.held:
            return
        finding, begun = await self._conductor.check_health(incident), incident.length
        # Read again, because a check takes time and people may have answered meanwhile.
        incident = self._conductor.incident(incident.id)
        state, act = incident.asks[ask_id], incident.acts[act.id]
        if not state.open or incident.held:
            return
        checked = StepDone(
            phase=state.ask.phase,
            step=window_check_key(state.ask.step),
            title="Still failing?",
            finding=finding,
            health_check=True,
            after_entry=begun,
        )
        if window.then == "act":
            allowed = self._may_act(incident, act, window.until, finding)
            consequences = [VetoWindowEnded(ask=ask_id)] if allowed else []
        else:
            consequences = _give_up(state, act.id, finding) if self._may_send_text(incident, finding) else []
        resume = OutboxMessage(OutboxKind.RESUME, incident.id, f"window:{ask_id}", {"ask": ask_id})
        outbox = [*loss_messages(incident, checked, self._clock()), *([resume] if consequences else [])]
        self._journal.append(incident.id, [checked, *consequences], BY, expect=incident.length, outbox=outbox)

    def _may_act(self, incident: Incident, act: Act, until: datetime, finding: Finding) -> bool:
        """Return whether the act may be carried out without an approval, because no one vetoed it in time."""
        return (
            finding.verdict is Verdict.FAILURE
            and not incident.hold.held_since(incident.asks[act.asks[-1]].opened)
            and clearance(incident, act) is Clearance.WAITING
            and self._clock() - until <= STALE
            and not self._reasons_against(incident, finding)
            and not acted_recently(self._journal, incident, act.proposed.resource, self._clock())
        )

    def _may_send_text(self, incident: Incident, finding: Finding) -> bool:
        """Return whether the plan's standard text may be sent, because no one answered."""
        return finding.verdict is Verdict.FAILURE and not self._reasons_against(incident, finding, only_text=True)

    def _reasons_against(self, incident: Incident, finding: Finding, *, only_text: bool = False) -> list[str]:
        entries = self._journal.entries(incident.id)
        return reasons_against(incident, entries, self._company.plan.storm, self._clock(), finding, only_text=only_text)


def _give_up(state: AskState, act: str, finding: Finding) -> list[AskWithdrawn | ActFinished | NoteAdded]:
    """Return the records that withdraw an unanswered ask; the next move then proposes the standard text."""
    reason = f"no one answered in time, and the service still fails: {finding.sentence.rstrip('.')}"
    outcome = Outcome(status=ActStatus.REFUSED, changed=False, sentence="No one answered; the standard text is sent.")
    return [
        AskWithdrawn(ask=state.ask.id, reason=reason),
        ActFinished(act=act, outcome=outcome),
        NoteAdded(text=f"The standard text is sent: {reason}."),
    ]


def _timeout_of(incident: Incident, state: AskState) -> datetime | None:
    """Return when the ask's timeout is to be applied; None if it has no window, or if its veto window allowed nothing.

    None as well while the incident is held: nothing is then done without a person.

    An ask whose window may send the standard text is checked repeatedly, because the service may fail later.
    """
    if incident.held:
        return None
    window, checked = state.ask.window, incident.step(state.ask.phase, window_check_key(state.ask.step))
    if window is None or checked is None or checked.number < state.number:
        return window.until if window else None
    return checked.at + RECHECK if window.then == "fallback" else None
