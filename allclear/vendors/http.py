"""HTTP to a vendor with the rules of all our clients.

Reads are retried, writes only after a 429. A good status proves nothing by itself, because a proxy's login page has one
too: the answer must be the one that the vendor documents. Redirects are never followed, because our secret would go
along.

Source: httpx 0.28 (exceptions, timeouts), 2026-11: ConnectError, ConnectTimeout and PoolTimeout are raised
before anything was sent; every other TransportError may come after the request had left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from allclear.domain.backoff import Backoff
from allclear.domain.errors import AllclearError
from allclear.trusted_certificates import trusted_certificates
from allclear.vendors.access import is_loopback, redacted
from allclear.vendors.errors import RATE_LIMITED, UNAVAILABLE, VendorRequest, hidden, seconds_to_wait
from allclear.vendors.per_loop import PerLoop
from allclear.vendors.retry import Attempt, Pause, RetryLimits, retry
from allclear.vendors.tls_errors import tls_problem

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


_UNREADABLE_JSON = object()
"""Stands for an answer that is no JSON."""


@dataclass(frozen=True)
class Expected:
    """The good answers that a vendor documents for one request."""

    statuses: frozenset[int] = frozenset()
    """The good statuses; empty: every 2xx."""
    kind: type[Any] | UnionType | None = None
    """`dict` or `list`, `dict | None` for one that may have no content; None: any JSON, or no content at all."""
    fields: tuple[str, ...] = ()
    """Fields that a `dict` always has; not the ones that a vendor may leave out."""

    def fits(self, status: int, body: object) -> bool:
        """Return whether the answer is one of them; `body` is the parsed JSON, None for no content."""
        if body is _UNREADABLE_JSON or (self.statuses and status not in self.statuses):
            return False
        if self.kind is not None and not isinstance(body, self.kind):
            return False
        return all(field in cast("dict[str, object]", body or {}) for field in self.fields)


ANY_JSON = Expected()

Refused = Callable[[VendorRequest, "httpx.Response", Any], AllclearError | None]
"""Returns the error for a vendor's refusal in its own form; None if the answer is none."""


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """Return what the header for authentication carries, without the word for its scheme."""
    values = [value for name, value in headers.items() if name.lower() == "authorization"]
    return [value.rpartition(" ")[2] for value in values]


class HttpClient:
    """JSON over HTTP to one vendor: its address, its secret, and its errors translated into ours."""

    def __init__(  # noqa: PLR0913 - all in which vendors differ
        self,
        vendor: str,
        base: str,
        *,
        headers: Mapping[str, str] | None = None,
        secret: str = "",
        more_secrets: Iterable[str] = (),
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
        refused: Refused | None = None,
        largest: int | None = None,
    ) -> None:
        """`more_secrets` are further texts that no sentence may repeat, as the path of an address that is a secret.

        `refused` reads refusals that have a form of their own, with any status.

        `largest` is the most bytes of an answer; the client's usual limit if left out.
        """
        self.vendor = vendor
        self.base = base
        self._headers = dict(headers or {})
        self._secrets = [secret, *more_secrets, *_credentials(self._headers)]
        self._transport = transport
        self._pause = pause
        self._refused = refused
        self._largest = largest
        self._pools: PerLoop[httpx.AsyncClient] = PerLoop(self._make_pool, lambda pool: pool.aclose())

    def __repr__(self) -> str:
        """Return the address without its secret."""
        return f"HttpClient({self.vendor!r}, {redacted(self.base)!r})"

    def _make_pool(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - loaded by `warm`

        from allclear.vendors.limited_client import LimitedClient  # noqa: PLC0415 - imports httpx

        # Both log whole addresses, and some addresses are secrets.
        for logger in ("httpx", "httpcore"):
            logging.getLogger(logger).setLevel(logging.WARNING)
        client = LimitedClient(
            headers=self._headers,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            transport=self._transport,
            verify=trusted_certificates(),
            follow_redirects=False,
            # The environment's proxy is for other machines, never for this one.
            trust_env=not is_loopback(self.base),
        )
        client.largest = self._largest or client.largest
        return client

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
        """Return `text`, which must not be cut yet, without our secret, in case a vendor has echoed it.

        The form in which a header carries it is hidden, too: Basic authentication sends base64.
        """
        return hidden(text, *self._secrets)

    async def send(  # noqa: PLR0913 - what a request can carry
        self,
        request: VendorRequest,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        expected: Expected = ANY_JSON,
    ) -> Any:  # noqa: ANN401 - whatever JSON the vendor answers
        """Return the JSON of a good answer, None for an empty one. `form` is sent as a form instead of JSON.

        Raises the error of `request` for a bad status, and for an answer that is not as `expected`.
        """
        answer = self.send_for_headers(request, method, path, json=json, form=form, params=params, expected=expected)
        return (await answer)[0]

    async def send_for_headers(  # noqa: PLR0913 - what a request can carry
        self,
        request: VendorRequest,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        expected: Expected = ANY_JSON,
    ) -> tuple[Any, Mapping[str, str]]:
        """Return the JSON of a good answer as `send` does, and the answer's headers. Raises the same errors."""

        async def send_once() -> httpx.Response:
            url = f"{self.base}{path}"
            return await self.pool.request(method, url, json=json, data=form, params=params, headers=request.headers)

        response = await self.send_with_retries(request, send_once)
        body = _parsed(response)
        error = self._refused(request, response, body) if self._refused else None
        if error is not None:
            raise error
        if response.is_success:
            if not expected.fits(response.status_code, body):
                raise request.not_from_vendor(response.status_code, content_words(response))
            return body, response.headers
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
                return Attempt(failure, retryable=not request.write and not tls_problem(error))
            if response.status_code in RATE_LIMITED:
                seconds = seconds_to_wait(response.headers.get("retry-after")) or RATE_LIMIT_PAUSE
                return Attempt(response, retryable=True, retry_after=seconds)
            return Attempt(response, retryable=not request.write and response.status_code in UNAVAILABLE)

        result = await retry(attempt, RETRIES, pause=self._pause)
        if isinstance(result, AllclearError):
            raise result
        return result


class OverHttp:
    """The base of a vendor's client that sends everything through one `HttpClient`."""

    _http: HttpClient

    def __repr__(self) -> str:
        """Return the address without the secret."""
        return f"{type(self).__name__}({redacted(self._http.base)!r})"

    async def close(self) -> None:
        """Release its connections."""
        await self._http.close()


def transport_error(request: VendorRequest, error: Exception) -> AllclearError | None:
    """Return our error for a failed transmission; None for any other error."""
    import httpx  # noqa: PLC0415 - loaded already, because it raised the error

    if not isinstance(error, httpx.TransportError | httpx.DecodingError):
        return None
    if isinstance(error, httpx.ConnectError) and (problem := tls_problem(error)):
        return request.untrusted(problem)
    reason = _REASONS.get(type(error).__name__, "the connection broke")
    never_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    return request.unreachable(reason) if isinstance(error, never_sent) else request.answer_lost(reason)


_REASONS = {
    "ConnectError": "no connection",
    "ConnectTimeout": f"no connection within {CONNECT_SECONDS:.0f} s",
    "PoolTimeout": "too many requests of ours are waiting",
    "ReadTimeout": "no answer in time",
    "AnswerTooLarge": "its answer is too large to be its own",
}


def reason_of(response: httpx.Response) -> str:
    """Return the vendor's own reason for a refusal, from the places where vendors put it. It is whole, with secrets."""
    if response.is_redirect:
        host = urlsplit(str(response.headers.get("location", ""))).hostname or "another page"
        return f"it redirects to {host}, and we follow no redirect"
    body = _parsed(response)
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


def content_words(response: httpx.Response) -> str:
    """Return what an answer holds, for a sentence: `a web page`, `nothing`, `unexpected JSON`."""
    if not response.content:
        return "nothing"
    if _parsed(response) is not _UNREADABLE_JSON:
        return "unexpected JSON"
    return "a web page" if "html" in response.headers.get("content-type", "") else "no JSON"


def _parsed(response: httpx.Response) -> Any:  # noqa: ANN401 - whatever JSON the vendor answers
    """Return the parsed JSON, None for no content, `_UNREADABLE_JSON` for anything else."""
    if not response.content:
        return None
    try:
        return response.json()
    except (ValueError, RecursionError):  # RecursionError: brackets nested without end
        return _UNREADABLE_JSON
