"""The little of ASGI that the floor and the production behind it need."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Message = tuple[int, Any]
"""A status and what goes out as JSON."""

_JSON = [(b"content-type", b"application/json")]


async def body_of(receive: Receive) -> bytes:
    """Return a request's whole body."""
    body, more = b"", True
    while more:
        part = await receive()
        body += part.get("body", b"")
        more = bool(part.get("more_body"))
    return body


async def answer(send: Send, status: int, said: object) -> None:
    """Answer with JSON."""
    body = json.dumps(said).encode()
    headers = [*_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
