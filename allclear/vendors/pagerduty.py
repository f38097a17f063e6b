"""PagerDuty: wakes people, and says when it is over.

Source: PagerDuty Events API v2, 2026-11:
- `POST /v2/enqueue` with `routing_key`, `event_action` (trigger, acknowledge, resolve) and `dedup_key`; a
  trigger's `payload` needs `summary` (at most 1,024 characters), `source` and `severity`. Good is 202.
- `dedup_key` has at most 255 characters. A trigger under the key of an open alert changes nothing but its log:
  that is our fence. An acknowledge or resolve under a key that is not open is accepted and ignored.
- About 120 events a minute for a key, then 429; 512 KB an event.
- The Events API only takes: what is open cannot be read with a routing key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from allclear.domain.base import JsonDict, Model
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, shown, web_address
from allclear.vendors.errors import Call
from allclear.vendors.http import Wire

if TYPE_CHECKING:
    import httpx

LONGEST_KEY = 255
LONGEST_SUMMARY = 1024

Urgency = Literal["critical", "error", "warning", "info"]


class PagerDutyOptions(Model):
    """PagerDuty has no options: its secret is the routing key of an Events API v2 integration."""


class PagerDuty:
    """Sends events to one PagerDuty integration."""

    system: ClassVar[str] = "pagerduty"
    options: ClassVar[type[Model]] = PagerDutyOptions

    def __init__(self, address: str, routing_key: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._routing_key = routing_key
        self._wire = Wire("PagerDuty", address, secret=routing_key, transport=transport)

    def __repr__(self) -> str:
        """Return where it is aimed, without its secret."""
        return f"PagerDuty({shown(self._wire.base)!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        options_of(access, PagerDutyOptions)
        return cls(web_address(access), secret_of(access))

    async def warm(self) -> None:
        """Load what the first call needs, beside other work."""
        await self._wire.warm()

    async def close(self) -> None:
        """Release its connections."""
        await self._wire.close()

    async def trigger(self, key: str, summary: str, *, source: str, severity: Urgency, details: JsonDict) -> str:
        """Page whoever is on call, once for each open `key`; returns the key that PagerDuty took."""
        payload = {
            "summary": summary[:LONGEST_SUMMARY],
            "source": source,
            "severity": severity,
            "custom_details": details,
        }
        return await self._send("trigger", key, "page", {"payload": payload})

    async def acknowledge(self, key: str) -> str:
        """Record that someone has taken the page of `key`."""
        return await self._send("acknowledge", key, "acknowledge the page", {})

    async def resolve(self, key: str) -> str:
        """End the page of `key`."""
        return await self._send("resolve", key, "resolve the page", {})

    async def _send(self, action: str, key: str, what: str, more: JsonDict) -> str:
        event = {"routing_key": self._routing_key, "event_action": action, "dedup_key": fitting(key), **more}
        call = Call("PagerDuty", f"{what} {key}", write=True)
        answer = await self._wire.ask(call, "POST", "/v2/enqueue", json=event)
        return str(answer.get("dedup_key", fitting(key))) if isinstance(answer, dict) else fitting(key)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] - parsed JSON


def fitting(key: str) -> str:
    """Return `key` as PagerDuty takes it: a longer one ends in its own hash, so that it stays the only one."""
    if len(key) <= LONGEST_KEY:
        return key
    mark = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{key[: LONGEST_KEY - len(mark) - 1]}-{mark}"
