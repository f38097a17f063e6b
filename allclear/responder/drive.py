"""Carries incidents through detection and containment without waiting for Prefect, and does at once what is approved.

Flows make the same moves: whoever comes first makes one, and the other finds it in the journal. So nothing here knows
whether Prefect is there.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError
from allclear.domain.incident import KEPT, REMINDER, Act, Incident
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.course import Wait
from allclear.engine.places import Places, lent
from allclear.responder.loops import round_made

log = logging.getLogger("allclear.responder")

BY = By(actor="allclear", via="responder")

LOOKS = 0.1
"""Seconds between two looks at what other processes wrote; what this one writes wakes it at once."""

_SOON = 0.004
"""The same while an act waits for somebody's yes, which the command line or a flow writes."""

_ANYWAY = 1.0
"""Seconds after which it is looked also where the journal's version says that nothing was written."""

AT_ONCE = 20
"""Incidents that are carried on at the same time: one client's connections are shared by all of them."""

_AGAIN = 2.0
"""Seconds until an incident is tried again whose outside systems were away."""

_PHASES = (Phase.DETECT, Phase.CONTAIN)


class Driver:
    """Watches the open incidents of one company, and carries each on as far as nobody has to be asked."""

    def __init__(self, engine: Engine, at_once: int = AT_ONCE) -> None:
        self._engine = engine
        self._seen: dict[str, int] = {}
        """Incident -> its length when there was nothing left to do for us."""
        self._asked: set[str] = set()
        """The incidents in which an act waits for somebody's yes."""
        self._going: dict[str, asyncio.Task[None]] = {}
        self._places = Places(at_once)
        self._pause = LOOKS
        self._version: int | None = None
        """The journal's, when it was looked at last."""
        self._looked = 0.0
        self.wake = asyncio.Event()
        """Set whenever this process has written something."""

    async def run(self) -> None:
        """Watches for ever."""
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
                        self._look()
                except AllclearError as error:
                    log.warning("%s", error)
                # Many open incidents are looked at less often: looking never takes more than a tenth of the time.
                self._pause = max(_SOON if self._asked else LOOKS, 9 * (monotonic() - began))
                round_made()
        finally:
            for task in self._going.values():
                task.cancel()

    def _is_written(self, *, woken: bool) -> bool:
        """Says whether anything may be new."""
        before, self._version = self._version, self._engine.journal.version()
        return woken or before is None or before != self._version or monotonic() - self._looked > _ANYWAY

    def _look(self) -> None:
        """Starts whatever has something new and is not under way."""
        self._looked = monotonic()
        rows = self._engine.journal.incidents(open_only=True, company=self._engine.company.name)
        self._asked &= {row.id for row in rows}
        for row in rows:
            if row.id not in self._going and self._seen.get(row.id) != row.length:
                task = asyncio.create_task(self._carry_on(row.id))
                self._going[row.id] = task
                task.add_done_callback(lambda _, one=row.id: self._ended(one))

    def _ended(self, incident: str) -> None:
        self._going.pop(incident, None)
        self.wake.set()  # whatever was written meanwhile is looked at now

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
        """Makes every move that needs nobody, and returns the incident in which nothing was left to do."""
        incident = self._engine.conductor.incident(incident_id)
        while incident.opened.simulated == (self._engine.settings.simulated is not None):
            # What is allowed contains: it goes before anything that is only said or asked.
            await self._carry_out(incident_id, _allowed(incident))
            if incident.responds:
                await self._respond(incident_id)
            before, incident = incident, self._engine.conductor.incident(incident_id)
            if incident.length == before.length:
                break
        return incident

    async def _carry_out(self, incident_id: str, acts: list[str]) -> None:
        """Does the acts, all at once: what would be in another's way is kept apart by the claim on what it changes."""
        async with lent():  # each act takes a place of its own
            doing = [self._carry_one_out(incident_id, act) for act in acts]
            for done in await asyncio.gather(*doing, return_exceptions=True):  # none is broken off for another's error
                if isinstance(done, BaseException):
                    raise done

    async def _carry_one_out(self, incident_id: str, act: str) -> None:
        async with self._places.place():
            await self._engine.executor.carry_out(incident_id, act, BY)

    async def _respond(self, incident_id: str) -> None:
        for phase in _PHASES:
            if isinstance(await self._engine.conductor.run(incident_id, phase, BY), Wait):
                return


def _allowed(incident: Incident) -> list[str]:
    """Returns the acts that may be done and have no outcome yet; what was never asked for is the flow's own."""

    def may(act: Act) -> bool:
        if act.proposed.phase in {REMINDER, KEPT}:
            return False  # a message is finished by whoever sends it, and holds up nothing that contains
        return act.begun or (bool(act.asks) and all(incident.asks[ask].granted for ask in act.asks))

    return [act.id for act in incident.acts.values() if act.outcome is None and may(act)]
