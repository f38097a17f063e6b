"""PagerDuty's webhook subscription (V3): one address, to which each event is posted, signed and in order.

*Source:* developer.pagerduty.com, "Webhooks Overview", "Event Types" and "Verifying Signatures" (August 2026):
`{event: {id, event_type, resource_type, occurred_at, agent, client, data}}`, `X-PagerDuty-Signature: v1=` and the hex
HMAC-SHA256 of the body, `X-Webhook-Id`. The real one retries for 48 h; this one tries three times.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any
from uuid import uuid4

import httpx

from allclear.simulator.event_log import Clock, EventLog, iso

_TRIES = 3
_SECONDS = 5.0
"""How long PagerDuty waits for an answer."""


class Webhooks:
    """Sends events to the subscription's address, if there is one, one after the other."""

    def __init__(self, clock: Clock, event_log: EventLog) -> None:
        self._clock, self._truth = clock, event_log
        self.address = ""
        self.secret = ""
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def subscribe(self, address: str, secret: str) -> None:
        """Send every event to `address` from now on, signed with `secret`."""
        self.address, self.secret = address, secret

    def send(self, event_type: str, resource: str, agent: dict[str, Any] | None, data: dict[str, Any]) -> None:
        """Post one event in the background; nothing without a subscription."""
        if not self.address:
            return
        event = {
            "id": uuid4().hex.upper()[:26],
            "event_type": f"incident.{event_type}",
            "resource_type": resource,
            "occurred_at": iso(self._clock()),
            "agent": agent,
            "client": None,
            "data": data,
        }
        task = asyncio.get_running_loop().create_task(self._deliver(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Send nothing more."""
        for task in list(self._tasks):
            task.cancel()

    async def _deliver(self, event: dict[str, Any]) -> None:
        body = json.dumps({"event": event}).encode()
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "x-pagerduty-signature": f"v1={signature}",
            "x-webhook-id": str(uuid4()),
        }
        async with self._lock, httpx.AsyncClient(timeout=_SECONDS) as client:
            for _ in range(_TRIES):
                try:
                    status = (await client.post(self.address, content=body, headers=headers)).status_code
                except httpx.HTTPError as error:
                    status = 0
                    self._truth.record("webhook", event=event["event_type"], failed=type(error).__name__)
                else:
                    self._truth.record("webhook", event=event["event_type"], status=status)
                if status and status != 429 and status < 500:  # noqa: PLR2004 - retried are 429 and 5xx
                    return
