"""Google's REST interfaces by httpx: reads only, signed in with application default credentials.

Source: google-auth 2.62, 2026-11: `credentials.refresh` blocks, so it runs in a thread; a token lasts an hour and
`valid` turns false before it ends. Refusals are `{"error": {code, message, status}}` (google.aip.dev/193).
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# reason: google-auth has partial types; nothing untyped leaves this module.

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from allclear.domain.base import Model
from allclear.domain.systems import Access
from allclear.vendors.access import is_loopback, options_of, web_address
from allclear.vendors.errors import Call, quote, seconds_to_wait
from allclear.vendors.http import Pause, Wire, words_of

if TYPE_CHECKING:
    import httpx

Token = Callable[[], str]
"""Returns a token that is valid now; may block."""


UNREADABLE = "its answer cannot be read"
_REFRESH_SECONDS = 5
"""google-auth itself would wait for two minutes, in a thread that keeps the process from ending."""


_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def revision_name(value: object) -> str | None:
    """Return `value` where it can be a revision's name; None for anything else, which no person should be told."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


class GoogleOptions(Model):
    """Whose data is asked for."""

    project: str | None = Field(
        default=None, pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$", description="The project; cloud_run's if left out."
    )


class GoogleWire:
    """One of Google's REST interfaces."""

    def __init__(
        self,
        vendor: str,
        base: str,
        token: Token | None,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`token` is None where nothing signs in: against a simulated system or this machine."""
        self._token = token
        self._wire = Wire(vendor, base, transport=transport, pause=pause)

    def __repr__(self) -> str:
        """Return where it is aimed, without its secret."""
        return repr(self._wire)

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()

    async def read(self, call: Call, path: str, *, json: object = None, form: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - whatever JSON Google answers
        """Return the JSON that a POST to `path` is answered with. Raises Denied, Unreachable, NotFound and kin."""
        token = await self._signed_in(call)
        headers = {"authorization": f"Bearer {token}"} if token else {}

        async def once() -> httpx.Response:
            url = f"{self._wire.base}{path}"
            return await self._wire.http.request("POST", url, json=json, data=form, headers=headers)

        response = await self._wire.patiently(call, once)
        if not response.is_success:
            words = _words(response)
            hidden = words.replace(token, "…") if token else words
            raise call.by_status(response.status_code, hidden, seconds_to_wait(response.headers.get("retry-after")))
        try:
            return response.json()
        except (ValueError, RecursionError):  # the latter for brackets within brackets without end
            raise call.lost(UNREADABLE) from None

    async def _signed_in(self, call: Call) -> str:
        if self._token is None:
            return ""
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - loaded where it is used

        try:
            return await asyncio.to_thread(self._token)
        except GoogleAuthError as error:
            raise call.denied(f"signing in failed ({type(error).__name__})") from error


def _words(response: httpx.Response) -> str:
    """Return Google's own sentence; the code and the status around it say nothing more to a person."""
    try:
        said: Any = response.json()
        return quote(str(said["error"]["message"]))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return words_of(response)


def token_for(access: Access, scope: str) -> Token | None:
    """Return where tokens for `scope` come from; None where nothing signs in."""
    return None if access.simulated or is_loopback(access.endpoint) else _DefaultToken(scope)


class GoogleClient:
    """What the clients of Google's read-only interfaces share: whose data, where, and how they sign in."""

    system: ClassVar[str]
    options: ClassVar[type[Model]] = GoogleOptions
    vendor: ClassVar[str]
    scope: ClassVar[str]

    def __init__(
        self,
        address: str,
        options: GoogleOptions,
        token: Token | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.project = options.project
        self._wire = GoogleWire(self.vendor, address, token, transport, pause)

    def __repr__(self) -> str:
        """Return where it is aimed, without its secret."""
        return f"{type(self).__name__}({self._wire!r}, project={self.project!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError."""
        return cls(web_address(access), options_of(access, GoogleOptions), token_for(access, cls.scope))

    async def close(self) -> None:
        """Release its connections."""
        await self._wire.close()


class _DefaultToken:
    """Application default credentials, loaded when first asked for and refreshed when they have run out."""

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._credentials: Any = None
        self._lock = Lock()

    def __call__(self) -> str:
        """Return a valid token. Raises GoogleAuthError."""
        import google.auth  # noqa: PLC0415 - 0.2 s, paid when first used
        from google.auth.transport.requests import Request  # noqa: PLC0415 - as above

        with self._lock:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[self._scope])
            credentials: Any = self._credentials
            if not credentials.valid:
                credentials.refresh(partial(Request(), timeout=_REFRESH_SECONDS))
            token: Any = credentials.token
            return f"{token}"
