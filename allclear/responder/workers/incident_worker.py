"""Carries incidents through detection and containment without waiting for Prefect, and does at once what is approved.

Flows make the same moves: whoever comes first makes one, and the other finds it in the journal. So nothing here knows
whether Prefect is there.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from time import monotonic

from allclear.bootstrap import Engine
from allclear.domain.clearance import Clearance, clearance
from allclear.domain.errors import AllclearError, NotAllowed, Unreadable
from allclear.domain.incident import LIVE_MESSAGE, REMINDER, Incident
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.concurrency import ConcurrencySlots, lent
from allclear.engine.keyed_tasks import KeyedTasks
from allclear.engine.response.moves import Wait
from allclear.responder.workers.supervisor import round_made

log = logging.getLogger("allclear.responder")

BY = By(actor="allclear", via="responder")

CHECKS = 0.1
"""Seconds between two looks at what other processes wrote; what this one writes wakes it at once."""

_SOON = 0.004
"""The same while an act waits for somebody's yes, which the command line or a flow writes."""

_AT_MOST = 0.5
"""Seconds between two looks, however long one took: an approval is carried out within a second."""

_ANYWAY = 1.0
"""Seconds after which it is looked also where the journal's version says that nothing was written."""

AT_ONCE = 20
"""Incidents that are carried on at the same time: one client's connections are shared by all of them."""

_AGAIN = 2.0
"""Seconds until an incident is tried again whose outside systems were away."""

_PHASES = (Phase.DETECT, Phase.CONTAIN)


class Driver:
    """Watches the open incidents of one company, and carries each on as far as nobody has to be asked.

    What is allowed is carried out beside the incident's other moves: a look that lasts minutes holds up no act.
    """

    def __init__(self, engine: Engine, at_once: int = AT_ONCE) -> None:
        self._engine = engine
        self._seen: dict[str, int] = {}
        """Incident -> its length when there was nothing left to do for us."""
        self._looked_through: dict[str, int] = {}
        """Incident -> its length when we last looked for acts that are allowed."""
        self._asked: set[str] = set()
        """The incidents in which an act waits for somebody's yes."""
        self._moving = KeyedTasks(self._ended)
        self._acting = KeyedTasks(self._ended)
        self._places, self._places_to_act = ConcurrencySlots(at_once), ConcurrencySlots(at_once)
        self._pause = CHECKS
        self._version: int | None = None
        """The journal's, when it was looked at last."""
        self._looked = 0.0
        self.wake = asyncio.Event()
        """Set whenever this process has written something."""

    async def run(self) -> None:
        """Watch for ever."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause):  # as in `Work.read_inbox`
                        await self.wake.wait()
                woken = self.wake.is_set()
                self.wake.clear()
                began = monotonic()
                try:
                    if self._is_written(woken=woken):
                        self._check()
                    # Many open incidents are looked at less often: looking takes a tenth of the time, or little more.
                    self._pause = min(max(_SOON if self._asked else CHECKS, 9 * (monotonic() - began)), _AT_MOST)
                except AllclearError as error:
                    log.warning("%s", error)
                    self._pause = _AT_MOST
                round_made()
        finally:
            self._moving.cancel()
            self._acting.cancel()

    def _is_written(self, *, woken: bool) -> bool:
        """Return whether anything may be new."""
        before, self._version = self._version, self._engine.journal.version()
        return woken or before is None or before != self._version or monotonic() - self._looked > _ANYWAY

    def _check(self) -> None:
        """Start whatever has something new and is not under way."""
        self._looked = monotonic()
        rows = self._engine.journal.incidents(open_only=True, company=self._engine.company.name)
        self._asked &= {row.id for row in rows}
        for row in rows:
            if row.id not in self._moving:
                if self._seen.get(row.id) != row.length:
                    self._moving.begin(row.id, partial(self._carry_on, row.id))
            elif self._looked_through.get(row.id) != row.length:
                self._looked_through[row.id] = row.length
                with suppress(Unreadable):  # whoever carries it on says so
                    self._begin_acts(self._engine.conductor.incident(row.id))

    def _ended(self, _name: str) -> None:
        self.wake.set()  # whatever was written meanwhile is looked at now

    # --- the moves of an incident ------------------------------------------------------------------------

    async def _carry_on(self, incident_id: str) -> None:
        try:
            async with self._places.place():
                incident = await self._drive(incident_id)
        except AllclearError as error:
            log.warning("%s: %s", incident_id, error)
            await asyncio.sleep(_AGAIN)
        except Exception:  # one incident never keeps the others from being carried on
            log.exception("%s could not be carried on; it is tried again.", incident_id)
            await asyncio.sleep(_AGAIN)
        else:
            self._seen[incident_id] = incident.length
            waits = any(state.ask.act for state in incident.open_asks)
            (self._asked.add if waits else self._asked.discard)(incident_id)

    async def _drive(self, incident_id: str) -> Incident:
        """Make every move that needs nobody, and returns the incident in which nothing was left to do."""
        incident = self._engine.conductor.incident(incident_id)
        while self._is_ours(incident):
            # What is allowed contains: it goes before anything that is only said or asked.
            self._begin_acts(incident)
            async with lent():
                await self._acting.settled(f"{incident_id} ", within=_AGAIN)
            if incident.responds:
                await self._respond(incident_id)
            before, incident = incident, self._engine.conductor.incident(incident_id)
            if incident.length == before.length:
                break
        return incident

    def _is_ours(self, incident: Incident) -> bool:
        return incident.is_of(simulated=self._engine.simulated)

    async def _respond(self, incident_id: str) -> None:
        for phase in _PHASES:
            if isinstance(await self._engine.conductor.run(incident_id, phase, BY), Wait):
                return

    # --- what is allowed ---------------------------------------------------------------------------------

    def _begin_acts(self, incident: Incident) -> None:
        """Start each act by itself: what would be in another's way is kept apart by the claim on what it changes."""
        if self._is_ours(incident):
            for act in _allowed(incident):
                self._acting.begin(f"{incident.id} {act}", partial(self._act, incident.id, act))

    async def _act(self, incident_id: str, act: str) -> None:
        """Carry one act out, and tries again while what it changes is out of reach."""
        while True:
            try:
                async with self._places_to_act.place():
                    await self._engine.executor.carry_out(incident_id, act, BY)
            except NotAllowed as error:  # somebody took it back meanwhile
                log.warning("%s", error)
            except AllclearError as error:
                log.warning("%s: %s", act, error)
                await asyncio.sleep(_AGAIN)
                continue
            except Exception:  # one act never keeps the others from being carried out
                log.exception("%s could not be carried out; it is tried again.", act)
                await asyncio.sleep(_AGAIN)
                continue
            return


def _allowed(incident: Incident) -> list[str]:
    """Return the acts to carry out: approved or interrupted. Those that need no approval are moves of their phase."""
    return [
        act.id
        for act in incident.acts.values()
        # A reminder or a live message is finished by the worker that sends it, and nothing waits for it.
        if act.proposed.phase not in {REMINDER, LIVE_MESSAGE}
        and clearance(incident, act) in {Clearance.INTERRUPTED, Clearance.APPROVED}
    ]
