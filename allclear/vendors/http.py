"""HTTP to a vendor with the rules of all our clients: reads are retried, writes only after a 429.

Source: httpx 0.28 (exceptions, timeouts), 2026-11: ConnectError, ConnectTimeout and PoolTimeout are raised
before anything was sent; every other TransportError may come after the request had left.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from allclear.domain.backoff import Backoff
from allclear.domain.errors import AllclearError
from allclear.vendors.access import is_loopback, redacted
from allclear.vendors.errors import RATE_LIMITED, UNAVAILABLE, VendorRequest, hidden, seconds_to_wait
from allclear.vendors.per_loop import PerLoop
from allclear.vendors.retry import Attempt, Pause, RetryLimits, retry

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
RETRIES = RetryLimits(Backoff(first=0.2), attempts=3, longest_pause=10.0)
"""A vendor that asks for a pause of more than ten seconds is reported to a person instead."""
RATE_LIMIT_PAUSE = 1.0
"""The seconds after a rate limit without Retry-After."""
_DEEPEST = 8
"""How many levels of nesting of a refusal are searched for its reason."""


@cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the TLS context of all clients. The first call also imports httpx, 0.3 s: make it in a thread."""
    import httpx  # noqa: PLC0415 - 0.3 s, paid when first used

    return httpx.create_ssl_context()


class HttpClient:
    """JSON over HTTP to one vendor: its address, its secret, and its errors translated into ours."""

    def __init__(
        self,
        vendor: str,
        base: str,
        *,
        headers: Mapping[str, str] | None = None,
        secret: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.vendor = vendor
        self.base = base
        self._headers = dict(headers or {})
        self._secret = secret
        self._transport = transport
        self._pause = pause
        self._pools: PerLoop[httpx.AsyncClient] = PerLoop(self._make_pool, lambda pool: pool.aclose())

    def __repr__(self) -> str:
        """Return the address without its secret."""
        return f"HttpClient({self.vendor!r}, {redacted(self.base)!r})"

    def _make_pool(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - loaded by `warm`

        return httpx.AsyncClient(
            headers=self._headers,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            transport=self._transport,
            verify=trusted_certificates(),
            follow_redirects=False,
            # The environment's proxy is for other machines, never for this one.
            trust_env=not is_loopback(self.base),
        )

    @property
    def pool(self) -> httpx.AsyncClient:
        """Return the running loop's connections, for a library that makes its own requests."""
        return self._pools.get()

    async def warm(self) -> None:
        """Load what the first request needs, beside other work."""
        await asyncio.to_thread(trusted_certificates)

    async def close(self) -> None:
        """Release the connections."""
        await self._pools.close()

    def without_secret(self, text: str) -> str:
        """Return `text`, which must not be cut yet, without our secret, in case a vendor has echoed it."""
        return hidden(text, self._secret)

    async def send(
        self,
        request: VendorRequest,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever JSON the vendor answers
        """Return the JSON of a good answer, None for an empty one. Raises the error of `request` for a bad one."""

        async def send_once() -> httpx.Response:
            return await self.pool.request(method, f"{self.base}{path}", json=json, params=params)

        response = await self.send_with_retries(request, send_once)
        if response.is_success:
            return _json(response)
        reason = self.without_secret(reason_of(response))  # `error_for` cuts it afterwards
        raise request.error_for(response.status_code, reason, seconds_to_wait(response.headers.get("retry-after")))

    async def send_with_retries(
        self, request: VendorRequest, send: Callable[[], Awaitable[httpx.Response]]
    ) -> httpx.Response:
        """Return the answer to `send`, which is called again if that is safe.

        A read is sent again after a broken connection, a 429 or a 502-504. A write is sent again only after a 429,
        with which the vendor says that it did nothing. Raises Unreachable or AnswerLost.
        """
        await self.warm()

        async def attempt() -> Attempt[httpx.Response | AllclearError]:
            try:
                response = await send()
            except Exception as error:
                failure = transport_error(request, error)
                if failure is None:
                    raise
                failure.__cause__ = error
                return Attempt(failure, retryable=not request.write)
            if response.status_code in RATE_LIMITED:
                seconds = seconds_to_wait(response.headers.get("retry-after")) or RATE_LIMIT_PAUSE
                return Attempt(response, retryable=True, retry_after=seconds)
            return Attempt(response, retryable=not request.write and response.status_code in UNAVAILABLE)

        result = await retry(attempt, RETRIES, pause=self._pause)
        if isinstance(result, AllclearError):
            raise result
        return result


def transport_error(request: VendorRequest, error: Exception) -> AllclearError | None:
    """Return our error for a failed transmission; None for any other error."""
    import httpx  # noqa: PLC0415 - loaded already, because it raised the error

    if not isinstance(error, httpx.TransportError | httpx.DecodingError):
        return None
    reason = _REASONS.get(type(error).__name__, "the connection broke")
    never_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    return request.unreachable(reason) if isinstance(error, never_sent) else request.answer_lost(reason)


_REASONS = {
    "ConnectError": "no connection",
    "ConnectTimeout": f"no connection within {CONNECT_SECONDS:.0f} s",
    "PoolTimeout": "too many requests of ours are waiting",
    "ReadTimeout": f"no answer within {ANSWER_SECONDS:.0f} s",
}


def reason_of(response: httpx.Response) -> str:
    """Return the vendor's own reason for a refusal, from the places where vendors put it. It is whole, with secrets."""
    body = _json(response)
    if isinstance(body, dict):
        fields = cast("dict[str, object]", body)
        values = [fields.get(key) for key in ("message", "error", "errors", "msg", "hint")]
        reason = "; ".join(_flat(value) for value in values if value)
        if reason:
            return reason
    if isinstance(body, str | list):
        return _flat(cast("object", body))
    return str(response.reason_phrase or f"status {response.status_code}")


def _flat(value: object, depth: int = _DEEPEST) -> str:
    if not isinstance(value, list | dict):
        return str(value)
    parts = cast("dict[str, object]", value).values() if isinstance(value, dict) else cast("list[object]", value)
    return ", ".join(_flat(part, depth - 1) for part in parts) if depth else "…"


def _json(response: httpx.Response) -> Any:  # noqa: ANN401 - whatever JSON the vendor answers
    if not response.content:
        return None
    try:
        return response.json()
    except (ValueError, RecursionError):  # RecursionError: brackets nested without end
        return None
