"""Who calls the API: a person or a program with a token of its own.

ALLCLEAR_ALERT_TOKEN, which monitoring systems have, may read and may not act.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from allclear.domain.base import digest, person_key
from allclear.domain.errors import NotAllowed, Refused
from allclear.domain.records import By
from allclear.domain.requests import request_key
from allclear.engine.people.tokens import Tokens

COMMAND_LINE = "allclear-cli"
"""The user agent of our command line."""

_BEARER = HTTPBearer(
    auto_error=False, description="A person's or a program's own token: `allclear token`.", scheme_name="personal token"
)
"""Only describes the token in /openapi.json; `Callers` reads it."""

Described = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]

LONGEST_KEY = 200
"""Characters of an idempotency key."""

CHALLENGE = {"WWW-Authenticate": "Bearer"}


Guard = Callable[..., Awaitable[None] | None]
"""A dependency that raises an error for a request which is not admitted."""


class NotIdentified(NotAllowed):
    """It is not known who calls: the token is missing, forged, expired or revoked."""


@dataclass(frozen=True)
class Callers:
    """Finds out who calls."""

    tokens: Tokens
    alert_token: SecretStr

    async def reads(self, request: Request) -> By | None:
        """Return who reads; None for the holder of ALLCLEAR_ALERT_TOKEN. Raises NotIdentified, NotAllowed."""
        token = _bearer(request)
        return None if self._is_alert_token(token) else await asyncio.to_thread(self._read, request, token)

    async def guard(self, request: Request, _described: Described = None) -> None:
        """Admit who may read: anyone with a token. Raises NotIdentified, NotAllowed."""
        by = await self.reads(request)
        request.state.reader = by.actor if by else None

    async def is_no_program(self, request: Request) -> None:
        """Admit who may do what is for operators: not a program. Raises NotIdentified, NotAllowed."""
        by = await self.reads(request)
        if by and by.program:
            raise NotAllowed(f"{by.actor} is a program, and a program only reads and proposes.", "Ask a person.")

    async def acts(self, request: Request) -> By:
        """Return who acts. Raises NotIdentified without a valid token, NotAllowed for ALLCLEAR_ALERT_TOKEN."""
        token = _bearer(request)
        if self._is_alert_token(token):
            raise NotAllowed(
                "ALLCLEAR_ALERT_TOKEN does not say who you are, so it may not act.",
                "Send your own token, which this makes: allclear token NAME.",
            )
        return await asyncio.to_thread(self._read, request, token)

    def _read(self, request: Request, token: str) -> By:
        via = "cli" if request.headers.get("user-agent", "").startswith(COMMAND_LINE) else "api"
        name, role = unquote(request.headers.get("allclear-as", "")), request.headers.get("allclear-role", "")
        try:
            statement = self.tokens.read(token)
        except NotAllowed as error:
            raise NotIdentified(error.message, error.next_step) from error
        return self.tokens.author(statement, via, name=name, role=role)

    def _is_alert_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.alert_token.get_secret_value().encode())


def admit_all(_request: Request) -> None:
    """Admit every request: the guard of a route that a setting has opened."""


def _bearer(request: Request) -> str:
    """Return the bearer token. Raises NotIdentified without one, or with two."""
    received = request.headers.getlist("authorization")
    scheme, _, token = received[0].partition(" ") if len(received) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotIdentified("Your token is missing.", "Send it: Authorization: Bearer …")
    return token.strip()


def with_request(by: By, key: str, sent: object) -> By:
    """Return the author of a request with its idempotency key; `sent` is what the request says.

    Two people's keys never meet, and a key that is used again for something else is known by what was sent. Raises
    Refused for a key that is too long or has odd characters.
    """
    if not key:
        return by
    if len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refused(
            f"The Idempotency-Key is not valid: it has up to {LONGEST_KEY} printable ASCII characters.",
            "Send a random one, such as a UUID, for each request.",
        )
    return by.model_copy(update={"request": request_key(person_key(by.actor), key, digest(sent))})
