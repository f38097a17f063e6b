"""The company's service itself, requested from outside as a user would.

Source: httpx 0.28, 2026-11. This module follows redirects itself, so that a probe never calls another host's page
healthy.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import urljoin, urlsplit

from allclear.domain.base import JsonDict, Model
from allclear.domain.systems import Access
from allclear.trusted_certificates import trusted_certificates
from allclear.vendors.access import is_loopback, options_of
from allclear.vendors.per_loop import PerLoop
from allclear.vendors.tls_errors import tls_problem

if TYPE_CHECKING:
    import httpx

AT_ONCE = 50
"""The connections that all probes of a process share."""
_LARGEST_BODY = 1_000_000
_HOPS = 3
_MITIGATED = ("x-vercel-mitigated", "cf-mitigated")
"""With `challenge`, Vercel's or Cloudflare's firewall asks for proof of a browser. Source: Cloudflare's page "Detect a
Challenge Page response", 2026; Vercel's header and its status 429 are known from other people's clients, 2026."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class WebOptions(Model):
    """How our probes identify themselves."""

    user_agent: str = "allclear-probe"


class WebAnswer(Model):
    """The answer to one request: a status, or the reason why there is none."""

    status: int | None
    seconds: float
    trouble: str = ""
    maintenance: bool = False
    challenged: bool = False
    """Whether a firewall wants proof of a browser before it lets the request through."""
    other_host: str | None = None
    """The other host that it redirects to."""


class Web:
    """Sends single requests to services. There are no retries, because a probe must report what users meet."""

    system: ClassVar[str] = "web"
    options: ClassVar[type[Model]] = WebOptions

    def __init__(self, options: WebOptions | None = None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._options = options or WebOptions()
        self._transport = transport
        self._remote = PerLoop(lambda: self._make(trust_env=True), lambda client: client.aclose())
        self._local = PerLoop(lambda: self._make(trust_env=False), lambda client: client.aclose())

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. `endpoint` is not used: each service has its own address."""
        return cls(options_of(access, WebOptions))

    async def warm(self) -> None:
        """Load what the first request needs, beside other work."""
        await asyncio.to_thread(trusted_certificates)

    async def close(self) -> None:
        """Release its connections."""
        await self._remote.close()
        await self._local.close()

    def _make(self, *, trust_env: bool) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - loaded by `warm`

        return httpx.AsyncClient(
            headers={"user-agent": self._options.user_agent},
            limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
            transport=self._transport,
            verify=trusted_certificates(),
            follow_redirects=False,
            trust_env=trust_env,
        )

    async def send(self, method: str, url: str, *, timeout: timedelta, json: JsonDict | None = None) -> WebAnswer:  # noqa: ASYNC109 - a setting of the service
        """Return the answer to one request. Redirects are followed for a GET only, and on the same host only."""
        await self.warm()
        import httpx  # noqa: PLC0415 - loaded by `warm`

        began = time.perf_counter()
        trouble = "redirected in a circle"
        try:
            client = (self._local if is_loopback(url) else self._remote).get()
            # One timeout for the whole request: httpx would start its own anew with every piece of a slow body.
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
                            status=response.status_code, seconds=time.perf_counter() - began, other_host=host
                        )
                    url = target
        except (httpx.InvalidURL, ValueError):  # its message would quote the address
            trouble = "its address cannot be read"
        except TimeoutError:
            trouble = "no answer in time"
        except httpx.ConnectError as error:
            trouble = tls_problem(error) or "no connection"
        except (httpx.TransportError, httpx.DecodingError):
            trouble = "the connection broke"
        return WebAnswer(status=None, seconds=time.perf_counter() - began, trouble=trouble)


def _target(response: httpx.Response, url: str) -> str | None:
    location = response.headers.get("location")
    return urljoin(url, location) if location and response.status_code in _REDIRECTS else None


async def _drain(response: httpx.Response) -> None:
    """Read the body as a browser would, because some failures only show there; stop after a megabyte."""
    seen = 0
    async for part in response.aiter_bytes():
        seen += len(part)
        if seen > _LARGEST_BODY:
            return


def _answer(response: httpx.Response, seconds: float) -> WebAnswer:
    unavailable = 503
    notice = "x-maintenance" in response.headers or "retry-after" in response.headers
    return WebAnswer(
        status=response.status_code,
        seconds=seconds,
        maintenance=response.status_code == unavailable and notice,
        challenged=any(response.headers.get(header) == "challenge" for header in _MITIGATED),
    )
