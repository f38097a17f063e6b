"""A second Cloud Run, only for tests: services as Google's JSON, and methods that cause every kind of problem.

It shares nothing with the simulator, so that one misreading of Cloud Run does not pass on both sides.
`fake_cloud_run_servers` puts it on sockets, over gRPC and REST. Where the two differ on purpose: it resolves `latest`
in the statuses, has two revisions a page, and answers PERMISSION_DENIED for a wrong project.

Source: cloud.google.com/run/docs/reference/rest/v2/projects.locations.services (November 2026).
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

PROJECT = "vintstreet-prod"
LATEST, REVISION = 1, 2
RECONCILING, FAILED, SUCCEEDED = 2, 3, 4
_SERVICE_TYPE = "type.googleapis.com/google.cloud.run.v2.Service"

Json = dict[str, Any]
Entry = tuple[str | None, int, str]
"""A share of the traffic: a revision (None for latest), its percent, and a tag."""


class Rejection(Exception):
    """A refusal: a name of google/rpc/code.proto, and a message."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code, words)
        self.code, self.words = code, words


@dataclass
class ServiceIdentity:
    """One service in one region, with its revisions by age."""

    service: Json
    revisions: list[Json]
    running: str = ""


@dataclass
class FakeCloudRun:
    """Its services and operations, the writes that it accepted, and the problems to come."""

    places: dict[str, ServiceIdentity] = field(default_factory=dict[str, ServiceIdentity])
    operations: dict[str, Json] = field(default_factory=dict[str, Json])
    permissions: set[str] = field(
        default_factory=lambda: {
            "run.services.get",
            "run.services.update",
            "run.revisions.get",
            "run.revisions.list",
            "run.operations.get",
        }
    )
    operation_seconds: float = 0.05
    serves_after: float = 0.0
    """Seconds from the end of an operation until users are sent to its target."""
    updates: list[Json] = field(default_factory=list[Json])
    """The writes that were accepted."""
    before_write: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    after_write: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    # --- services -----------------------------------------------------------------------------

    def add(self, region: str, service: str, revisions: dict[str, bool], traffic: list[Entry]) -> str:
        """Add a service, and return its full name. `revisions` are oldest first, with whether each is ready."""
        path = f"projects/{PROJECT}/locations/{region}/services/{service}"
        start = datetime.now(UTC) - timedelta(hours=len(revisions))
        place = ServiceIdentity({"name": path, "generation": "1", "etag": _etag(), "traffic": _targets(traffic)}, [])
        self.places[path] = place
        for number, (name, ready) in enumerate(revisions.items()):
            self._revision(place, name, start + timedelta(hours=number), ready=ready)
        self._settle(place)
        place.service["updateTime"] = _time(start)
        return path

    def serving(self, path: str) -> dict[str, int]:
        """Return where users are sent."""
        found: dict[str, int] = {}
        for status in self.places[path].service["trafficStatuses"]:
            if status["percent"]:
                found[status["revision"]] = found.get(status["revision"], 0) + status["percent"]
        return found

    def asked(self, path: str) -> list[Entry]:
        """Return the configured traffic."""
        entries = self.places[path].service["traffic"]
        return [(entry.get("revision"), entry.get("percent", 0), entry.get("tag", "")) for entry in entries]

    # --- other people --------------------------------------------------------------------------------

    def deploy(self, path: str, name: str, *, ready: bool = True) -> None:
        """Deploy, as another person. Users get the new revision only if the latest one serves."""
        place = self.places[path]
        self._revision(place, name, datetime.now(UTC), ready=ready)
        self._edited(place)

    def redirect(self, path: str, traffic: list[Entry]) -> None:
        """Move the traffic, as another person."""
        self.places[path].service["traffic"] = _targets(traffic)
        self._edited(self.places[path])

    def label(self, path: str) -> None:
        """Edit a part that does not concern traffic, as another person."""
        self.places[path].service["labels"] = {"edited": "yes"}
        self._edited(self.places[path])

    def spoil(self, path: str, name: str) -> None:
        """Make a revision stop being ready."""
        for revision in self.places[path].revisions:
            if revision["name"].endswith(f"/{name}"):
                revision["conditions"] = [_condition("Ready", FAILED, "It was evicted.")]

    def delete(self, path: str, name: str) -> None:
        """Delete a revision, which is then not listed."""
        place = self.places[path]
        place.revisions = [one for one in place.revisions if not one["name"].endswith(f"/{name}")]

    def end_operations(self) -> None:
        """End every operation that runs. Its timer later finds it done."""
        for place in self.places.values():
            if place.running:
                self._end(place, place.running)

    # --- calls ------------------------------------------------------------------------------

    def get_service(self, name: str) -> Json:
        """Answer GetService."""
        return copy.deepcopy(self._place(name, "run.services.get").service)

    def list_revisions(self, parent: str, token: str) -> Json:
        """Answer ListRevisions: two a page, newest first."""
        found = self._place(parent, "run.revisions.list").revisions[::-1]
        start = int(token or 0)
        more = {"nextPageToken": str(start + 2)} if len(found) > start + 2 else {}
        return {"revisions": copy.deepcopy(found[start : start + 2])} | more

    def get_revision(self, name: str) -> Json:
        """Answer GetRevision."""
        parent, _, short = name.partition("/revisions/")
        for revision in self._place(parent, "run.revisions.get").revisions:
            if revision["name"].endswith(f"/{short}"):
                return copy.deepcopy(revision)
        raise Rejection("NOT_FOUND", f"Resource '{name}' of kind 'REVISION' does not exist.")

    def test_permissions(self, resource: str, asked: list[str]) -> Json:
        """Answer TestIamPermissions. It needs no permission itself."""
        self._place(resource, None)
        return {"permissions": [one for one in asked if one in self.permissions]}

    def update_service(self, name: str, body: Json, mask: list[str]) -> Json:
        """Answer UpdateService: accept the write, and start its operation."""
        while self.before_write:
            self.before_write.pop(0)()
        place = self._place(name, "run.services.update")
        service = place.service
        if body.get("etag") and body["etag"] != service["etag"]:
            raise Rejection("ABORTED", f"Conflict: {service['etag']} is the version now, not {body['etag']}.")
        if mask != ["traffic"] or "template" in body:
            raise Rejection("INVALID_ARGUMENT", "This would be a deployment.")
        entries = body.get("traffic", [])
        if sum(entry.get("percent", 0) for entry in entries) != 100:
            raise Rejection("INVALID_ARGUMENT", "The percents do not add up to 100.")
        self.updates.append(body)
        service["traffic"] = [dict(entry) for entry in entries]
        operation = self._begin(place)
        while self.after_write:
            self.after_write.pop(0)()
        return copy.deepcopy(operation)

    def get_operation(self, name: str) -> Json:
        """Answer GetOperation."""
        if name not in self.operations:
            raise Rejection("NOT_FOUND", f"There is no operation {name}.")
        return copy.deepcopy(self.operations[name])

    # --- operations ----------------------------------------------------------------------------------

    def _place(self, path: str, permission: str | None) -> ServiceIdentity:
        if permission is not None and permission not in self.permissions:
            raise Rejection("PERMISSION_DENIED", f"Permission '{permission}' denied on resource '{path}'.")
        if not path.startswith(f"projects/{PROJECT}/"):
            words = f"Permission '{permission or 'run.services.get'}' denied on '{path}' (or resource may not exist)."
            raise Rejection("PERMISSION_DENIED", words)
        if path not in self.places:
            raise Rejection("NOT_FOUND", f"Resource '{path}' does not exist.")
        return self.places[path]

    def _revision(self, place: ServiceIdentity, name: str, created: datetime, *, ready: bool) -> None:
        full = f"{place.service['name']}/revisions/{name}"
        condition = _condition("Ready", SUCCEEDED) if ready else _condition("Ready", FAILED, "It did not start.")
        place.revisions.append({"name": full, "createTime": _time(created), "conditions": [condition]})
        place.service["latestCreatedRevision"] = full
        if ready:
            place.service["latestReadyRevision"] = full

    def _edited(self, place: ServiceIdentity) -> None:
        service = place.service
        service |= {"generation": str(int(service["generation"]) + 1), "etag": _etag()}
        service["updateTime"] = _time(datetime.now(UTC))
        if not place.running:
            self._settle(place)

    def _begin(self, place: ServiceIdentity) -> Json:
        place.running = name = f"{place.service['name'].partition('/services/')[0]}/operations/{uuid4()}"
        self._edited(place)
        place.service |= {"reconciling": True, "terminalCondition": _condition("Ready", RECONCILING)}
        place.service["conditions"] = [_condition("RoutesReady", RECONCILING)]
        metadata = {"@type": _SERVICE_TYPE, "name": place.service["name"], "generation": place.service["generation"]}
        self.operations[name] = {"name": name, "done": False, "metadata": metadata}
        asyncio.get_running_loop().call_later(self.operation_seconds, self._end, place, name)
        return self.operations[name]

    def _end(self, place: ServiceIdentity, name: str) -> None:
        if self.operations[name]["done"]:
            return
        if place.running != name:  # a newer one has taken over
            self.operations[name] |= {"done": True, "error": {"code": 10, "message": "A newer one took over."}}
            return
        place.running = ""
        fault = self._settle(place, late=self.serves_after)
        if fault:
            self.operations[name] |= {"done": True, "error": {"code": 9, "message": fault}}
        else:
            answer = {"@type": _SERVICE_TYPE} | copy.deepcopy(place.service)
            self.operations[name] |= {"done": True, "response": answer}

    def _settle(self, place: ServiceIdentity, late: float = 0.0) -> str:
        service = place.service
        fit = [one["name"] for one in place.revisions if one["conditions"][0]["state"] == SUCCEEDED]
        named = [entry["revision"] for entry in service["traffic"] if "revision" in entry]
        bad = [name for name in named if f"{service['name']}/revisions/{name}" not in fit]
        fault = f"Revision {bad[0]} cannot serve." if bad else ""
        state = FAILED if bad else SUCCEEDED
        service |= {"reconciling": False, "observedGeneration": service["generation"]}
        service["terminalCondition"] = _condition("Ready", state, fault)
        service["conditions"] = [_condition("RoutesReady", state, fault)]
        if not bad and late:
            asyncio.get_running_loop().call_later(late, self._arrive, service)
        elif not bad:
            self._arrive(service)
        return fault

    def _arrive(self, service: Json) -> None:
        latest = service["latestReadyRevision"].rsplit("/", 1)[-1]
        service["trafficStatuses"] = [
            {"type": entry["type"], "revision": entry.get("revision") or latest, "percent": entry.get("percent", 0)}
            | ({"tag": entry["tag"]} if entry.get("tag") else {})
            for entry in service["traffic"]
        ]


def _targets(traffic: list[Entry]) -> list[Json]:
    return [
        {"type": REVISION if revision else LATEST, "percent": percent}
        | ({"revision": revision} if revision else {})
        | ({"tag": tag} if tag else {})
        for revision, percent, tag in traffic
    ]


def _condition(kind: str, state: int, message: str = "") -> Json:
    return {"type": kind, "state": state, "message": message}


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _etag() -> str:
    return f'"{uuid4().hex[:12]}"'
