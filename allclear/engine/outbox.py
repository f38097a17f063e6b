"""The delivery of the outbox to Prefect."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta

from allclear.company import Company
from allclear.domain.errors import AllclearError, Unreachable, Unreadable
from allclear.domain.incident import Incident
from allclear.engine.flow_runs import QUESTION, how_it_ended, is_asked, opened_tag, start_run, tags_of
from allclear.engine.incidents import read_incident
from allclear.engine.response.step_keys import hold_id
from allclear.journal.ports import Journal
from allclear.journal.rows import OutboxKind, OutboxMessage
from allclear.prefect_api import FlowRun, PrefectApi

log = logging.getLogger("allclear.outbox")

_PAUSED = "PAUSED"

UNFINISHED = {"SCHEDULED", "PENDING", "RUNNING", _PAUSED}

_RESUME_TRIES = 12
"""How often to retry a run that is not suspended yet, because it may be about to suspend."""

_CHECK_AGAIN = 2.0
"""Seconds between two checks whether Prefect answers again."""

_ROUND = 5
"""Messages in one round, so that a more severe incident, opened meanwhile, comes first in the next round."""

PACE = 1.0
"""Seconds between two starts of runs: each run starts one more, and Prefect can start one or two a second."""

_MOST_READ = 500
"""Messages that one round reads and orders."""

_AFTER_THE_END = {"respond", "review"}
"""The flows that are started even if the incident has ended: to show it in Prefect, and to review it."""

ANSWERED_ELSEWHERE = {"decision": "answered elsewhere", "name": "allclear", "reason": "answered elsewhere"}
"""The form's content that resumes a run whose question was answered elsewhere; the run then reads the journal."""


class OutboxDelivery:
    """Delivers a company's outbox to Prefect; each message is kept until it is delivered."""

    def __init__(
        self,
        journal: Journal,
        prefect: PrefectApi,
        company: Company,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`monotonic` returns seconds, and is read for the time between two checks whether Prefect answers again."""
        self._monotonic = monotonic
        self._journal = journal
        self._prefect = prefect
        self._company = company
        self._away = False
        self._not_before = 0.0

    async def deliver(self, incident: str | None = None, each: Callable[[], None] = lambda: None) -> int:
        """Deliver one round of the messages that are due, of one incident or of all; return how many were delivered.

        Answers go first, because a person waits. Then runs are started at Prefect's own pace, ordered by severity and
        then by age. While Prefect does not answer, all messages stay due, and it is checked every two seconds. A
        message that fails while Prefect answers is retried with back-off. `each` is called before each message,
        because a message to a Prefect that does not answer may take most of a minute.
        """
        if self._monotonic() < self._not_before:
            return 0
        due = await asyncio.to_thread(self._due, incident)
        if not due or (self._away and not await self._back()):
            return 0
        done, pause = 0, 0.0
        for message in due[:_ROUND]:
            await asyncio.sleep(pause)
            each()
            try:
                finished = await self._do(message)
            except Unreachable as error:
                if not await self._back():
                    log.warning("Delivering %d outbox messages has to wait: %s", len(due) - done, error.message)
                    break
                self._journal.message_failed(message.key, error.message, _later(message.attempts))
            except AllclearError as error:
                self._journal.message_failed(message.key, error.message, _later(message.attempts))
            except Exception as error:  # one message never delays the others
                log.exception(
                    "Delivering an outbox message of %s (%s) failed; will retry.", message.incident, message.kind
                )
                self._journal.message_failed(message.key, type(error).__name__, _later(message.attempts))
            else:
                if finished:
                    self._journal.message_done(message.key)
                    done += 1
                else:
                    self._journal.message_failed(message.key, "not suspended yet", timedelta(milliseconds=500))
            pause = PACE if message.kind is OutboxKind.START else 0.0
        return done

    def _due(self, incident: str | None) -> list[OutboxMessage]:
        """Return the messages that are due, in the order of their delivery."""
        due = self._journal.outbox(limit=_MOST_READ, incident=incident)
        rank = {incident_id: self._rank(incident_id) for incident_id in {message.incident for message in due}}

        def weight(message: OutboxMessage) -> tuple[bool, int]:
            return message.kind is OutboxKind.START, rank[message.incident]

        return sorted(due, key=weight)

    def _rank(self, incident_id: str) -> int:
        """Return the rank of its severity, 0 for the worst, and for a record that cannot be read."""
        try:
            incident = read_incident(self._journal, incident_id)
        except Unreadable:
            return 0
        return self._company.plan.rank(incident.severity)

    async def _back(self) -> bool:
        """Return whether Prefect answers; if not, the next check is due in two seconds."""
        ready = await self._prefect.ready()
        if self._away and ready:
            log.warning("Prefect answers again; delivering its outbox messages.")
        self._away, self._not_before = not ready, 0.0 if ready else self._monotonic() + _CHECK_AGAIN
        return ready

    async def _do(self, message: OutboxMessage) -> bool:
        if message.kind is OutboxKind.RESUME:
            return await self._wake(message)
        if message.kind is OutboxKind.ALARM:
            return await self._show_alarm(message)
        incident, flow = read_incident(self._journal, message.incident), str(message.detail["flow"])
        if flow == QUESTION:
            await self._ask(incident, str(message.detail["ask"]), message.key)
        elif not incident.over or flow in _AFTER_THE_END:
            await start_run(self._prefect, self._company.plan, incident, flow, message.key)
        return True

    async def _show_alarm(self, message: OutboxMessage) -> bool:
        """Show a failed run on Prefect's dashboard, where automations for failed runs notice it too."""
        incident = read_incident(self._journal, message.incident)
        await self._prefect.add_failed_run(
            "respond",
            f"{message.key} {opened_tag(incident)}",
            name=f"{incident.id} NO WAY IS LEFT TO TELL PEOPLE",
            reason=f"Every page and message about {incident.id} failed. Read it: allclear show {incident.id}",
            tags=tags_of(incident),
        )
        return True

    async def _ask(self, incident: Incident, ask: str, key: str) -> None:
        if is_asked(incident, ask):
            await start_run(self._prefect, self._company.plan, incident, QUESTION, key, ask)

    async def _wake(self, message: OutboxMessage) -> bool:
        """Resume the runs that wait for an answered question. Return whether none is left to resume."""
        ask_id = str(message.detail["ask"])
        incident = read_incident(self._journal, message.incident)
        if is_asked(incident, ask_id) or (ask_id == hold_id(incident.id) and incident.held):
            return True
        if ask_id not in {hold_id(incident.id), *incident.asks}:
            return True
        runs = [await self._prefect.run(run) for run in self._journal.waiting_runs(ask_id)]
        left = [run for run in runs if run and run.state in UNFINISHED and not await self._go_on(incident, run, ask_id)]
        # A run that is about to suspend for this answer is retried; any other run reads the answer from the journal.
        return not left or message.attempts > _RESUME_TRIES

    async def _go_on(self, incident: Incident, run: FlowRun, ask: str) -> bool:
        """Resume a suspended run, or end it if it only showed the question; return False if it is not suspended."""
        if run.state != _PAUSED:
            return False
        if QUESTION in run.tags:  # to resume it would start a process that has nothing to do
            await self._prefect.completed(run.id, how_it_ended(self._company.plan, incident, ask))
            return True
        return await self._prefect.resume(run.id, ANSWERED_ELSEWHERE if run.has_form else None)


def _later(attempts: int) -> timedelta:
    return timedelta(seconds=min(0.5 * 2 ** min(attempts, 6), 30))
