"""The httpx client of all vendors: one deadline for a whole request, and a limit on the size of its answer.

Source: httpx 0.28, tried 2026-11: its timeouts count anew for every piece that arrives, so an answer of which a byte
comes every second never times out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from typing_extensions import override

REQUEST_SECONDS = 15.0
"""The longest time of one request, from the connection to the last byte of the answer."""
LARGEST_ANSWER = 10_000_000
"""The most bytes of an answer that are read."""


class AnswerTooLarge(httpx.DecodingError):
    """An answer has more bytes than a vendor's answer can have."""


class LimitedClient(httpx.AsyncClient):
    """A client whose requests end within `REQUEST_SECONDS`, also those that a library makes with it."""

    largest = LARGEST_ANSWER
    """The most bytes of an answer that this client reads."""

    @override
    async def send(self, request: httpx.Request, *, stream: bool = False, **more: Any) -> httpx.Response:
        """Return the answer, read to its end unless `stream`. Raises ReadTimeout, AnswerTooLarge, TransportError."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                response = await super().send(request, stream=True, **more)
                if not stream:
                    await _read(response, request, self.largest)
                return response
        except TimeoutError as error:
            msg = f"no whole answer within {REQUEST_SECONDS:.0f} s"
            raise httpx.ReadTimeout(msg, request=request) from error


async def _read(response: httpx.Response, request: httpx.Request, largest: int) -> None:
    try:
        if not response.is_stream_consumed and isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Counted(response.stream, request, largest)
        await response.aread()
    finally:
        await response.aclose()


class _Counted(httpx.AsyncByteStream):
    """The bytes of an answer, up to the limit."""

    def __init__(self, stream: httpx.AsyncByteStream, request: httpx.Request, largest: int) -> None:
        self._stream = stream
        self._request = request
        self._largest = largest

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for part in self._stream:
            seen += len(part)
            if seen > self._largest:
                msg = f"more than {self._largest} bytes"
                raise AnswerTooLarge(msg, request=self._request)
            yield part

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()
