"""Cloud Run's calls over REST: each sent once, from a few threads, with what went wrong in canonical codes.

Source: google-cloud-run 0.16.2, google-auth 2.58 and requests 2.32, tried 2026-11:
- The library's REST transport blocks: there is no asynchronous one.
- Its `timeout` bounds the connection and each wait for bytes, not the whole call: the whole is bounded here.
- What `requests` raises comes through as it is; only an answer of 400 and more becomes a GoogleAPICallError.
- After a 401 the session signs in anew and sends once more: a 401 has changed nothing. Nothing else is sent twice.
- The session would follow a redirect, with a PATCH even to another host: a hook sees each answer before that, and
  stops it. What it raises comes through as it is.
- Without `trust_env` neither a proxy nor a .netrc of the environment is used.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false
# reason: the generated clients have partial types, and no public way to the session they make.

from __future__ import annotations

import asyncio
import ssl
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

from allclear.vendors.cloud_run.errors import NOT_SENT, REDIRECTED, Failure, code_of

if TYPE_CHECKING:
    from google.longrunning import operations_pb2

R = TypeVar("R")

_THREADS = 8
"""Calls under way at once; one more waits, and its wait counts as part of its time."""
_SLACK_SECONDS = 0.5
"""A call ends by its own timeout as a rule, for that one knows what broke."""
_CHAIN = 8


class RestTransport:
    """Connections to Cloud Run, and the threads that use them."""

    def __init__(self, host: str, credentials: Any, *, plain: bool) -> None:  # noqa: ANN401 - google.auth's
        options: dict[str, Any] = {
            "host": f"{'http' if plain else 'https'}://{host}",
            "credentials": AnonymousCredentials() if plain else credentials,
            "url_scheme": "http" if plain else "https",
        }
        services, revisions = ServicesRestTransport(**options), RevisionsRestTransport(**options)
        self._sessions = (services._session, revisions._session)  # noqa: SLF001 - there is no other way to it
        for session in self._sessions:
            session.trust_env = not plain  # a proxy of the environment is for the world outside
            session.hooks["response"].append(stay)
        self._services = run_v2.ServicesClient(transport=services)
        self._revisions = run_v2.RevisionsClient(transport=revisions)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="cloud-run")

    async def close(self) -> None:
        """Close the connections; what is under way ends by its own timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for session in self._sessions:
            session.close()

    async def get_service(self, path: str, seconds: float) -> run_v2.Service:
        """Return the service. Raises Failure."""
        return await self._sent(lambda: self._services.get_service(name=path, retry=None, timeout=seconds), seconds)

    async def list_revisions(self, parent: str, page: int, seconds: float) -> list[run_v2.Revision]:
        """Return all revisions, page after page. Raises Failure."""
        request = {"parent": parent, "page_size": page}
        return await self._sent(
            lambda: list(self._revisions.list_revisions(request=request, retry=None, timeout=seconds)), seconds
        )

    async def granted(self, path: str, permission: str, seconds: float) -> bool:
        """Return whether we have the permission. Raises Failure."""
        request = {"resource": path, "permissions": [permission]}
        found = await self._sent(
            lambda: self._services.test_iam_permissions(request=request, retry=None, timeout=seconds), seconds
        )
        return permission in found.permissions

    async def update_service(self, request: run_v2.UpdateServiceRequest, seconds: float) -> str:
        """Send an update and returns its operation's name. Raises Failure."""
        found = await self._sent(
            lambda: self._services.update_service(request=request, retry=None, timeout=seconds), seconds
        )
        return str(found.operation.name)

    async def get_operation(self, name: str, seconds: float) -> operations_pb2.Operation:
        """Return the operation. Raises Failure."""
        return await self._sent(
            lambda: self._services.get_operation({"name": name}, retry=None, timeout=seconds), seconds
        )

    async def _sent(self, call: Callable[[], R], seconds: float) -> R:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds + _SLACK_SECONDS):
                return await loop.run_in_executor(self._threads, caught, call)
        except TimeoutError as error:
            raise Failure("DEADLINE_EXCEEDED", "no answer in time") from error


class Redirected(broken.RequestException):
    """Cloud Run's answer was to ask elsewhere."""


def stay(response: Response, **_: object) -> None:
    """Raise Redirected for an answer that sends us elsewhere, before anybody follows it."""
    if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
        response.close()
        raise Redirected(f"it answered {response.status_code} and sent us elsewhere, where we do not go")


def caught(call: Callable[[], R]) -> R:
    """Return what the call returns. Raises Failure for what the library, the connection or the sign-in raise."""
    try:
        return call()
    except GoogleAPICallError as error:
        said = str(error.message or "")
        # The library begins with the method and the address, which are ours.
        raise Failure(code_of(int(error.code or 0)), said.partition(": ")[2] or said) from error
    except TransportError as error:
        raise Failure(NOT_SENT, "no connection to sign in") from error
    except GoogleAuthError as error:
        raise Failure("UNAUTHENTICATED", f"signing in failed ({type(error).__name__})") from error
    except Redirected as error:
        raise Failure(REDIRECTED, str(error)) from error
    except broken.RequestException as error:
        raise failure_of(error) from error
    except (UnreadableMessage, AttributeError, TypeError) as error:
        # An answer that is no message of Cloud Run's, as from a proxy: the library trips over it.
        raise Failure("UNKNOWN", "its answer could not be read") from error


def failure_of(error: broken.RequestException) -> Failure:
    """Return what a broken connection means: whether anything can have been sent is all that matters."""
    chain = list(_chain(error))
    unsent = (broken.ConnectTimeout, broken.ProxyError, NewConnectionError, NameResolutionError)
    if any(isinstance(one, (*unsent, ssl.SSLCertVerificationError)) for one in chain):
        return Failure(NOT_SENT, "no connection")
    if isinstance(error, broken.Timeout):
        return Failure("DEADLINE_EXCEEDED", "no answer in time")
    return Failure("UNAVAILABLE", "the connection broke")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it wraps: `requests` and urllib3 keep the reason in an argument or an attribute."""
    waiting: list[object] = [error]
    for _ in range(_CHAIN):
        one = waiting.pop(0) if waiting else None
        if isinstance(one, BaseException):
            yield one
            waiting += [getattr(one, "reason", None), one.__cause__, *one.args]
        elif not waiting:
            return
