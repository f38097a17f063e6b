"""What the responder does after it has answered: reads the inbox, runs the errands."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from allclear.domain.errors import AllclearError
from allclear.prefect_api import OutboxDelivery
from allclear.responder.workers.inbox_worker import Taking
from allclear.responder.workers.supervisor import go_round, round_made

log = logging.getLogger("allclear.responder")

_CHECK_AGAIN = 0.25
"""Seconds between two looks at the outbox: others put errands there too."""


class Work:
    """The loops behind the responder's doors."""

    def __init__(self, taking: Taking, outbox: OutboxDelivery, taken: asyncio.Event) -> None:
        self._taking = taking
        self._outbox = outbox
        self.arrived = asyncio.Event()
        """Set whenever something new is in the inbox."""
        self.taken = taken
        """Set whenever something of it has reached the journal."""

    async def read_inbox(self) -> None:
        """Take in what arrives, for ever; what was left by an earlier process first."""
        while True:
            with suppress(TimeoutError):
                # `wait_for` of Python 3.11 forgets that it was cancelled when something arrives in the same moment.
                async with asyncio.timeout(1.0):
                    await self.arrived.wait()
            self.arrived.clear()
            try:
                await asyncio.to_thread(self._taking.take_in)
                self.taken.set()
            except AllclearError as error:
                log.warning("%s", error)
            except Exception:  # the loop must go on, whatever it met: alerts are being taken in
                log.exception("An alert could not be taken in; it is tried again.")
            round_made()

    async def run_outbox(self) -> None:
        """Take the outbox to Prefect, for ever."""
        while True:
            await go_round(
                lambda: self._outbox.deliver(each=round_made), "An errand could not be run; it is tried again."
            )
            await asyncio.sleep(_CHECK_AGAIN)
