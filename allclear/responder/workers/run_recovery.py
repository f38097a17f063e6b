"""Starts again what died: a phase whose flow run was killed, and which Prefect may still believe to be running.

Whether a run lives, its process says: the journal knows who is alive, and each run notes its process when it begins. So
no run is started beside a living one; even if it were, both would find each other's acts in the journal, and one change
is made once. What a person cancelled in Prefect stays cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.domain.runbook import Phase
from allclear.engine.response.next_move import has_left
from allclear.prefect_api import PACE, FlowRun, PrefectApi, is_of, start_run
from allclear.responder.workers.supervisor import go_round, round_made

log = logging.getLogger("allclear.responder")

_EVERY = 30.0
"""Seconds between two looks, and, until Prefect is there for the first one, between two tries of it: `_TRY`."""
_TRY = 2.0

_NAMES = 25
"""Incidents that Prefect is asked about at once: it returns two hundred runs at most."""

_UNHEARD_OF = timedelta(minutes=5)
"""How long a run may be under way without its first line: after a storm, runs wait for a processor."""

_LONGEST_PAUSE = timedelta(minutes=30)
"""What keeps dying is started again ever more rarely."""

_REVIEWED_WITHIN = timedelta(days=14)
"""Incidents that ended longer ago are left to people."""


class Runs:
    """Watches the runs of one company's incidents."""

    def __init__(self, engine: Engine, prefect: PrefectApi) -> None:
        self._engine = engine
        self._prefect = prefect

    async def watch(self) -> None:
        """Watch for ever; the first look is the one after a restart."""
        while True:
            looked = await go_round(self._check_if_there, "The runs could not be looked at; it is tried again.")
            await asyncio.sleep(_EVERY if looked else _TRY)

    async def _check_if_there(self) -> bool:
        if not await self._prefect.ready():
            return False
        await self.check()
        return True

    async def check(self) -> list[str]:
        """Tell Prefect which runs are dead, starts their phases again, and returns those (as `VS-12 contain`).

        Raises Unreachable, VendorRefused or JournalError.
        """
        incidents = await asyncio.to_thread(lambda: list(self._incidents()))
        await self._bury({incident.id: incident for incident in incidents})
        stands = {f"{one.id} {phase}": (one, phase) for one in incidents if (phase := self._phase(one))}
        names, again = list(stands), list[str]()
        for start in range(0, len(names), _NAMES):
            some = names[start : start + _NAMES]
            runs = await self._prefect.runs(names=some)
            for name in some:
                if await self._start_again(*stands[name], _of(stands[name][0], name, runs)):
                    again.append(name)
                    round_made()
                    await asyncio.sleep(PACE)
        return again

    def _incidents(self) -> Iterator[Incident]:
        """Yield the company's incidents of which a run may be under way."""
        standing = self._engine.conductor.incidents(ended_since=utc_now() - _REVIEWED_WITHIN)
        return (incident for incident in standing if incident.responds)

    def _phase(self, incident: Incident) -> str | None:
        """Return the phase in which there is something to do."""
        plan = self._engine.company.plan
        if incident.ended:
            due = incident.ended.ending == "resolved" and not has_left(incident, plan, Phase.REVIEW)
            return Phase.REVIEW.value if due else None
        return next((phase.value for phase in Phase if not has_left(incident, plan, phase)), None)

    async def _bury(self, incidents: dict[str, Incident]) -> None:
        """Has Prefect say of every dead run that it is dead."""
        for run in await self._prefect.runs(states=["PENDING", "RUNNING"]):
            incident = incidents.get(run.name.partition(" ")[0])
            if incident is not None and is_of(run, incident) and self._dead(incident, run):
                log.warning("%s is dead: the process of flow run %s is gone.", run.name, run.id)
                await self._prefect.crashed(run.id, "Its process is gone. Where there is more to do, it starts anew.")

    def _dead(self, incident: Incident, run: FlowRun) -> bool:
        holder, began = incident.began_in.get(run.id, ("", datetime.min.replace(tzinfo=run.since.tzinfo)))
        if holder and began >= run.since:  # this very start of it has come to its first line
            return self._engine.journal.gone(holder)
        return utc_now() - run.since > _UNHEARD_OF and (not holder or self._engine.journal.gone(holder))

    async def _start_again(self, incident: Incident, phase: str, runs: list[FlowRun]) -> bool:
        """Start a phase whose newest run died, or that has none although it was asked for; says whether it did."""
        if not runs:
            young = utc_now() - incident.opened_at < _UNHEARD_OF
            if young or self._engine.journal.outbox(incident=incident.id):
                return False
            key = f"{incident.id}/{phase}"  # the first one's, so that it stays one if that is under way after all
        elif runs[-1].state in {"CRASHED", "FAILED"} and utc_now() - runs[-1].since >= _patience(len(runs)):
            key = f"{incident.id}/{phase}/again-{len(runs)}"
        else:
            return False
        log.warning("%s %s has no living run: one is started.", incident.id, phase)
        await start_run(self._prefect, incident, phase, key)
        return True


def _of(incident: Incident, name: str, runs: list[FlowRun]) -> list[FlowRun]:
    return [run for run in runs if run.name == name and is_of(run, incident)]


def _patience(runs: int) -> timedelta:
    """Return how long after the last death of so many runs the next one is started: the first time, at once."""
    if runs == 1:
        return timedelta(0)
    return min(timedelta(minutes=2 ** min(runs - 2, 10)), _LONGEST_PAUSE)
