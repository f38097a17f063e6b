"""Authentication of people and programs that read: they send ALLCLEAR_ALERT_TOKEN as a bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated

from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

_BEARER = HTTPBearer(auto_error=False, description="ALLCLEAR_ALERT_TOKEN", scheme_name="token")
"""Only describes the token in /openapi.json; `require_token` verifies it."""

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via", "cf-connecting-ip")
"""Headers which show that a proxy forwards the request for another client."""

Guard = Callable[[Request], None]


def require_token(token: SecretStr) -> Guard:
    """Return a guard that raises HTTPException 401 for a request without the token, with another, or with two."""
    accepted = f"Bearer {token.get_secret_value()}".encode()

    def guard(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None
    ) -> None:
        received = request.headers.getlist("authorization")
        if len(received) != 1 or not hmac.compare_digest(received[0].encode("latin-1"), accepted):
            raise HTTPException(401, "Send the token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})

    return guard


def require_token_unless_local(token: SecretStr) -> Guard:
    """Return a guard that admits requests from this machine, and requires the token of all others.

    A request that a proxy on this machine forwards is not local.
    """
    guard = require_token(token)

    def guard_unless_local(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None
    ) -> None:
        if not _is_local(request):
            guard(request)

    return guard_unless_local


def _is_local(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _PROXY_HEADERS):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
