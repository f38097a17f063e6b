"""The service itself, asked from outside as a user would.

Source: httpx 0.28, 2026-11. Redirects are followed by hand, for a probe must not wander to another host and call a
stranger's page healthy.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import urljoin, urlsplit

from allclear.domain.base import JsonDict, Model
from allclear.domain.systems import Access
from allclear.vendors.access import is_loopback, options_of
from allclear.vendors.http import trusted
from allclear.vendors.per_loop import PerLoop

if TYPE_CHECKING:
    import httpx

AT_ONCE = 50
"""Connections that all probes of a process share."""
_LARGEST_BODY = 1_000_000
_HOPS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class WebOptions(Model):
    """How our probes name themselves."""

    user_agent: str = "allclear-probe"


class WebAnswer(Model):
    """What one request gave: a status, or the reason why there was none."""

    status: int | None
    seconds: float
    trouble: str = ""
    maintenance: bool = False
    elsewhere: str | None = None
    """The other host it wanted to send us to."""


class Web:
    """Sends single requests to services, without retries: a probe reports what it met."""

    system: ClassVar[str] = "web"
    options: ClassVar[type[Model]] = WebOptions

    def __init__(self, options: WebOptions | None = None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._options = options or WebOptions()
        self._transport = transport
        self._outside = PerLoop(lambda: self._make(trust_env=True), lambda client: client.aclose())
        self._here = PerLoop(lambda: self._make(trust_env=False), lambda client: client.aclose())

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. The addresses are the services' own, so `endpoint` is not used."""
        return cls(options_of(access, WebOptions))

    async def warm(self) -> None:
        """Load what the first request needs, beside other work."""
        await asyncio.to_thread(trusted)

    async def close(self) -> None:
        """Release its connections."""
        await self._outside.close()
        await self._here.close()

    def _make(self, *, trust_env: bool) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - loaded by `warm`

        return httpx.AsyncClient(
            headers={"user-agent": self._options.user_agent},
            limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
            transport=self._transport,
            verify=trusted(),
            follow_redirects=False,
            trust_env=trust_env,
        )

    async def ask(self, method: str, url: str, *, timeout: timedelta, json: JsonDict | None = None) -> WebAnswer:  # noqa: ASYNC109 - a setting of the service, told to httpx
        """Return the answer to one request; redirects of a GET are followed on the same host only."""
        await self.warm()
        import httpx  # noqa: PLC0415 - loaded by `warm`

        began = time.perf_counter()
        trouble = "redirected in a circle"
        try:
            client = (self._here if is_loopback(url) else self._outside).here()
            # One bound for the whole request: httpx's own starts anew with every piece of a body that drips.
            async with asyncio.timeout(timeout.total_seconds()):
                for _ in range(_HOPS):
                    async with client.stream(method, url, json=json, timeout=None) as response:
                        target = _target(response, url)
                        if target is None or method != "GET":
                            await _drain(response)
                            return _answer(response, time.perf_counter() - began)
                    host = urlsplit(target).hostname
                    if host != urlsplit(url).hostname:
                        return WebAnswer(
                            status=response.status_code, seconds=time.perf_counter() - began, elsewhere=host
                        )
                    url = target
        except (httpx.InvalidURL, ValueError):  # its words would quote the address
            trouble = "its address cannot be read"
        except TimeoutError:
            trouble = "no answer in time"
        except httpx.ConnectError:
            trouble = "no connection"
        except (httpx.TransportError, httpx.DecodingError):
            trouble = "the connection broke"
        return WebAnswer(status=None, seconds=time.perf_counter() - began, trouble=trouble)


def _target(response: httpx.Response, url: str) -> str | None:
    place = response.headers.get("location")
    return urljoin(url, place) if place and response.status_code in _REDIRECTS else None


async def _drain(response: httpx.Response) -> None:
    """Read the body as a browser would, for some troubles only show there; a film is not watched to its end."""
    seen = 0
    async for part in response.aiter_bytes():
        seen += len(part)
        if seen > _LARGEST_BODY:
            return


def _answer(response: httpx.Response, seconds: float) -> WebAnswer:
    unavailable = 503
    notice = "x-maintenance" in response.headers or "retry-after" in response.headers
    return WebAnswer(
        status=response.status_code, seconds=seconds, maintenance=response.status_code == unavailable and notice
    )
