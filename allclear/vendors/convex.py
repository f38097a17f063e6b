"""Convex: pausing a deployment, and its environment variables.

Source: Convex's published descriptions of its deployment API (get-convex/convex-backend, 2026-08) and that repository:
- Every call has `Authorization: Convex KEY`, with a deploy key.
- `POST /api/v1/pause_deployment` and `POST /api/v1/unpause_deployment` answer 200 without content. Pausing twice is
  200; unpausing what is not paused is 400 UnpauseDeploymentFailed, and 400 PauseDeploymentFailed means that Convex
  itself has disabled the deployment.
- While it is paused, each call of a function fails, scheduled jobs wait, and crons are skipped.
- `GET /api/v1/list_environment_variables` has `environmentVariables` {name: value}, in the clear.
- `POST /api/v1/update_environment_variables` {changes: [{name, value or null}]} answers 200 without content. It
  compares no version, and every subscription is computed again.
- `GET /api/v1/list_audit_log_events?from=` (ms) lists what was done, the oldest first, 100 a page at most.
- No documented call shows whether it is paused. The vendor's dashboard asks `POST /api/query` for
  `_system/frontend/deploymentState`, whose `value.state` is running, paused, disabled or suspended. If that is gone,
  the last pause or unpause in the audit log counts.
- Refusals are {code, message}.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self, cast

from allclear.domain.base import JsonDict, Model, utc_now
from allclear.domain.errors import VendorRefused
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient, OverHttp, Pause

if TYPE_CHECKING:
    import httpx

RUNNING, PAUSED, UNKNOWN = "running", "paused", "unknown"
_DONE = Expected(frozenset({200}))
_VARIABLES = Expected(frozenset({200}), dict, ("environmentVariables",))
_EVENTS = Expected(frozenset({200}), dict, ("items", "pagination"))
_ANSWERED = Expected(frozenset({200}), dict, ("status",))
_STATES = frozenset({RUNNING, PAUSED, "disabled", "suspended"})
_AUDITED = timedelta(days=30)
"""How far back the audit log is read for the last pause."""
_PAGES = 20
"""How many pages of it are read."""
_UNEXPECTED = "unexpected JSON"


class ConvexOptions(Model):
    """Convex has no options: its secret is a deploy key, and its endpoint the deployment's address."""


class Convex(OverHttp):
    """Pauses one deployment, and reads and sets its environment variables."""

    system: ClassVar[str] = "convex"
    options: ClassVar[type[Model]] = ConvexOptions

    def __init__(
        self,
        address: str,
        secret: str,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        headers = {"Authorization": f"Convex {secret}"}
        self._http = HttpClient("Convex", address, headers=headers, secret=secret, transport=transport, pause=pause)

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        options_of(access, ConvexOptions)
        return cls(web_address(access), secret_of(access))

    async def state(self) -> str:
        """Return running, paused, disabled or suspended; unknown if the vendor no longer tells. Raises VendorError."""
        request = VendorRequest("Convex", "read whether the deployment is paused", write=False)
        query: JsonDict = {"path": "_system/frontend/deploymentState", "args": {}, "format": "json"}
        try:
            answer: JsonDict = await self._http.send(request, "POST", "/api/query", json=query, expected=_ANSWERED)
        except VendorRefused as error:
            if error.passes:  # a rate limit says nothing of the call
                raise
            return await self._state_by_audit_log()
        value: object = answer.get("value")
        state = cast("JsonDict", value).get("state") if isinstance(value, dict) else None
        if answer["status"] == "success" and state in _STATES:
            return str(state)
        return await self._state_by_audit_log()  # a thrown error is 200 too, and this query is the vendor's own

    async def pause(self) -> None:
        """Pause the deployment. Raises VendorRefused if Convex itself has disabled it."""
        request = VendorRequest("Convex", "pause the deployment", write=True)
        await self._http.send(request, "POST", "/api/v1/pause_deployment", expected=_DONE)

    async def unpause(self) -> None:
        """Unpause the deployment. Raises VendorRefused if it is not paused."""
        request = VendorRequest("Convex", "unpause the deployment", write=True)
        await self._http.send(request, "POST", "/api/v1/unpause_deployment", expected=_DONE)

    async def variables(self) -> dict[str, str]:
        """Return the environment variables with their values, which no record may hold. Raises Denied, VendorError."""
        request = VendorRequest("Convex", "read the environment variables", write=False)
        path = "/api/v1/list_environment_variables"
        answer: JsonDict = await self._http.send(request, "GET", path, expected=_VARIABLES)
        found: object = answer["environmentVariables"]
        if not isinstance(found, dict):
            raise request.not_from_vendor(200, _UNEXPECTED)
        return {str(name): str(value) for name, value in cast("dict[object, object]", found).items()}

    async def set_variable(self, name: str, value: str) -> None:
        """Set one environment variable."""
        request = VendorRequest("Convex", f"set the environment variable {name}", write=True)
        body = {"changes": [{"name": name, "value": value}]}
        await self._http.send(request, "POST", "/api/v1/update_environment_variables", json=body, expected=_DONE)

    async def _state_by_audit_log(self) -> str:
        """Return the state after the last pause or unpause of the last 30 days; unknown if there was none."""
        request = VendorRequest("Convex", "read the audit log", write=False)
        params = {"from": str(round((utc_now() - _AUDITED).timestamp() * 1000)), "limit": "100"}
        state = UNKNOWN
        for _ in range(_PAGES):
            path = "/api/v1/list_audit_log_events"
            answer: JsonDict = await self._http.send(request, "GET", path, params=params, expected=_EVENTS)
            items: object = answer["items"]
            if not isinstance(items, list):
                raise request.not_from_vendor(200, _UNEXPECTED)
            for item in cast("list[object]", items):
                action = cast("JsonDict", item).get("action") if isinstance(item, dict) else None
                state = {"pause_deployment": PAUSED, "unpause_deployment": RUNNING}.get(str(action), state)
            pagination: object = answer["pagination"]
            shown = cast("JsonDict", pagination) if isinstance(pagination, dict) else {}
            if not shown.get("hasMore"):
                return state
            params["cursor"] = str(shown.get("nextCursor") or "")
        return UNKNOWN
