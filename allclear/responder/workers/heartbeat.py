"""Calls a dead-man's switch while the responder is ready, so that another system notices when it is not.

A dead-man's switch (a heartbeat of Better Stack, a check of Healthchecks) raises the alarm when the calls stop. They
stop when the process is gone, when the network is, and when the responder is up but not ready.
"""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

import httpx

from allclear.responder.readiness import ReadinessCheck
from allclear.responder.workers.supervisor import report_progress
from allclear.settings import Settings

log = logging.getLogger("allclear.responder")

_TIMEOUT = 10.0


class Heartbeat:
    """The loop that calls one URL. The URL is a secret: a caller that knows it could silence the alarm."""

    def __init__(self, url: str, every: float, ready: ReadinessCheck) -> None:
        self._url = url
        self._every = every
        self._ready = ready
        self.stuck_after = 3 * every + 2 * _TIMEOUT
        """Seconds without a call after which this loop counts as stuck."""
        self._http = httpx.AsyncClient(timeout=_TIMEOUT)
        self._outage = ""
        """Why no call gets through at present; empty if calls do."""

    async def run(self) -> None:
        """Call until cancelled."""
        while True:
            await self.beat()
            report_progress()
            await asyncio.sleep(self._every)

    async def beat(self) -> None:
        """Call once if the responder is ready. Never raises for what the other side does."""
        problems = await self._ready.problems()
        self._log_change(f"is held back: {problems[0]}" if problems else await self._call())

    async def close(self) -> None:
        """Release the connection and the readiness check."""
        await self._http.aclose()
        self._ready.close()

    async def _call(self) -> str:
        try:
            answer = await self._http.get(self._url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"does not get through to {urlsplit(self._url).hostname} ({type(error).__name__})."
        return "" if answer.is_success else f"was answered {answer.status_code} by {urlsplit(self._url).hostname}."

    def _log_change(self, outage: str) -> None:
        """Log the beginning and the end of an outage, not each failed call."""
        if outage and not self._outage:
            log.error("The heartbeat %s", outage)
        elif self._outage and not outage:
            log.warning("The heartbeat goes out again.")
        self._outage = outage


def heartbeat_of(settings: Settings, ready: ReadinessCheck) -> Heartbeat | None:
    """Return the heartbeat that is configured, or None.

    A drill has none: it would hide that the real responder is gone.
    """
    if settings.heartbeat_url is None or settings.simulated is not None:
        return None
    return Heartbeat(settings.heartbeat_url.get_secret_value(), settings.heartbeat_seconds, ready)
