"""Whether the responder can do its work now: what /readyz answers, and whether the heartbeat goes out."""

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

log = logging.getLogger("allclear.responder")

_KEPT = 1.0
"""Seconds for which an answer counts: each look makes the disk write, and the door is open to anybody."""


class Ready:
    """Looks whether the journal can be written, and whether each loop makes its rounds."""

    def __init__(self, journal: Journal, loops: Supervisor, limits: Limits) -> None:
        self._journal = journal
        self._loops = loops
        self._limits = limits
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ready")
        """Its own: a journal that hangs keeps nothing else waiting."""
        self._lock = asyncio.Lock()
        self._looked = float("-inf")
        self._journal_says = ""

    async def troubles(self) -> list[str]:
        """Return a sentence for whatever keeps the responder from its work; nothing where all is well."""
        async with self._lock:
            if time.monotonic() - self._looked > _KEPT:
                self._journal_says = await self._ask_journal()
                self._looked = time.monotonic()
        return [*filter(None, [self._journal_says]), *self._loops.troubles()]

    def close(self) -> None:
        """Release the thread, without waiting for a journal that hangs."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _ask_journal(self) -> str:
        """Tell the log what is wrong, and strangers only that something is: where the journal is, is not for them."""
        try:
            check = asyncio.get_running_loop().run_in_executor(self._thread, self._journal.check_writable)
            await self._limits.in_time(check)
        except (JournalError, HTTPException) as error:
            if not self._journal_says:
                log.warning("Not ready: %s", error.detail if isinstance(error, HTTPException) else error)
            return "The journal cannot be written."
        return ""
