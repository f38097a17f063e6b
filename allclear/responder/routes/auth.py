"""Who may look: whoever shows ALLCLEAR_ALERT_TOKEN."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated

from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

_SHOWN = HTTPBearer(auto_error=False, description="ALLCLEAR_ALERT_TOKEN", scheme_name="token")
"""For the description alone: what is let in, `needs_token` decides."""

_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via", "cf-connecting-ip")
"""Headers by which a proxy shows that somebody else is behind it."""

Guard = Callable[[Request], None]


def needs_token(token: SecretStr) -> Guard:
    """Return what raises HTTPException 401 for a request without the token, with another, or with two."""
    wanted = f"Bearer {token.get_secret_value()}".encode()

    def guard(
        request: Request, _shown: Annotated[HTTPAuthorizationCredentials | None, Security(_SHOWN)] = None
    ) -> None:
        said = request.headers.getlist("authorization")
        if len(said) != 1 or not hmac.compare_digest(said[0].encode("latin-1"), wanted):
            raise HTTPException(401, "Send the token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})

    return guard


def needs_token_from_afar(token: SecretStr) -> Guard:
    """Return what lets this machine in as it is, and asks everybody else for the token.

    What comes through a proxy on this machine comes from afar.
    """
    guard = needs_token(token)

    def near_or_token(
        request: Request, _shown: Annotated[HTTPAuthorizationCredentials | None, Security(_SHOWN)] = None
    ) -> None:
        if not _is_near(request):
            guard(request)

    return near_or_token


def _is_near(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _PASSED_ON):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
