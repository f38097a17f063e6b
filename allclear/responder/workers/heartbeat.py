"""Says to the outside, again and again, that the responder is ready: so that something else notices when it is gone.

A dead-man's switch (a heartbeat of Better Stack, a check of Healthchecks) raises the alarm when the calls stop. They
stop when the process is gone, when the network is, and when the responder is up but not ready.
"""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

import httpx

from allclear.responder.readiness import Ready
from allclear.responder.workers.supervisor import round_made
from allclear.settings import Settings

log = logging.getLogger("allclear.responder")

_TIMEOUT = 10.0


class Heartbeat:
    """Calls one address as long as all is well. The address is a secret: whoever knows it can silence the alarm."""

    def __init__(self, url: str, every: float, ready: Ready) -> None:
        self._url = url
        self._every = every
        self._ready = ready
        self.stale = 3 * every + 2 * _TIMEOUT
        """Seconds after which its loop counts as stuck."""
        self._http = httpx.AsyncClient(timeout=_TIMEOUT)
        self._out = ""
        """Why no call gets through at present, or nothing."""

    async def run(self) -> None:
        """Call for ever."""
        while True:
            await self.beat()
            round_made()
            await asyncio.sleep(self._every)

    async def beat(self) -> None:
        """Call once, where the responder is ready. Never raises for what the other side does."""
        troubles = await self._ready.troubles()
        self._tell(f"is held back: {troubles[0]}" if troubles else await self._call())

    async def close(self) -> None:
        """Release the connection, and of its own way to ask."""
        await self._http.aclose()
        self._ready.close()

    async def _call(self) -> str:
        try:
            answer = await self._http.get(self._url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"does not get through to {urlsplit(self._url).hostname} ({type(error).__name__})."
        return "" if answer.is_success else f"was answered {answer.status_code} by {urlsplit(self._url).hostname}."

    def _tell(self, out: str) -> None:
        """Log the beginning and the end of an outage, not each call of it."""
        if out and not self._out:
            log.error("The heartbeat %s", out)
        elif self._out and not out:
            log.warning("The heartbeat goes out again.")
        self._out = out


def heartbeat_of(settings: Settings, ready: Ready) -> Heartbeat | None:
    """Return the heartbeat that is configured, or None.

    A rehearsal has none: it would hide that the real responder is gone.
    """
    if settings.heartbeat_url is None or settings.simulated is not None:
        return None
    return Heartbeat(settings.heartbeat_url.get_secret_value(), settings.heartbeat_seconds, ready)
