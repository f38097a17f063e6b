"""Restarts phases whose flow run died, even if Prefect still believes that the run is running.

The run's process decides whether the run is alive: the journal knows which processes are, and each run records its
process when it begins. So no run is started beside a living one. If that happened after all, both would find each
other's acts in the journal, and each change would be made once. A run that a person cancelled in Prefect stays
cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.domain.errors import Unreachable
from allclear.domain.incident import Incident
from allclear.domain.runbook import Phase
from allclear.engine.concurrency import Sweep
from allclear.engine.outbox import PACE, is_of, start_run
from allclear.engine.response.next_move import has_left
from allclear.prefect_api import FlowRun, PrefectApi
from allclear.responder.workers.supervisor import report_progress, run_round

log = logging.getLogger("allclear.responder")

_INTERVAL = 30.0
"""Seconds between two checks."""

_RETRY = 2.0
"""Seconds between two tries to reach Prefect."""

_NAMES = 25
"""Incidents in one query to Prefect, which returns at most two hundred runs."""

_SILENT_FOR = timedelta(minutes=5)
"""How long a run may take to record its process: after an alert storm, runs wait for a processor."""

_LONGEST_PAUSE = timedelta(minutes=30)
"""The longest back-off between two restarts of a phase whose runs keep dying."""

_REVIEWED_WITHIN = timedelta(days=14)
"""Incidents that ended longer ago are left to people."""


class RunRecovery:
    """The loop that checks the flow runs of one company's incidents."""

    def __init__(self, engine: Engine, prefect: PrefectApi) -> None:
        self._engine = engine
        self._prefect = prefect
        self._sweep = Sweep(log, "restart the flow run", at_once=1)

    async def run(self) -> None:
        """Check until cancelled. The first check is made at once: the responder may have been restarted."""
        while True:
            checked = await run_round(self._check_if_reachable, "Checking the flow runs failed; will retry.")
            await asyncio.sleep(_INTERVAL if checked else _RETRY)

    async def _check_if_reachable(self) -> bool:
        if not await self._prefect.ready():
            return False
        await self.check()
        return True

    async def check(self) -> list[str]:
        """Mark dead runs as crashed in Prefect, restart their phases, and return those (as `VS-12 contain`).

        Raises Unreachable, VendorRefused or JournalError.
        """
        incidents = await asyncio.to_thread(lambda: list(self._incidents()))
        await self._mark_crashed({incident.id: incident for incident in incidents})
        due = {f"{one.id} {phase}": (one, phase) for one in incidents if (phase := self._phase(one))}
        names, restarted = list(due), list[str]()
        away: list[Unreachable] = []

        async def visit(name: str, runs: list[FlowRun]) -> None:
            incident, phase = due[name]
            try:
                if not away and await self._restart(incident, phase, _of(incident, name, runs)):
                    restarted.append(name)
                    await asyncio.sleep(PACE)
            except Unreachable as error:  # Prefect is away: trying the other runs would only take time
                away.append(error)

        for start in range(0, len(names), _NAMES):
            some = names[start : start + _NAMES]
            runs = await self._prefect.runs(names=some)
            await self._sweep.visit_all(((name, name) for name in some), partial(visit, runs=runs), report_progress)
            if away:
                raise away[0]
        return restarted

    def _incidents(self) -> Iterator[Incident]:
        """Yield the company's incidents that may have a run under way."""
        incidents = self._engine.conductor.incidents(ended_since=utc_now() - _REVIEWED_WITHIN)
        return (incident for incident in incidents if incident.responds)

    def _phase(self, incident: Incident) -> str | None:
        """Return the phase in which something is left to do."""
        plan = self._engine.company.plan
        if incident.ended:
            due = incident.ended.ending == "resolved" and not has_left(incident, plan, Phase.REVIEW)
            return Phase.REVIEW.value if due else None
        return next((phase.value for phase in Phase if not has_left(incident, plan, phase)), None)

    async def _mark_crashed(self, incidents: dict[str, Incident]) -> None:
        """Set every dead run to crashed in Prefect."""
        for run in await self._prefect.runs(states=["PENDING", "RUNNING"]):
            incident = incidents.get(run.name.partition(" ")[0])
            if incident is not None and is_of(run, incident) and self._dead(incident, run):
                log.warning("The process of %s (flow run %s) is gone; marking the run as crashed.", run.name, run.id)
                await self._prefect.crashed(run.id, "Its process is gone. If more is to do, a new run is started.")

    def _dead(self, incident: Incident, run: FlowRun) -> bool:
        holder, began = incident.run_holders.get(run.id, ("", datetime.min.replace(tzinfo=run.since.tzinfo)))
        if holder and began >= run.since:  # this start of the run has recorded its process
            return self._engine.journal.gone(holder)
        return utc_now() - run.since > _SILENT_FOR and (not holder or self._engine.journal.gone(holder))

    async def _restart(self, incident: Incident, phase: str, runs: list[FlowRun]) -> bool:
        """Start a phase whose newest run died, or that lost its run; return whether a run was started."""
        if not runs:
            young = utc_now() - incident.opened_at < _SILENT_FOR
            if young or self._engine.journal.outbox(incident=incident.id):
                return False
            key = f"{incident.id}/{phase}"  # the first run's key, so that this one does not run beside it
        elif runs[-1].state in {"CRASHED", "FAILED"} and utc_now() - runs[-1].since >= _back_off(len(runs)):
            key = f"{incident.id}/{phase}/again-{len(runs)}"
        else:
            return False
        log.warning("%s %s has no living flow run; starting one.", incident.id, phase)
        await start_run(self._prefect, incident, phase, key)
        return True


def _of(incident: Incident, name: str, runs: list[FlowRun]) -> list[FlowRun]:
    return [run for run in runs if run.name == name and is_of(run, incident)]


def _back_off(runs: int) -> timedelta:
    """Return how long after the last of so many runs died the next one is started; the first restart is immediate."""
    if runs == 1:
        return timedelta(0)
    return min(timedelta(minutes=2 ** min(runs - 2, 10)), _LONGEST_PAUSE)
