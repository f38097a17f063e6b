"""Sees to it that Prefect has a living flow run for the phase and for each open question of every incident.

Prefect's state is compared with the journal. A run that died, or that a person cancelled or deleted, is replaced by a
new one, and the team gets a message about what a person did: no phase and no question is lost.

The run's process decides whether the run is alive: the journal knows which processes are, and each run records its
process when it begins. So no run is started beside a living one. If that happened after all, both would find each
other's acts in the journal, and each change would be made once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.domain.errors import Unreachable
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.notify.published import became_private
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_private
from allclear.domain.records import By, RunReplaced
from allclear.domain.runbook import Phase
from allclear.engine.concurrency import Sweep
from allclear.engine.flow_runs import (
    QUESTION,
    how_it_ended,
    is_asked,
    is_of,
    question_key,
    run_name,
    start_run,
)
from allclear.engine.outbox import PACE, UNFINISHED
from allclear.engine.prefect_privacy import hide_in_prefect
from allclear.engine.response.moves import Wait
from allclear.engine.response.next_move import has_left
from allclear.prefect_api import FlowRun, PrefectApi
from allclear.responder.workers.supervisor import report_progress, run_round

log = logging.getLogger("allclear.responder")

BY = By(actor="allclear", via="responder")

_INTERVAL = 10.0
"""Seconds between two checks: so long may a question be without its form after a person cancelled the run."""

_RETRY = 2.0
"""Seconds between two tries to reach Prefect."""

_NAMES = 25
"""Runs in one query to Prefect, which returns at most two hundred: each may have been replaced a few times."""

_SILENT_FOR = timedelta(minutes=5)
"""How long a run may take to record its process: after an alert storm, runs wait for a processor."""

_OFFERED_WITHIN = timedelta(minutes=1)
"""How long the run of a phase may take to start the run of a question."""

_LONGEST_PAUSE = timedelta(minutes=30)
"""The longest back-off between two restarts of a phase whose runs keep dying."""

_REVIEWED_WITHIN = timedelta(days=14)
"""Incidents that ended longer ago are left to people."""

Lost = Literal["cancelled", "deleted", "crashed", "failed"]

_LOST: dict[str, Lost] = {"CRASHED": "crashed", "FAILED": "failed", "CANCELLED": "cancelled"}


@dataclass(frozen=True)
class _Needed:
    """A flow run that an incident needs: that of its phase, or that of a question."""

    incident: Incident
    flow: str
    plan: Plan
    ask: str | None = None

    @property
    def name(self) -> str:
        return run_name(self.plan, self.incident, self.flow, self.ask)

    @property
    def key(self) -> str:
        """Return the key of its first run."""
        return question_key(self.ask) if self.ask else f"{self.incident.id}/{self.flow}"


class RunRecovery:
    """The loop that checks the flow runs of one company's incidents."""

    def __init__(self, engine: Engine, prefect: PrefectApi) -> None:
        self._engine = engine
        self._prefect = prefect
        self._sweep = Sweep(log, "restart the flow run", at_once=1)
        self._hidden: dict[str, int] = {}
        """Private incident -> the length of its record when Prefect was last searched for what it is about."""

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
        """Bring Prefect's runs in line with the journal, and return those that were started (as `VS-12 contain`).

        Raises Unreachable, VendorRefused or JournalError.
        """
        incidents = await asyncio.to_thread(lambda: list(self._incidents()))
        by_id = {incident.id: incident for incident in incidents}
        await self._hide_private(incidents)
        await self._mark_crashed(by_id)
        await self._end_answered(by_id)
        needed = {one.name: one for incident in incidents for one in self._needed(incident)}
        names, started = list(needed), list[str]()
        away: list[Unreachable] = []

        async def visit(name: str, runs: list[FlowRun]) -> None:
            one = needed[name]
            try:
                if not away and await self._restart(
                    one, [run for run in runs if run.name == name and is_of(run, one.incident)]
                ):
                    started.append(name)
                    await asyncio.sleep(PACE)
            except Unreachable as error:  # Prefect is away: trying the other runs would only take time
                away.append(error)

        for start in range(0, len(names), _NAMES):
            some = names[start : start + _NAMES]
            runs = await self._prefect.runs(names=some)
            await self._sweep.visit_all(((name, name) for name in some), partial(visit, runs=runs), report_progress)
            if away:
                raise away[0]
        return started

    def _incidents(self) -> Iterator[Incident]:
        """Yield the company's incidents that may have a run under way."""
        incidents = self._engine.conductor.incidents(ended_since=utc_now() - _REVIEWED_WITHIN)
        return (incident for incident in incidents if incident.responds)

    # --- what is needed ----------------------------------------------------------------------------------

    def _needed(self, incident: Incident) -> Iterator[_Needed]:
        """Yield the runs that the incident needs now."""
        plan = self._engine.company.plan
        if phase := self._phase(incident):
            yield _Needed(incident, phase, plan)
        for ask in incident.asks:
            if is_asked(incident, ask):
                one = _Needed(incident, QUESTION, plan, ask)
                if utc_now() - incident.asks[ask].opened > _OFFERED_WITHIN or self._known_run(one):
                    yield one

    def _known_run(self, needed: _Needed) -> str:
        """Return the last run of it that the journal knows and that was not replaced; empty if it knows none."""
        incident = needed.incident
        if needed.ask is None:
            known = [incident.runs.get(needed.flow, "")]
        else:
            known = [run for run in self._engine.journal.waiting_runs(needed.ask) if run not in incident.run_holders]
        return next((run for run in known if run not in incident.replaced_runs), "")

    def _phase(self, incident: Incident) -> str | None:
        """Return the phase in which something is left to do."""
        plan = self._engine.company.plan
        if incident.ended:
            due = incident.ended.ending == "resolved" and not has_left(incident, plan, Phase.REVIEW)
            return Phase.REVIEW.value if due else None
        return next((phase.value for phase in Phase if not has_left(incident, plan, phase)), None)

    # --- what is in Prefect and should not be ------------------------------------------------------------

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

    async def _hide_private(self, incidents: list[Incident]) -> None:
        """Replace what Prefect shows of an incident that has become private, until nothing from before is left.

        Then once after each change of its record.
        """
        plan, links = self._engine.company.plan, self._engine.links
        for incident in incidents:
            if not is_private(plan, incident) or self._hidden.get(incident.id) == incident.length:
                continue
            page, since = links.href(LinkTo(incident=incident.id)), became_private(plan, incident)
            if await hide_in_prefect(self._prefect, plan, incident, page, since and since.at):
                self._hidden[incident.id] = incident.length

    async def _end_answered(self, incidents: dict[str, Incident]) -> None:
        """End every suspended run whose question waits for people no more, in case its message was lost."""
        for run in await self._prefect.runs(states=["PAUSED"]):
            incident = incidents.get(run.name.partition(" ")[0])
            if incident is None or QUESTION not in run.tags or not is_of(run, incident):
                continue
            ask = next((ask for ask in incident.asks if run.name in self._names(incident, ask)), None)
            if ask is not None and not is_asked(incident, ask):
                await self._prefect.completed(run.id, how_it_ended(self._engine.company.plan, incident, ask))

    def _names(self, incident: Incident, ask: str) -> set[str]:
        """Return the names of the run of a question: the incident may have become private after the run was started."""
        by_id = f"{incident.id} asks {ask.removeprefix(f'{incident.id}/')}"
        return {by_id, run_name(self._engine.company.plan, incident, QUESTION, ask)}

    # --- what is missing in Prefect ----------------------------------------------------------------------

    async def _restart(self, needed: _Needed, runs: list[FlowRun]) -> bool:
        """Start a run that is needed if it is missing or its newest one is lost; return whether one was started."""
        if not runs:
            return await self._start_missing(needed)
        newest = runs[-1]
        lost = _lost(newest)
        if lost is None:
            await self._resume_if_due(needed, newest)
            return False
        if utc_now() - newest.since < _back_off(len(runs)):
            return False
        self._note(needed, newest.id, lost)
        if newest.state == "PAUSED":  # its form would still take an answer, which nothing would read
            await self._prefect.completed(
                newest.id, f"Its deployment was deleted. Another run of {needed.name} goes on."
            )
        await self._start(needed, f"{needed.key}/again-{len(runs)}")
        return True

    async def _start_missing(self, needed: _Needed) -> bool:
        """Start a run of which Prefect has none by that name: it was never started, or a person deleted it.

        A question may be shown by the run of a manual action, which has another name.
        """
        incident, known = needed.incident, self._known_run(needed)
        young = utc_now() - incident.opened_at < _SILENT_FOR and needed.ask is None
        if self._engine.journal.outbox(incident=incident.id) or (young and not known):
            return False
        if known:
            run = await self._prefect.run(known)
            lost: Lost | None = _lost(run) if run else "deleted"
            if run and lost is None and run.state in UNFINISHED:
                return False
            if lost:
                self._note(needed, known, lost)
        await self._start(needed, needed.key)  # the first run's key, so that this one does not run beside it
        return True

    async def _resume_if_due(self, needed: _Needed, run: FlowRun) -> None:
        """Resume the suspended run of a phase in which something is to be done, in case its message was lost."""
        if run.state != "PAUSED" or needed.ask:
            return
        move = self._engine.conductor.next_move(needed.incident.id, Phase(needed.flow))
        if not isinstance(move, Wait):
            await self._prefect.resume(run.id)

    def _note(self, needed: _Needed, run: str, state: Lost) -> None:
        """Record once that a run is replaced. If a person did that, the team gets a message."""
        if run not in needed.incident.replaced_runs:
            replaced = RunReplaced(run=run, name=needed.name, state=state, ask=needed.ask)
            self._engine.journal.append(needed.incident.id, [replaced], BY)

    async def _start(self, needed: _Needed, key: str) -> None:
        log.warning("%s has no living flow run; starting one.", needed.name)
        await start_run(self._prefect, needed.plan, needed.incident, needed.flow, key, needed.ask)


def _lost(run: FlowRun) -> Lost | None:
    """Return what became of a run that will not go on by itself; None for one that may."""
    if run.orphaned and run.state in {"SCHEDULED", "PAUSED"}:  # with its deployment: no runner picks it up
        return "deleted"
    if run.state == "CANCELLING" and utc_now() - run.since > _SILENT_FOR:  # the runner that should end it is gone
        return "cancelled"
    return _LOST.get(run.state)


def _back_off(runs: int) -> timedelta:
    """Return how long after the last of so many runs died the next one is started; the first restart is immediate."""
    if runs == 1:
        return timedelta(0)
    return min(timedelta(minutes=2 ** min(runs - 2, 10)), _LONGEST_PAUSE)
