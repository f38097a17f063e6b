"""Carries incidents through detection and containment without waiting for Prefect, and does at once what is approved.

Flows make the same moves: whoever comes first makes one, and the other finds it in the journal. So nothing here knows
whether Prefect is there.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError
from allclear.domain.incident import Incident
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.course import Wait
from allclear.responder.loops import round_made

log = logging.getLogger("allclear.responder")

BY = By(actor="allclear", via="responder")

LOOKS = 0.1
"""Seconds between two looks at what other processes wrote; what this one writes wakes it at once."""

_AT_ONCE = 20
"""Incidents that are carried on at the same time: one client's connections are shared by all of them."""

_AGAIN = 2.0
"""Seconds until an incident is tried again whose outside systems were away."""

_PHASES = (Phase.DETECT, Phase.CONTAIN)


class Driver:
    """Watches the open incidents of one company, and carries each on as far as nobody has to be asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: dict[str, int] = {}
        """Incident -> its length when there was nothing left to do for us."""
        self._going: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.wake = asyncio.Event()
        """Set whenever this process has written something."""

    async def run(self) -> None:
        """Watches for ever."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOKS):  # as in `Work.read_inbox`
                        await self.wake.wait()
                self.wake.clear()
                try:
                    await self._look()
                except AllclearError as error:
                    log.warning("%s", error)
                round_made()
        finally:
            for task in self._going.values():
                task.cancel()

    async def _look(self) -> None:
        """Starts whatever has something new and is not under way."""
        rows = await asyncio.to_thread(
            self._engine.journal.incidents, open_only=True, company=self._engine.company.name
        )
        for row in rows:
            if row.id not in self._going and self._seen.get(row.id) != row.length:
                task = asyncio.create_task(self._carry_on(row.id))
                self._going[row.id] = task
                task.add_done_callback(lambda _, one=row.id: self._ended(one))

    def _ended(self, incident: str) -> None:
        self._going.pop(incident, None)
        self.wake.set()  # whatever was written meanwhile is looked at now

    async def _carry_on(self, incident_id: str) -> None:
        async with self._room:
            try:
                length = await self._drive(incident_id)
            except AllclearError as error:
                log.warning("%s: %s", incident_id, error)
                await asyncio.sleep(_AGAIN)
            except Exception:  # one incident never keeps the others from being carried on
                log.exception("%s could not be carried on; it is tried again.", incident_id)
                await asyncio.sleep(_AGAIN)
            else:
                self._seen[incident_id] = length

    async def _drive(self, incident_id: str) -> int:
        """Makes every move that needs nobody, and returns the length of the record in which nothing was left to do."""
        conductor = self._engine.conductor
        while True:
            incident = conductor.incident(incident_id)
            if incident.opened.simulated != (self._engine.settings.simulated is not None):
                return incident.length
            if incident.responds:
                await self._respond(incident_id)
            while act := _allowed(conductor.incident(incident_id)):
                await self._engine.executor.carry_out(incident_id, act, BY)
            if conductor.incident(incident_id).length == incident.length:
                return incident.length

    async def _respond(self, incident_id: str) -> None:
        for phase in _PHASES:
            if isinstance(await self._engine.conductor.run(incident_id, phase, BY), Wait):
                return


def _allowed(incident: Incident) -> str | None:
    """Returns an act that may be done and has no outcome yet; what was never asked for is the flow's own."""
    for act in incident.acts.values():
        asked = act.asks and all(incident.asks[ask].granted for ask in act.asks)
        if act.outcome is None and (asked or act.begun):
            return act.id
    return None
