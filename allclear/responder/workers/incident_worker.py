"""Carries incidents through detection and containment without waiting for Prefect, and carries out approved acts.

Flows make the same moves. The journal records each move that the responder or a flow has made, so the other does not
make it again, and nothing here depends on Prefect.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from time import monotonic

from allclear.bootstrap import Engine
from allclear.domain.approved_change import Clearance, clearance
from allclear.domain.errors import AllclearError, NotAllowed, Unreadable
from allclear.domain.incident import Incident
from allclear.domain.pseudo_phases import MESSAGES
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.concurrency import Sweep, slot_released
from allclear.engine.response.moves import Wait
from allclear.responder.workers.journal_watch import JournalWatch
from allclear.responder.workers.supervisor import report_progress

log = logging.getLogger("allclear.responder")

BY = By(actor="allclear", via="responder")

POLL = 0.1
"""Seconds between two checks for what other processes wrote; what this process writes wakes the worker at once."""

_POLL_FOR_APPROVAL = 0.004
"""The same while an act waits for an approval, which the command line or a flow writes, on a database that has no
version. JournalWatch watches the others."""

_LONGEST_POLL = 0.5
"""Seconds between two checks, however long a check took: an approval is carried out within a second."""

_POLL_ANYWAY = 1.0
"""Seconds after which the incidents are listed even if the journal's version says that nothing was written."""

AT_ONCE = 20
"""Incidents that are carried on at the same time: they share each client's connections."""

_RETRY = 2.0
"""Seconds until a failed move or act is retried, for instance because an outside system was away."""

_PHASES = (Phase.DETECT, Phase.CONTAIN)


class IncidentWorker:
    """The worker that carries on the open incidents of one company, each until a person must answer.

    Approved acts are carried out beside the incident's other moves: a probe that lasts minutes delays no act.
    """

    def __init__(self, engine: Engine, at_once: int = AT_ONCE) -> None:
        self._engine = engine
        self._idle_at: dict[str, int] = {}
        """Incident -> its length when nothing was left to do."""
        self._acts_checked_at: dict[str, int] = {}
        """Incident -> its length when it was last checked for approved acts."""
        self._awaiting_approval: set[str] = set()
        """The incidents in which an act waits for an approval."""
        self._moves = Sweep(log, "carry on", at_once, retry_after=_RETRY, on_end=self._ended)
        self._acts = Sweep(log, "carry out", at_once, retry_after=_RETRY, on_end=self._ended)
        self._poll = POLL
        self._version: int | None = None
        """The journal's version at the last check."""
        self._checked = 0.0
        self.wake = asyncio.Event()
        """Set whenever this process has written something."""

    async def run(self) -> None:
        """Carry incidents on until cancelled."""
        loop = asyncio.get_running_loop()
        watch = JournalWatch(self._engine.journal.version, partial(loop.call_soon_threadsafe, self.wake.set))
        with watch.running():
            await self._run(watch)

    async def _run(self, watch: JournalWatch) -> None:
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll):  # not `wait_for`: see InboxWorker.run
                        await self.wake.wait()
                woken = self.wake.is_set()
                self.wake.clear()
                began = monotonic()
                try:
                    if self._may_have_changed(woken=woken):
                        self._check()
                    watched = watch.watch(self._version, wanted=bool(self._awaiting_approval))
                    poll = _POLL_FOR_APPROVAL if self._awaiting_approval and not watched else POLL
                    # Many open incidents are checked less often: checking takes about a tenth of the time at most.
                    pause = max(poll, 9 * (monotonic() - began))
                    self._poll = min(pause, _LONGEST_POLL)
                except AllclearError as error:
                    log.warning("%s", error)
                    self._poll = _LONGEST_POLL
                report_progress()
        finally:
            self._moves.cancel()
            self._acts.cancel()

    def _may_have_changed(self, *, woken: bool) -> bool:
        """Return whether anything may have been written since the last check."""
        before, self._version = self._version, self._engine.journal.version()
        return woken or before is None or before != self._version or monotonic() - self._checked > _POLL_ANYWAY

    def _check(self) -> None:
        """Start a visit of each incident that has new entries, and the acts that are approved."""
        self._checked = monotonic()
        rows = self._engine.journal.incidents(open_only=True)
        self._awaiting_approval &= {row.id for row in rows}
        for row in rows:
            if row.id not in self._moves:
                if self._idle_at.get(row.id) != row.length:
                    self._moves.start(row.id, partial(self._carry_on, row.id))
            elif self._acts_checked_at.get(row.id) != row.length:
                self._acts_checked_at[row.id] = row.length
                with suppress(Unreadable):  # the visit that is running logs it
                    self._start_acts(self._engine.conductor.incident(row.id))

    def _ended(self, _key: str) -> None:
        self.wake.set()  # what was written meanwhile is checked now

    # --- the moves of an incident ------------------------------------------------------------------------

    async def _carry_on(self, incident_id: str) -> None:
        """Make every move that needs no answer of a person. An incident that has ended needs none."""
        incident = self._engine.conductor.incident(incident_id)
        if incident.over:
            self._idle_at[incident_id] = incident.length
            return
        while True:
            # An approved act contains: it goes before messages and questions.
            self._start_acts(incident)
            async with slot_released():
                await self._acts.wait(f"{incident_id} ", within=_RETRY)
            if incident.responds:
                await self._respond(incident_id)
            else:
                self._engine.conductor.withdraw_questions(incident_id, BY)
            before, incident = incident, self._engine.conductor.incident(incident_id)
            if incident.length == before.length:
                break
        self._idle_at[incident_id] = incident.length
        waits = any(state.ask.act for state in incident.open_asks)
        (self._awaiting_approval.add if waits else self._awaiting_approval.discard)(incident_id)

    async def _respond(self, incident_id: str) -> None:
        for phase in _PHASES:
            if isinstance(await self._engine.conductor.run(incident_id, phase, BY), Wait):
                return

    # --- approved acts -----------------------------------------------------------------------------------

    def _start_acts(self, incident: Incident) -> None:
        """Start each approved act; the claim on the resource keeps conflicting acts apart."""
        for act in _approved(incident):
            self._acts.start(f"{incident.id} {act}", partial(self._act, incident.id, act))

    async def _act(self, incident_id: str, act: str) -> None:
        try:
            await self._engine.executor.carry_out(incident_id, act, BY)
        except NotAllowed as error:  # the approval was withdrawn meanwhile
            log.warning("%s", error)


def _approved(incident: Incident) -> list[str]:
    """Return the acts to carry out: approved or interrupted. Those that need no approval are moves of their phase."""
    return [
        act.id
        for act in incident.acts.values()
        # The worker that sends reminders and live messages finishes them, and nothing waits for them.
        if act.proposed.phase not in MESSAGES
        and clearance(incident, act) in {Clearance.INTERRUPTED, Clearance.APPROVED}
    ]
