"""Statuspage: what the public is told.

Source: Atlassian Statuspage API v1, 2026-11:
- `POST /v1/pages/{page}/incidents` with `{"incident": {name, status, body, component_ids, metadata}}`: 201.
  `PATCH …/incidents/{id}` with `status` and `body` adds an update. Auth is `Authorization: OAuth KEY`.
- `GET …/incidents/unresolved` and `GET …/incidents?limit=100` (newest first) return incidents with their `metadata`
  and `incident_updates` (newest first).
- There is no idempotency key: our own is `metadata.allclear.incident`, searched for before anything is sent.
- One request a second, then 420 or 429.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, shown, web_address
from allclear.vendors.errors import Call
from allclear.vendors.http import Pause, Wire

if TYPE_CHECKING:
    import httpx

PublicStatus = Literal["investigating", "identified", "monitoring", "resolved"]


class StatuspageOptions(Model):
    """Which page is ours."""

    page: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="The page's id.")


class PublicIncident(Model):
    """An incident as the public sees it."""

    id: str
    name: str
    status: str
    message: str = Field(description="The newest update's text.")
    link: str = ""


class Statuspage:
    """Reads and writes the incidents of one page."""

    system: ClassVar[str] = "statuspage"
    options: ClassVar[type[Model]] = StatuspageOptions

    def __init__(
        self,
        address: str,
        page: str,
        secret: str,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.page = page
        self._wire = Wire(
            "Statuspage",
            address,
            headers={"Authorization": f"OAuth {secret}"},
            secret=secret,
            transport=transport,
            pause=pause,
        )

    def __repr__(self) -> str:
        """Return where it is aimed, without its secret."""
        return f"Statuspage({shown(self._wire.base)!r}, page={self.page!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        return cls(web_address(access), options_of(access, StatuspageOptions).page, secret_of(access))

    async def warm(self) -> None:
        """Load what the first call needs, beside other work."""
        await self._wire.warm()

    async def close(self) -> None:
        """Release its connections."""
        await self._wire.close()

    async def find(self, key: str) -> PublicIncident | None:
        """Return our incident `key`: the open one, else the newest among the last hundred, else None."""
        call = Call("Statuspage", f"look for {key}", write=False)
        for path, params in (("/unresolved", None), ("", {"limit": "100"})):
            found = await self._wire.ask(call, "GET", f"{self._incidents}{path}", params=params)
            for entry in cast("list[JsonDict]", found or []):
                if _key_of(entry) == key:
                    return _incident(entry)
        return None

    async def create(
        self, key: str, *, name: str, status: PublicStatus, message: str, components: list[str]
    ) -> PublicIncident:
        """Open an incident that carries our `key`. Nothing stops a second one: `find` first."""
        incident: JsonDict = {
            "name": name,
            "status": status,
            "body": message,
            "metadata": {"allclear": {"incident": key}},
        }
        if components:
            incident["component_ids"] = components
        call = Call("Statuspage", f"open {key}", write=True)
        return _incident(await self._wire.ask(call, "POST", self._incidents, json={"incident": incident}))

    async def update(self, incident: str, *, status: PublicStatus, message: str, name: str = "") -> PublicIncident:
        """Add an update to the incident with that id; `resolved` ends it. An empty `name` leaves it as it is."""
        call = Call("Statuspage", f"update the incident {incident}", write=True)
        told: JsonDict = {"status": status, "body": message}
        if name:
            told["name"] = name
        path = f"{self._incidents}/{incident}"
        return _incident(await self._wire.ask(call, "PATCH", path, json={"incident": told}))

    @property
    def _incidents(self) -> str:
        return f"/v1/pages/{self.page}/incidents"


def _key_of(entry: JsonDict) -> str | None:
    ours: object = cast("JsonDict", entry.get("metadata") or {}).get("allclear")
    return cast("JsonDict", ours).get("incident") if isinstance(ours, dict) else None


def _incident(entry: Any) -> PublicIncident:  # noqa: ANN401 - parsed JSON
    told = cast("JsonDict", entry or {})
    updates = cast("list[JsonDict]", told.get("incident_updates") or [])
    return PublicIncident(
        id=str(told.get("id", "")),
        name=str(told.get("name", "")),
        status=str(told.get("status", "")),
        message=str(updates[0].get("body") or "") if updates else "",
        link=str(told.get("shortlink") or ""),
    )
