"""What happens when a time is over in which people could have answered: an authorised act, or generic words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from allclear.company import Company
from allclear.domain.action import ActStatus, Finding, Outcome, Verdict
from allclear.domain.base import Clock
from allclear.domain.incident import AskState, Incident
from allclear.domain.records import ActFinished, AskWithdrawn, By, NoteAdded, StepDone, VetoWindowEnded
from allclear.engine.actions.auto_approval import acted_recently, objections
from allclear.engine.concurrency import Sweep
from allclear.engine.response.conductor import Conductor
from allclear.engine.response.step_keys import window_check_key
from allclear.journal.ports import Journal, OutboxKind, OutboxMessage

log = logging.getLogger("allclear.approval_timeouts")

BY = By(actor="allclear", via="window")

AGAIN = timedelta(minutes=5)
"""How often a service is looked at again whose status nobody has published."""

STALE = timedelta(minutes=5)
"""A window that passed this long ago, while nobody watched, authorises nothing any more."""


_AT_ONCE = 20
"""Windows that are seen to at the same time: one client's connections are shared by all of them."""


class ApprovalTimeouts:
    """Watches the windows of open asks. Any process may; an ask's window passes once."""

    def __init__(self, journal: Journal, conductor: Conductor, company: Company, clock: Clock) -> None:
        self._journal = journal
        self._conductor = conductor
        self._company = company
        self._clock = clock
        self._sweep = Sweep(log, "apply the timeout of", _AT_ONCE)

    def waiting(self) -> list[tuple[datetime, str, str]]:
        """Return when which window passes, with incident and ask, the next one first."""
        found: list[tuple[datetime, str, str]] = []
        for incident in self._conductor.incidents():
            times = ((_next(incident, state), state) for state in incident.open_asks)
            found += [(until, incident.id, state.ask.id) for until, state in times if until]
        return sorted(found)

    async def let_pass(self, each: Callable[[], None] = lambda: None) -> list[str]:
        """Apply every approval timeout that is over, and return the ids of the asks.

        `each` is called after each one. Raises JournalError.
        """
        now = self._clock()
        due = [(ask, incident) for until, incident, ask in await asyncio.to_thread(self.waiting) if until <= now]

        async def visit(ask_id: str) -> None:
            await self._pass(self._conductor.incident(incidents[ask_id]), ask_id)

        incidents = dict(due)
        return await self._sweep.visit_all(((ask, ask) for ask in incidents), visit, each)

    async def _pass(self, incident: Incident, ask_id: str) -> None:
        """Look once more; what is not failing still, or is forbidden by now, waits for people as any other ask."""
        state = incident.asks[ask_id]
        window, act = state.ask.window, incident.acts.get(state.ask.act or "")
        if not state.open or window is None or act is None:
            return
        finding = await self._conductor.check_health(incident)
        # A look takes its time, and people write notes meanwhile: only what it bears on must not have moved.
        incident = self._conductor.incident(incident.id)
        state = incident.asks[ask_id]
        if not state.open:
            return
        seen = StepDone(
            phase=state.ask.phase, step=_check_key(state), title="Still failing?", finding=finding, health_check=True
        )
        fails = finding.verdict is Verdict.FAILURE
        if window.then == "act":
            allowed = (
                fails
                and self._clock() - window.until <= STALE
                and not self._against(incident, finding)
                and not acted_recently(self._journal, incident, act.proposed.resource, self._clock())
            )
            records = [seen, VetoWindowEnded(ask=ask_id)] if allowed else [seen]
        else:
            told = fails and not self._against(incident, finding, words=True)
            records = [seen, *_given_up(state, act.id, finding)] if told else [seen]
        wake = OutboxMessage(OutboxKind.RESUME, incident.id, f"window:{ask_id}", {"ask": ask_id})
        self._journal.append(
            incident.id, records, BY, expect=incident.length, outbox=[wake] if len(records) > 1 else []
        )

    def _against(self, incident: Incident, seen: Finding, *, words: bool = False) -> list[str]:
        """Return why nothing may be done here that nobody approved, words included; `seen` is the look just made."""
        record = self._journal.entries(incident.id)
        return objections(incident, record, self._company.plan.storm, self._clock(), seen, words=words)


def _given_up(state: AskState, act: str, finding: Finding) -> list[AskWithdrawn | ActFinished | NoteAdded]:
    """What is written when nobody answered; whoever makes the next move then proposes the generic words."""
    reason = f"nobody answered in time, and the service is failing still: {finding.sentence.rstrip('.')}"
    given_up = Outcome(status=ActStatus.REFUSED, changed=False, sentence="Nobody answered; generic words go out.")
    return [
        AskWithdrawn(ask=state.ask.id, reason=reason),
        ActFinished(act=act, outcome=given_up),
        NoteAdded(text=f"The generic text goes out: {reason}."),
    ]


def _check_key(state: AskState) -> str:
    return window_check_key(state.ask.step)


def _next(incident: Incident, state: AskState) -> datetime | None:
    """Return when its window passes; None where it passed and nothing came of it: then the question simply stays.

    What only words go out for is looked at again and again, for a service may fail again while nobody answers.
    """
    window, seen = state.ask.window, incident.step(state.ask.phase, _check_key(state))
    if window is None or seen is None or seen.number < state.number:
        return window.until if window else None
    return seen.at + AGAIN if window.then == "fallback" else None
