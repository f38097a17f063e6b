"""Delivers the outbox to Prefect, continuously."""

from __future__ import annotations

import asyncio

from allclear.engine.outbox import OutboxDelivery
from allclear.responder.workers.supervisor import report_progress, run_round

_INTERVAL = 0.25
"""Seconds between two reads of the outbox: other processes add messages too."""


class OutboxWorker:
    """The loop that delivers outbox messages."""

    def __init__(self, delivery: OutboxDelivery) -> None:
        self._delivery = delivery

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await run_round(
                lambda: self._delivery.deliver(each=report_progress), "Delivering the outbox failed; will retry."
            )
            await asyncio.sleep(_INTERVAL)
