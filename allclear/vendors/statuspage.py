"""Statuspage: the incidents on the public status page, and the status of its components.

Source: Atlassian Statuspage API v1, 2026-11:
- `POST /v1/pages/{page}/incidents` with `{"incident": {name, status, body, components, metadata}}`: 201. `PATCH
  …/incidents/{id}` with `status` and `body` adds an update: 200. Auth is `Authorization: OAuth KEY`. A name has at most
  255 characters, a body 25,000.
- `components` is `{id: status}`. `component_ids` alone lists components and leaves them green. A component keeps its
  status until it is set again, also after its incident is resolved.
- `GET /v1/pages/{page}/components` lists them with `id`, `name` and `status`; groups are listed too.
- `GET …/incidents/unresolved` and `GET …/incidents?limit=100` (newest first) return incidents with their `metadata`
  and `incident_updates` (newest first).
- `impact_override` (none, minor, major, critical) is shown instead of the impact that follows from the components.
  `deliver_notifications` (true if left out) says whether subscribers are notified. `GET …/subscribers/count` counts the
  active ones by type. Whom a notification reached is shown by no call.
- `PUT …/incidents/{id}/postmortem` with `body_draft` writes a draft, `PUT …/postmortem/publish` publishes it and takes
  `notify_subscribers` (those by e-mail), `PUT …/postmortem/revert` makes it a draft again: 200 each. `GET
  …/postmortem` answers 404 without one. The description's list of an incident's statuses has no `postmortem`, which
  public pages show.
- There is no idempotency key: our own is `metadata.allclear.incident`, searched for before anything is sent.
- One request a second, then 420 or 429.

Source: support.atlassian.com, "Create a postmortem", read 2026-11: a post-mortem can only be created once the incident
is resolved; drafts are not shown, and publishing is a step of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import NotFound
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, redacted, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient, OverHttp, Pause

if TYPE_CHECKING:
    import httpx

_LIST = Expected(frozenset({200}), list)
_CREATED = Expected(frozenset({201}), dict, ("id", "status"))
_UPDATED = Expected(frozenset({200}), dict, ("id", "status"))
_ANY_OBJECT = Expected(frozenset({200}), dict)
_POST_MORTEM = Expected(frozenset({200}), dict, ("body_draft",))

_NONE: Mapping[str, str] = MappingProxyType({})

PublicStatus = Literal["investigating", "identified", "monitoring", "resolved"]


class StatuspageOptions(Model):
    """The page to write to."""

    page: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="The page's id.")


ComponentStatus = Literal["operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"]
Impact = Literal["none", "minor", "major", "critical"]
LONGEST_NAME, LONGEST_BODY = 255, 25_000
"""Characters of an incident's name, and of one update."""


class PublicIncident(Model):
    """An incident as the public sees it."""

    id: str
    name: str
    status: str
    message: str = Field(description="The newest update's text.")
    components: dict[str, str] = Field(default={}, description="Its components by name, with their status now.")
    impact: str = ""
    link: str = ""


class PublicPostMortem(Model):
    """The post-mortem of an incident on the page."""

    published: str = Field(default="", description="What the public reads; empty if nothing is published.")
    draft: str = ""


class Component(Model):
    """A component of the page."""

    name: str
    status: str


class Found(Model):
    """Our incident on the page, and the components that other open incidents list too."""

    incident: PublicIncident | None
    elsewhere: frozenset[str] = Field(default=frozenset(), description="Names of components of other open incidents.")


class Statuspage(OverHttp):
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

    async def find(self, key: str) -> Found:
        """Return our incident `key`: the open one, otherwise the newest of the last hundred, otherwise None."""
        request = VendorRequest("Statuspage", f"look for {key}", write=False)
        elsewhere: set[str] = set()
        for path, params in (("/unresolved", None), ("", {"limit": "100"})):
            entries = await self._http.send(request, "GET", f"{self._incidents}{path}", params=params, expected=_LIST)
            ours = None
            for entry in cast("list[JsonDict]", entries):
                if _key_of(entry) == key:
                    ours = ours or _incident(entry)
                elif params is None:
                    elsewhere.update(_incident(entry).components)
            if ours:
                return Found(incident=ours, elsewhere=frozenset(elsewhere))
        return Found(incident=None, elsewhere=frozenset(elsewhere))

    async def components(self) -> dict[str, Component]:
        """Return the page's components by id, without the groups."""
        request = VendorRequest("Statuspage", "list the components", write=False)
        entries = await self._http.send(request, "GET", f"/v1/pages/{self.page}/components", expected=_LIST)
        return {
            str(entry.get("id")): Component(name=str(entry.get("name")), status=str(entry.get("status")))
            for entry in cast("list[JsonDict]", entries)
            if not entry.get("group")
        }

    async def subscribers(self) -> dict[str, int]:
        """Return how many active subscribers the page has, by type, as `email`; without the types that have none."""
        request = VendorRequest("Statuspage", "count the subscribers", write=False)
        path = f"/v1/pages/{self.page}/subscribers/count"
        answer = cast("JsonDict", await self._http.send(request, "GET", path, expected=_ANY_OBJECT))
        return {kind: count for kind, count in answer.items() if type(count) is int and count > 0}

    async def create(  # noqa: PLR0913 - the parts of an incident
        self,
        key: str,
        *,
        name: str,
        status: PublicStatus,
        message: str,
        components: Mapping[str, str],
        impact: str = "",
        notify: bool = True,
    ) -> PublicIncident:
        """Open an incident that carries our `key`, and set its components, by id.

        Statuspage accepts a second one: call `find` first.
        """
        incident: JsonDict = {
            "name": name,
            "status": status,
            "body": message,
            "metadata": {"allclear": {"incident": key}},
            "deliver_notifications": notify,
        }
        if impact:
            incident["impact_override"] = impact
        if components:
            incident["components"] = dict(components)
        request = VendorRequest("Statuspage", f"open {key}", write=True)
        body = {"incident": incident}
        return _incident(await self._http.send(request, "POST", self._incidents, json=body, expected=_CREATED))

    async def update(  # noqa: PLR0913 - the parts of an update
        self,
        incident: str,
        *,
        status: PublicStatus,
        message: str,
        name: str = "",
        components: Mapping[str, str] = _NONE,
        impact: str = "",
        notify: bool = True,
    ) -> PublicIncident:
        """Add an update to the incident with that id; `resolved` ends it. An empty `name` keeps the old one.

        `components` are set by id; those left out keep their status. An empty `impact` keeps the old one.
        """
        request = VendorRequest("Statuspage", f"update the incident {incident}", write=True)
        fields: JsonDict = {"status": status, "body": message, "deliver_notifications": notify}
        if impact:
            fields["impact_override"] = impact
        if name:
            fields["name"] = name
        if components:
            fields["components"] = dict(components)
        path, body = f"{self._incidents}/{incident}", {"incident": fields}
        return _incident(await self._http.send(request, "PATCH", path, json=body, expected=_UPDATED))

    async def post_mortem(self, incident: str) -> PublicPostMortem:
        """Return the post-mortem of the incident with that id, empty if there is none."""
        request = VendorRequest("Statuspage", f"read the post-mortem of {incident}", write=False)
        path = f"{self._incidents}/{incident}/postmortem"
        try:
            answer = cast("JsonDict", await self._http.send(request, "GET", path, expected=_POST_MORTEM))
        except NotFound:
            return PublicPostMortem()
        published = str(answer.get("body") or "") if answer.get("published_at") else ""
        return PublicPostMortem(published=published, draft=str(answer.get("body_draft") or ""))

    async def publish_post_mortem(self, incident: str, text: str, *, notify: bool) -> None:
        """Write the draft, read it, and publish it; the same text again changes nothing.

        Raises VendorRefused if the draft is another text: publishing takes whatever the draft holds.
        """
        path = f"{self._incidents}/{incident}/postmortem"
        draft = VendorRequest("Statuspage", f"write the post-mortem of {incident}", write=True)
        await self._http.send(draft, "PUT", path, json={"postmortem": {"body_draft": text}}, expected=_POST_MORTEM)
        publish = VendorRequest("Statuspage", f"publish the post-mortem of {incident}", write=True)
        if (await self.post_mortem(incident)).draft.split() != text.split():
            raise publish.refused("its draft is another text, which no one has approved; nothing was published")
        body = {"postmortem": {"notify_subscribers": notify, "notify_twitter": False}}
        await self._http.send(publish, "PUT", f"{path}/publish", json=body, expected=_ANY_OBJECT)

    async def revert_post_mortem(self, incident: str) -> None:
        """Make a published post-mortem a draft again."""
        request = VendorRequest("Statuspage", f"take back the post-mortem of {incident}", write=True)
        path = f"{self._incidents}/{incident}/postmortem/revert"
        await self._http.send(request, "PUT", path, expected=_ANY_OBJECT)

    @property
    def _incidents(self) -> str:
        return f"/v1/pages/{self.page}/incidents"


def _key_of(entry: JsonDict) -> str | None:
    metadata: object = cast("JsonDict", entry.get("metadata") or {}).get("allclear")
    return cast("JsonDict", metadata).get("incident") if isinstance(metadata, dict) else None


def _incident(entry: Any) -> PublicIncident:  # noqa: ANN401 - parsed JSON
    fields = cast("JsonDict", entry or {})
    updates = cast("list[JsonDict]", fields.get("incident_updates") or [])
    components = cast("list[JsonDict]", fields.get("components") or [])
    return PublicIncident(
        id=str(fields.get("id", "")),
        name=str(fields.get("name", "")),
        status=str(fields.get("status", "")),
        message=str(updates[0].get("body") or "") if updates else "",
        components={str(one.get("name")): str(one.get("status")) for one in components},
        impact=str(fields.get("impact_override") or fields.get("impact") or ""),
        link=str(fields.get("shortlink") or ""),
    )
