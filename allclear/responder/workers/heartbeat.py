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
from allclear.trusted_certificates import trusted_certificates

log = logging.getLogger("allclear.responder")

_TIMEOUT = 10.0


class Heartbeat:
    """The loop that calls one URL. The URL is a secret, because every call to it suppresses the alarm."""

    def __init__(self, url: str, every: float, ready: ReadinessCheck) -> None:
        self._url = url
        self._every = every
        self._ready = ready
        self.stuck_after = 3 * every + 2 * _TIMEOUT
        """Seconds without a call after which this loop counts as stuck."""
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, verify=trusted_certificates())
        self._outage = ""
        """Why the last call was not made or failed; empty if it succeeded."""

    async def run(self) -> None:
        """Call until cancelled."""
        while True:
            await self.beat()
            report_progress()
            await asyncio.sleep(self._every)

    async def beat(self) -> None:
        """Call once if the responder is ready. A call that fails is logged; nothing is raised."""
        problems = await self._ready.problems()
        not_ready = f"is not sent, because the responder is not ready: {' '.join(problems)}"
        self._log_change(not_ready if problems else await self._call())

    async def close(self) -> None:
        """Release the connection and the readiness check."""
        await self._http.aclose()
        self._ready.close()

    async def _call(self) -> str:
        try:
            response = await self._http.get(self._url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._failed(type(error).__name__)
        return "" if response.is_success else self._failed(f"HTTP {response.status_code}")

    def _failed(self, reason: str) -> str:
        return f"call to {urlsplit(self._url).hostname} failed ({reason}); will retry in {self._every:g} s."

    def _log_change(self, outage: str) -> None:
        """Log the beginning and the end of an outage, not each failed call."""
        if outage and not self._outage:
            log.error("The heartbeat %s", outage)
        elif self._outage and not outage:
            log.warning("The heartbeat is sent again.")
        self._outage = outage


def heartbeat_of(settings: Settings, ready: ReadinessCheck) -> Heartbeat | None:
    """Return the heartbeat that is configured, or None.

    A drill has none: it would hide that the real responder is gone.
    """
    if settings.heartbeat_url is None or settings.simulated is not None:
        return None
    return Heartbeat(settings.heartbeat_url.get_secret_value(), settings.heartbeat_seconds, ready)
