"""Cloud Run's calls over REST: each is sent once, from a few threads, and failures come in canonical codes.

Source: google-cloud-run 0.16.2, google-auth 2.58 and requests 2.32, tried 2026-11:
- The library's REST transport blocks: there is no asynchronous one.
- Its `timeout` bounds the connection and each wait for bytes, not the whole call: this module bounds the whole.
- Errors of `requests` are raised unchanged; only an answer of 400 and more becomes a GoogleAPICallError.
- After a 401 the session signs in anew and sends once more: a 401 has changed nothing. Nothing else is sent twice.
- The session would follow a redirect, with a PATCH even to another host: a hook sees each answer first and refuses it.
  The hook's exception is raised unchanged.
- Without `trust_env` neither a proxy nor a .netrc of the environment is used.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false
# reason: the generated clients have partial types, and no public way to the session they make.

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud import run_v2
from google.cloud.run_v2.services.revisions.transports import RevisionsRestTransport
from google.cloud.run_v2.services.services.transports import ServicesRestTransport
from google.protobuf.json_format import Error as UnreadableMessage
from requests import Response
from requests import exceptions as broken
from urllib3.exceptions import NameResolutionError, NewConnectionError

from allclear.vendors.cloud_run.errors import NOT_SENT, REDIRECTED, CallFailure, canonical_code
from allclear.vendors.tls_errors import untrusted_certificate

if TYPE_CHECKING:
    from google.longrunning import operations_pb2

R = TypeVar("R")

_THREADS = 8
"""Concurrent calls. A further call waits, and its wait counts towards its timeout."""
_GRACE_SECONDS = 0.5
"""Added to a call's own timeout, which normally ends first and whose error says what broke."""
_LONGEST_CHAIN = 8


class RestTransport:
    """Connections to Cloud Run, and the threads that use them."""

    def __init__(self, host: str, credentials: Any, *, plain: bool) -> None:  # noqa: ANN401 - google.auth's
        options: dict[str, Any] = {
            "host": f"{'http' if plain else 'https'}://{host}",
            "credentials": AnonymousCredentials() if plain else credentials,
            "url_scheme": "http" if plain else "https",
        }
        services, revisions = ServicesRestTransport(**options), RevisionsRestTransport(**options)
        self._sessions = (services._session, revisions._session)  # noqa: SLF001 - there is no public access
        for session in self._sessions:
            session.trust_env = not plain  # the environment's proxy is for other machines
            session.hooks["response"] += [refuse_redirect, refuse_foreign]
            if sign_in := session._auth_request_session:  # noqa: SLF001 - as above
                sign_in.max_redirects = 0
        self._services = run_v2.ServicesClient(transport=services)
        self._revisions = run_v2.RevisionsClient(transport=revisions)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="cloud-run")

    async def close(self) -> None:
        """Close the connections; calls that are under way end by their own timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for session in self._sessions:
            session.close()

    async def get_service(self, path: str, seconds: float) -> run_v2.Service:
        """Return the service. Raises CallFailure."""
        return await self._sent(lambda: self._services.get_service(name=path, retry=None, timeout=seconds), seconds)

    async def list_revisions(self, parent: str, page: int, seconds: float) -> list[run_v2.Revision]:
        """Return all revisions, page after page. Raises CallFailure."""
        request = {"parent": parent, "page_size": page}
        return await self._sent(
            lambda: list(self._revisions.list_revisions(request=request, retry=None, timeout=seconds)), seconds
        )

    async def get_revision(self, path: str, seconds: float) -> run_v2.Revision:
        """Return the revision. Raises CallFailure."""
        return await self._sent(lambda: self._revisions.get_revision(name=path, retry=None, timeout=seconds), seconds)

    async def granted(self, path: str, permission: str, seconds: float) -> bool:
        """Return whether we have the permission. Raises CallFailure."""
        request = {"resource": path, "permissions": [permission]}
        found = await self._sent(
            lambda: self._services.test_iam_permissions(request=request, retry=None, timeout=seconds), seconds
        )
        return permission in found.permissions

    async def update_service(self, request: run_v2.UpdateServiceRequest, seconds: float) -> str:
        """Send an update and return its operation's name. Raises CallFailure."""
        found = await self._sent(
            lambda: self._services.update_service(request=request, retry=None, timeout=seconds), seconds
        )
        return str(found.operation.name)

    async def get_operation(self, name: str, seconds: float) -> operations_pb2.Operation:
        """Return the operation. Raises CallFailure."""
        return await self._sent(
            lambda: self._services.get_operation({"name": name}, retry=None, timeout=seconds), seconds
        )

    async def _sent(self, call: Callable[[], R], seconds: float) -> R:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                return await loop.run_in_executor(self._threads, call_library, call)
        except TimeoutError as error:
            raise CallFailure("DEADLINE_EXCEEDED", "no answer in time") from error


class Redirected(broken.RequestException):
    """Cloud Run answered with a redirect."""


class ForeignAnswer(broken.RequestException):
    """Something else answered in Cloud Run's place."""


def refuse_foreign(response: Response, **_: object) -> None:
    """Raise ForeignAnswer for a good answer that is no JSON object: the library makes an empty message of some."""
    if response.status_code < HTTPStatus.MULTIPLE_CHOICES and not response.content.lstrip().startswith(b"{"):
        raise ForeignAnswer(f"it answered {response.status_code} with something else than its own JSON")


def refuse_redirect(response: Response, **_: object) -> None:
    """Raise Redirected for a redirect, before the session follows it."""
    if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
        response.close()
        raise Redirected(f"it answered {response.status_code} with a redirect, which we do not follow")


def call_library(call: Callable[[], R]) -> R:
    """Return the call's result. Raises CallFailure for every error of the library, the connection and the sign-in."""
    try:
        return call()
    except GoogleAPICallError as error:
        text = str(error.message or "")
        # The library puts the method and the address first; both are our own.
        raise CallFailure(_code_of(error), text.partition(": ")[2] or text) from error
    except TransportError as error:
        raise CallFailure(NOT_SENT, "no connection to sign in") from error
    except GoogleAuthError as error:
        raise CallFailure("UNAUTHENTICATED", f"signing in failed ({type(error).__name__})") from error
    except Redirected as error:
        raise CallFailure(REDIRECTED, str(error)) from error
    except ForeignAnswer as error:
        raise CallFailure("UNKNOWN", str(error)) from error
    except broken.RequestException as error:
        raise failure_of(error) from error
    except (UnreadableMessage, AttributeError, TypeError) as error:
        # The library raises these for an answer that is no message of Cloud Run's, for example a proxy's page.
        raise CallFailure("UNKNOWN", "its answer cannot be read") from error


def _code_of(error: GoogleAPICallError) -> str:
    """Return the canonical code. The status 409 is ABORTED or ALREADY_EXISTS: the body tells which."""
    response = error.response
    try:
        named: object = response.json()["error"]["status"] if isinstance(response, Response) else None
    except (ValueError, KeyError, TypeError):
        named = None
    return "ALREADY_EXISTS" if named == "ALREADY_EXISTS" else canonical_code(int(error.code or 0))


def failure_of(error: broken.RequestException) -> CallFailure:
    """Return the failure for a broken connection; what matters is whether anything can have been sent."""
    chain = list(_chain(error))
    if problem := next((found for link in chain if (found := untrusted_certificate(link))), ""):
        return CallFailure(NOT_SENT, problem)
    unsent = (broken.ConnectTimeout, broken.ProxyError, NewConnectionError, NameResolutionError)
    if any(isinstance(link, unsent) for link in chain):
        return CallFailure(NOT_SENT, "no connection")
    if isinstance(error, broken.Timeout):
        return CallFailure("DEADLINE_EXCEEDED", "no answer in time")
    return CallFailure("UNAVAILABLE", "the connection broke")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and the errors inside it: `requests` and urllib3 keep the reason in an argument or attribute."""
    waiting: list[object] = [error]
    for _ in range(_LONGEST_CHAIN):
        link = waiting.pop(0) if waiting else None
        if isinstance(link, BaseException):
            yield link
            waiting += [getattr(link, "reason", None), link.__cause__, *link.args]
        elif not waiting:
            return
