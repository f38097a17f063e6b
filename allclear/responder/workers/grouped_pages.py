"""Asks the pager which of our pages its incidents hold, while reports about them wait in the inbox."""

from __future__ import annotations

import asyncio

from allclear.engine.people.grouped_pages import GroupedPages
from allclear.responder.workers.supervisor import run_round

_INTERVAL = 0.5
"""Seconds between two reads of what waits for an answer."""


class GroupedPagesWorker:
    """Asks until cancelled, and wakes the inbox worker after each answer."""

    def __init__(self, grouped: GroupedPages, arrived: asyncio.Event) -> None:
        self._grouped = grouped
        self._arrived = arrived

    async def run(self) -> None:
        """Ask what waits, again and again."""
        while True:
            await run_round(self._ask, "Asking the pager for our pages failed; will retry.")
            await asyncio.sleep(_INTERVAL)

    async def _ask(self) -> None:
        if await self._grouped.ask():
            self._arrived.set()
