"""Authentication of people and programs that read: they send ALLCLEAR_ALERT_TOKEN as a bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from allclear.responder.sources.signatures import header_bytes, with_plain_scheme

_BEARER = HTTPBearer(auto_error=False, description="ALLCLEAR_ALERT_TOKEN", scheme_name="token")
"""Only describes the token in /openapi.json; `require_token` verifies it."""

_WHICH = (
    "Send ALLCLEAR_ALERT_TOKEN: Authorization: Bearer …. The own token of a person or program reads /incidents instead."
)

Guard = Callable[..., Awaitable[None] | None]
"""A dependency that raises an error for a request which is not admitted."""


def require_token(token: SecretStr) -> Guard:
    """Return a guard that raises HTTPException 401 for a request without the token, with another, or with two."""
    accepted = f"Bearer {token.get_secret_value()}".encode()

    def guard(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None
    ) -> None:
        received = request.headers.getlist("authorization")
        if len(received) != 1 or not hmac.compare_digest(header_bytes(with_plain_scheme(received[0])), accepted):
            raise HTTPException(401, _WHICH, {"WWW-Authenticate": "Bearer"})

    return guard


def admit_all(_request: Request) -> None:
    """Admit every request: the guard of a route that a setting has opened."""
