"""Statuspage: the incidents on the public status page.

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
from allclear.vendors.access import options_of, redacted, secret_of, web_address
from allclear.vendors.errors import UNREADABLE, VendorRequest
from allclear.vendors.http import HttpClient, Pause

if TYPE_CHECKING:
    import httpx

PublicStatus = Literal["investigating", "identified", "monitoring", "resolved"]


class StatuspageOptions(Model):
    """The page to write to."""

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
        self._http = HttpClient(
            "Statuspage",
            address,
            headers={"Authorization": f"OAuth {secret}"},
            secret=secret,
            transport=transport,
            pause=pause,
        )

    def __repr__(self) -> str:
        """Return the address and the page, without the secret."""
        return f"Statuspage({redacted(self._http.base)!r}, page={self.page!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        return cls(web_address(access), options_of(access, StatuspageOptions).page, secret_of(access))

    async def warm(self) -> None:
        """Load what the first call needs, beside other work."""
        await self._http.warm()

    async def close(self) -> None:
        """Release its connections."""
        await self._http.close()

    async def components(self) -> dict[str, str]:
        """Return the page's components: id -> name. Raises Denied, NotFound, Unreachable."""
        request = VendorRequest("Statuspage", f"list the components of the page {self.page}", write=False)
        entries = await self._http.send(request, "GET", f"/v1/pages/{self.page}/components")
        if not isinstance(entries, list):
            raise request.answer_lost(UNREADABLE)
        return {str(entry.get("id")): str(entry.get("name")) for entry in cast("list[JsonDict]", entries)}

    async def find(self, key: str) -> PublicIncident | None:
        """Return our incident `key`: the open one, otherwise the newest of the last hundred, otherwise None."""
        request = VendorRequest("Statuspage", f"look for {key}", write=False)
        for path, params in (("/unresolved", None), ("", {"limit": "100"})):
            entries = await self._http.send(request, "GET", f"{self._incidents}{path}", params=params)
            for entry in cast("list[JsonDict]", entries or []):
                if _key_of(entry) == key:
                    return _incident(entry)
        return None

    async def create(
        self, key: str, *, name: str, status: PublicStatus, message: str, components: list[str]
    ) -> PublicIncident:
        """Open an incident that carries our `key`. Statuspage accepts a second one: call `find` first."""
        incident: JsonDict = {
            "name": name,
            "status": status,
            "body": message,
            "metadata": {"allclear": {"incident": key}},
        }
        if components:
            incident["component_ids"] = components
        request = VendorRequest("Statuspage", f"open {key}", write=True)
        return _incident(await self._http.send(request, "POST", self._incidents, json={"incident": incident}))

    async def update(self, incident: str, *, status: PublicStatus, message: str, name: str = "") -> PublicIncident:
        """Add an update to the incident with that id; `resolved` ends it. An empty `name` keeps the old one."""
        request = VendorRequest("Statuspage", f"update the incident {incident}", write=True)
        fields: JsonDict = {"status": status, "body": message}
        if name:
            fields["name"] = name
        path = f"{self._incidents}/{incident}"
        return _incident(await self._http.send(request, "PATCH", path, json={"incident": fields}))

    @property
    def _incidents(self) -> str:
        return f"/v1/pages/{self.page}/incidents"


def _key_of(entry: JsonDict) -> str | None:
    metadata: object = cast("JsonDict", entry.get("metadata") or {}).get("allclear")
    return cast("JsonDict", metadata).get("incident") if isinstance(metadata, dict) else None


def _incident(entry: Any) -> PublicIncident:  # noqa: ANN401 - parsed JSON
    fields = cast("JsonDict", entry or {})
    updates = cast("list[JsonDict]", fields.get("incident_updates") or [])
    return PublicIncident(
        id=str(fields.get("id", "")),
        name=str(fields.get("name", "")),
        status=str(fields.get("status", "")),
        message=str(updates[0].get("body") or "") if updates else "",
        link=str(fields.get("shortlink") or ""),
    )
