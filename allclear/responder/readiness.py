"""The readiness check behind /readyz and the heartbeat.

The journal is writable, the background loops make progress, no secret is missing, and no system refuses us.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import HTTPException

from allclear.domain.errors import JournalError
from allclear.journal.ports import Journal
from allclear.responder.limits import Limits
from allclear.responder.workers.supervisor import Supervisor
from allclear.responder.workers.system_tests import SystemTests

log = logging.getLogger("allclear.responder")

_CACHED = 1.0
"""Seconds for which a result is reused, because each check writes to the disk and /readyz needs no token."""


class ReadinessCheck:
    """The check of the journal, the background loops and the company's systems."""

    def __init__(
        self, journal: Journal, supervisor: Supervisor, limits: Limits, systems: SystemTests | None = None
    ) -> None:
        """Without `systems`, only this process itself is checked."""
        self._journal = journal
        self._systems = systems
        self._supervisor = supervisor
        self._limits = limits
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ready")
        """A thread of its own, so that a journal that hangs delays nothing else."""
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._journal_problem = ""

    async def problems(self) -> list[str]:
        """Return one sentence for each reason why the responder is not ready; none if it is."""
        async with self._lock:
            if time.monotonic() - self._checked_at > _CACHED:
                self._journal_problem = await self._check_journal()
                self._checked_at = time.monotonic()
        systems = self._systems.problems() if self._systems else []
        return [*filter(None, [self._journal_problem]), *self._supervisor.problems(), *systems]

    def warnings(self) -> list[str]:
        """Return one sentence for each trouble that may pass by itself and leaves the responder ready."""
        return self._systems.warnings() if self._systems else []

    def close(self) -> None:
        """Release the thread, without waiting for a journal that hangs."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _check_journal(self) -> str:
        """Return the journal's problem, or nothing. The details are logged only, because /readyz needs no token."""
        try:
            check = asyncio.get_running_loop().run_in_executor(self._thread, self._journal.check_writable)
            await self._limits.in_time(check)
        except (JournalError, HTTPException) as error:
            if not self._journal_problem:
                log.warning(
                    "The journal is not writable; /readyz answers 503. %s",
                    error.detail if isinstance(error, HTTPException) else error,
                )
            return "The journal cannot be written."
        return ""
