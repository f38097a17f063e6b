"""Google's REST interfaces over httpx, signed in with application default credentials.

Source: google-auth 2.62, 2026-11: `credentials.refresh` blocks, so it runs in a thread; a token lasts an hour and
`valid` turns false before it ends. Its session would follow a redirect with the credentials. Refusals are `{"error":
{code, message, status}}` (google.aip.dev/193).
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
from allclear.domain.errors import MissingSecret
from allclear.domain.systems import Access
from allclear.vendors.access import is_loopback, options_of, web_address
from allclear.vendors.errors import VendorRequest, hidden, seconds_to_wait
from allclear.vendors.http import HttpClient, content_words, reason_of
from allclear.vendors.retry import Pause

if TYPE_CHECKING:
    import httpx

TokenSource = Callable[[], str]
"""Returns a token that is valid now; may block."""

_REFRESH_SECONDS = 5
"""google-auth itself would wait for two minutes, in a thread that keeps the process from ending."""

_REVISION_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def revision_name(value: object) -> str | None:
    """Return `value` if it can be a revision's name, otherwise None: other text must not be shown to people."""
    return value if isinstance(value, str) and _REVISION_NAME.fullmatch(value) else None


class GoogleOptions(Model):
    """The project whose data is read."""

    project: str | None = Field(
        default=None, pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$", description="The project; cloud_run's if left out."
    )


class GoogleHttp:
    """JSON over HTTP to one of Google's interfaces, with a bearer token."""

    def __init__(
        self,
        vendor: str,
        base: str,
        token: TokenSource | None,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`token` is None for a simulated system and for this machine, which need no sign-in."""
        self._token = token
        self._http = HttpClient(vendor, base, transport=transport, pause=pause)

    def __repr__(self) -> str:
        """Return the address without its secret."""
        return repr(self._http)

    async def close(self) -> None:
        """Release the connections."""
        await self._http.close()

    async def post(
        self, request: VendorRequest, path: str, *, json: object = None, form: Mapping[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - whatever JSON Google answers
        """Return the JSON that a POST to `path` is answered with. Raises Denied, Unreachable, NotFound, VendorRefused.

        Most of these requests read; Google takes the query in the body of a POST.
        """
        return await self.send(request, "POST", path, json=json, form=form)

    async def send(
        self,
        request: VendorRequest,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever JSON Google answers
        """Return the JSON that a request is answered with. Raises the error of `request`."""
        token = await self._valid_token(request)
        headers = {"authorization": f"Bearer {token}"} if token else {}

        async def send_once() -> httpx.Response:
            url = f"{self._http.base}{path}"
            return await self._http.pool.request(method, url, json=json, data=form, params=params, headers=headers)

        response = await self._http.send_with_retries(request, send_once)
        if not response.is_success:
            reason = hidden(_reason_of(response), token)
            raise request.error_for(response.status_code, reason, seconds_to_wait(response.headers.get("retry-after")))
        try:
            return response.json()
        except (ValueError, RecursionError):  # RecursionError: brackets nested without end
            raise request.not_from_vendor(response.status_code, content_words(response)) from None

    async def _valid_token(self, request: VendorRequest) -> str:
        if self._token is None:
            return ""
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError  # noqa: PLC0415 - slow

        try:
            return await asyncio.to_thread(self._token)
        except DefaultCredentialsError as error:
            raise MissingSecret(
                f"There are no Google credentials for {request.vendor}.",
                "Run as a service account, or set GOOGLE_APPLICATION_CREDENTIALS to its key file.",
            ) from error
        except GoogleAuthError as error:
            raise request.denied(f"signing in failed ({type(error).__name__})") from error


def _reason_of(response: httpx.Response) -> str:
    """Return the sentence of Google's refusal, whole; its code and status tell a person nothing more."""
    try:
        body: Any = response.json()
        return str(body["error"]["message"])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return reason_of(response)


def token_for(access: Access, scope: str) -> TokenSource | None:
    """Return the source of tokens for `scope`; None if the system needs no sign-in."""
    return None if access.simulated or is_loopback(access.endpoint) else _DefaultToken(scope)


class GoogleClient:
    """The base of the clients of Google's REST interfaces: project, address and sign-in."""

    system: ClassVar[str]
    options: ClassVar[type[Model]] = GoogleOptions
    vendor: ClassVar[str]
    scope: ClassVar[str]

    def __init__(
        self,
        address: str,
        options: GoogleOptions,
        token: TokenSource | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.project = options.project
        self._http = GoogleHttp(self.vendor, address, token, transport, pause)

    def __repr__(self) -> str:
        """Return the address and the project, without a secret."""
        return f"{type(self).__name__}({self._http!r}, project={self.project!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError."""
        return cls(web_address(access), options_of(access, GoogleOptions), token_for(access, cls.scope))

    async def close(self) -> None:
        """Release its connections."""
        await self._http.close()


class _DefaultToken:
    """Application default credentials, loaded at the first request and refreshed when they have expired."""

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._credentials: Any = None
        self._lock = Lock()

    def __call__(self) -> str:
        """Return a valid token. Raises GoogleAuthError."""
        import google.auth  # noqa: PLC0415 - 0.2 s, paid when first used
        from google.auth.transport.requests import Request  # noqa: PLC0415 - as above
        from requests import Session  # noqa: PLC0415 - as above

        with self._lock:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[self._scope])
            credentials: Any = self._credentials
            if not credentials.valid:
                with Session() as session:
                    session.max_redirects = 0  # the first redirect is an error
                    credentials.refresh(partial(Request(session), timeout=_REFRESH_SECONDS))
            token: Any = credentials.token
            return f"{token}"
