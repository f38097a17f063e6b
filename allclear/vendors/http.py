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

from allclear.domain.errors import AllclearError
from allclear.vendors.access import is_loopback, shown
from allclear.vendors.errors import BUSY, TROUBLED, Call, quote, seconds_to_wait
from allclear.vendors.per_loop import PerLoop

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
ATTEMPTS = 3
LONGEST_WAIT = 10.0
"""Seconds we wait when a vendor says Retry-After; a longer wait is told to a person instead."""
_FIRST_PAUSE = 0.2
_DEEPEST = 8
"""How far a refusal is looked into for words."""

Pause = Callable[[float], Awaitable[object]]


@cache
def trusted() -> ssl.SSLContext:
    """Return the certificates we trust; the first call also loads httpx, 0.3 s: call it in a thread."""
    import httpx  # noqa: PLC0415 - 0.3 s, paid when first used

    return httpx.create_ssl_context()


class Wire:
    """One vendor's HTTP: its address, its key, its errors in our words."""

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        vendor: str,
        base: str,
        *,
        headers: Mapping[str, str] | None = None,
        secret: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
        busy_pause: float = 1.0,
    ) -> None:
        self.vendor = vendor
        self.base = base
        self._headers = dict(headers or {})
        self._secret = secret
        self._transport = transport
        self._pause = pause
        self._busy_pause = busy_pause
        self._clients: PerLoop[httpx.AsyncClient] = PerLoop(self._make, lambda client: client.aclose())

    def __repr__(self) -> str:
        """Return where it is aimed, without its secret."""
        return f"Wire({self.vendor!r}, {shown(self.base)!r})"

    def _make(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - loaded by `warm`

        return httpx.AsyncClient(
            headers=self._headers,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            transport=self._transport,
            verify=trusted(),
            follow_redirects=False,
            # A proxy of the environment is for the world outside, never for this machine.
            trust_env=not is_loopback(self.base),
        )

    @property
    def http(self) -> httpx.AsyncClient:
        """Return the running loop's connections, for a library that brings its own requests."""
        return self._clients.here()

    async def warm(self) -> None:
        """Load what the first request needs, beside other work."""
        await asyncio.to_thread(trusted)

    async def close(self) -> None:
        """Release the connections."""
        await self._clients.close()

    def hide(self, text: str) -> str:
        """Return `text` without our secret, should a vendor have echoed it."""
        return text.replace(self._secret, "…") if self._secret else text

    async def ask(
        self, call: Call, method: str, path: str, *, json: object = None, params: Mapping[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - whatever JSON the vendor answers
        """Return the JSON of a good answer (None for an empty one); raises what `Call` makes of a bad one."""

        async def once() -> httpx.Response:
            return await self.http.request(method, f"{self.base}{path}", json=json, params=params)

        response = await self.patiently(call, once)
        if response.is_success:
            return _json(response)
        words = self.hide(words_of(response))
        raise call.by_status(response.status_code, words, seconds_to_wait(response.headers.get("retry-after")))

    async def patiently(self, call: Call, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Return the answer to `send`, sent again where that is safe.

        A read is sent again after a broken connection, a 429 or a 502-504; a write only after a 429, with
        which the vendor says that it did nothing. Raises Unreachable or AnswerLost.
        """
        await self.warm()
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            wait = _FIRST_PAUSE * 2 ** (attempt - 1)
            try:
                response = await send()
            except Exception as error:
                trouble = transport_error(call, error)
                if trouble is None:
                    raise
                if call.write or last:
                    raise trouble from error
            else:
                if response.status_code in BUSY:
                    wait = seconds_to_wait(response.headers.get("retry-after")) or self._busy_pause
                elif call.write or response.status_code not in TROUBLED:
                    return response
                if last or wait > LONGEST_WAIT:
                    return response
            await self._pause(wait)
        raise AssertionError  # the last attempt returns or raises


def transport_error(call: Call, error: Exception) -> AllclearError | None:
    """Return our error for a failed transmission; None for anything else."""
    import httpx  # noqa: PLC0415 - loaded already, for it raised the error

    if not isinstance(error, httpx.TransportError | httpx.DecodingError):
        return None
    reason = _WHY.get(type(error).__name__, "the connection broke")
    never_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    return call.unreachable(reason) if isinstance(error, never_sent) else call.lost(reason)


_WHY = {
    "ConnectError": "no connection",
    "ConnectTimeout": f"no connection within {CONNECT_SECONDS:.0f} s",
    "PoolTimeout": "too many requests of ours are waiting",
    "ReadTimeout": f"no answer within {ANSWER_SECONDS:.0f} s",
}


def words_of(response: httpx.Response) -> str:
    """Return a refusal in the vendor's own words, from the places where vendors put them."""
    body = _json(response)
    if isinstance(body, dict):
        said = cast("dict[str, object]", body)
        found = [said.get(key) for key in ("message", "error", "errors", "msg", "hint")]
        words = "; ".join(_flat(value) for value in found if value)
        if words:
            return quote(words)
    if isinstance(body, str | list):
        return quote(_flat(cast("object", body)))
    return quote(response.reason_phrase or f"status {response.status_code}")


def _flat(value: object, deep: int = _DEEPEST) -> str:
    if not isinstance(value, list | dict):
        return str(value)
    parts = cast("dict[str, object]", value).values() if isinstance(value, dict) else cast("list[object]", value)
    return ", ".join(_flat(part, deep - 1) for part in parts) if deep else "…"


def _json(response: httpx.Response) -> Any:  # noqa: ANN401 - whatever JSON the vendor answers
    if not response.content:
        return None
    try:
        return response.json()
    except (ValueError, RecursionError):  # the latter for brackets within brackets without end
        return None
