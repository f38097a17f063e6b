"""PagerDuty: sends pages, and acknowledges and resolves them.

Source: PagerDuty Events API v2, 2026-11:
- `POST /v2/enqueue` with `routing_key`, `event_action` (trigger, acknowledge, resolve) and `dedup_key`; a
  trigger's `payload` needs `summary` (at most 1,024 characters), `source` and `severity`. Good is 202 with `status`,
  `message` and the `dedup_key`; 200 with a web page is a proxy's login page, and pages no one.
- `dedup_key` has at most 255 characters. A trigger under the key of an open alert changes nothing but its log,
  so a second write is harmless. An acknowledge or resolve under a key that is not open is accepted and ignored.
- A trigger may have `links` (`href`, `text`), and `client` with `client_url`, which the page shows as a button.
- About 120 events a minute for a key, then 429; 512 KB an event.
- A routing key has 32 characters.
- The Events API is write-only: open alerts cannot be read with a routing key.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from allclear.domain.base import JsonDict, Model
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient, OverHttp
from allclear.vendors.lengths import shortened
from allclear.vendors.retry import Pause

if TYPE_CHECKING:
    import httpx

LONGEST_KEY = 255
LONGEST_SUMMARY = 1024
KEY_LENGTH = 32
LINK_TEXT = "Open the incident in allclear: read what is asked, and answer"

_ACCEPTED = Expected(frozenset({202}), dict, ("status", "dedup_key"))

Urgency = Literal["critical", "error", "warning", "info"]


class PagerDutyOptions(Model):
    """PagerDuty has no options: its secret is the routing key of an Events API v2 integration."""


class PagerDuty(OverHttp):
    """Sends events to one PagerDuty integration."""

    system: ClassVar[str] = "pagerduty"
    options: ClassVar[type[Model]] = PagerDutyOptions

    def __init__(
        self,
        address: str,
        routing_key: str,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._routing_key = routing_key
        self._http = HttpClient("PagerDuty", address, secret=routing_key, transport=transport, pause=pause)

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        options_of(access, PagerDutyOptions)
        return cls(web_address(access), secret_of(access))

    @property
    def key_fits(self) -> bool:
        """Return whether the routing key has the form of one: 32 letters and digits."""
        return len(self._routing_key) == KEY_LENGTH and self._routing_key.isalnum()

    async def check_reachable(self) -> None:
        """Ask for an answer of any kind; sends no event. Raises Unreachable."""
        request = VendorRequest("PagerDuty", "answer at all", write=False)
        response = await self._http.send_with_retries(request, lambda: self._http.pool.get(f"{self._http.base}/"))
        if response.is_server_error:
            raise request.unreachable(f"it answered {response.status_code}")

    async def trigger(
        self, key: str, summary: str, *, source: str, severity: Urgency, details: JsonDict, link: str = ""
    ) -> str:
        """Page the on-call, once for each open `key`; return the key that PagerDuty accepted.

        `link` is the address of the incident's page; without one, the page in PagerDuty has no link.
        """
        short = shortened(summary, LONGEST_SUMMARY)
        payload = {
            "summary": short,
            "source": source,
            "severity": severity,
            "custom_details": details if short == summary else {**details, "whole summary": summary},
        }
        linked: JsonDict = {"links": [{"href": link, "text": LINK_TEXT}], "client_url": link} if link else {}
        return await self._send("trigger", key, "page", {"payload": payload, "client": "allclear", **linked})

    async def acknowledge(self, key: str) -> str:
        """Record that someone has taken the page of `key`."""
        return await self._send("acknowledge", key, "acknowledge the page", {})

    async def resolve(self, key: str) -> str:
        """End the page of `key`."""
        return await self._send("resolve", key, "resolve the page", {})

    async def _send(self, action: str, key: str, purpose: str, more: JsonDict) -> str:
        event = {"routing_key": self._routing_key, "event_action": action, "dedup_key": fitting(key), **more}
        request = VendorRequest("PagerDuty", f"{purpose} {key}", write=True, repeatable=True)
        answer: JsonDict = await self._http.send(request, "POST", "/v2/enqueue", json=event, expected=_ACCEPTED)
        return str(answer["dedup_key"])


def fitting(key: str) -> str:
    """Return `key` with at most 255 characters: a longer one ends in its own hash, so that it stays unique."""
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{key[: LONGEST_KEY - len(digest) - 1]}-{digest}"
