"""Cloud Logging: the entries of the admin activity log that show where a Cloud Run service sent its users.

Source: the discovery document logging v2, and entries that companies have published, read 2026-11:
- `POST /v2/entries:list` with `resourceNames`, `filter`, `orderBy: "timestamp desc"`, `pageSize`. An answer without
  entries that carries a `nextPageToken` is a search that is not finished.
- v1 writes (console, gcloud): `protoPayload.methodName` is `google.cloud.run.v1.Services.ReplaceService`; the
  requested traffic is `request.service.spec.traffic` (`revisionName` or `latestRevision`, `percent`, `tag`), the answer
  is `response` with `metadata.generation`, `status.observedGeneration` and `status.traffic`. In the published entries
  the status is that of the generation **before** (observed 22 of 23): it says which revision served until this write.
- `protoPayload.authenticationInfo.principalEmail` is who made the write.
- A refused write has `protoPayload.status.code`, severity ERROR, and no `response`.
- `resource` is a `cloud_run_revision` with `service_name` and `location`, and an empty `revision_name`.

NOT CONFIRMED: the payload of `google.cloud.run.v2.Services.UpdateService`. The method's name is in public filters,
an entry with its payload is not. This module reads it as the message `Service` in JSON: `request.service.traffic`,
`response.trafficStatuses`, and both generations at the top. An entry of another shape is left out, not guessed.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from pydantic import ValidationError

from allclear.domain.base import JsonDict, Model, Moment
from allclear.vendors.errors import UNREADABLE, VendorRequest, one_line
from allclear.vendors.google_http import GoogleClient, revision_name

_METHODS = tuple(
    f"google.cloud.run.{method}"
    for method in (
        "v1.Services.CreateService",
        "v1.Services.ReplaceService",
        "v2.Services.CreateService",
        "v2.Services.UpdateService",
    )
)
LOOKBACK = timedelta(days=90)
"""Admin activity is stored for 400 days; a search for older changes takes longer than we wait."""
_ALL = 100
_PAGE = 50
_PAGES = 10
"""How many pages without entries are read: a search of ninety days takes few."""


class TrafficMove(Model):
    """One write to a service that was accepted."""

    at: Moment
    by: str = ""
    """Who made it, as an e-mail address; empty if the entry does not say."""
    requested: dict[str, int] = {}
    """The percent requested for each named revision; traffic that follows the latest revision is not included."""
    serving: dict[str, int] = {}
    """The percent of each revision that served: until then, or with `settled` from then on. Empty if not known."""
    settled: bool = False


class CloudLogs(GoogleClient):
    """Reads the admin activity log."""

    system: ClassVar[str] = "cloud_logging"
    vendor: ClassVar[str] = "Cloud Logging"
    scope: ClassVar[str] = "https://www.googleapis.com/auth/logging.read"

    async def traffic_moves(self, project: str, region: str, service: str, *, now: datetime) -> tuple[TrafficMove, ...]:
        """Return the newest accepted writes to the service, oldest first. Raises Denied, Unreachable."""
        request = VendorRequest("Cloud Logging", f"read the audit log of {service}", write=False)
        project = self.project or project
        body: JsonDict = {
            "resourceNames": [f"projects/{project}"],
            "filter": _filter(project, region, service, now - LOOKBACK),
            "orderBy": "timestamp desc",
            "pageSize": _PAGE,
        }
        entries = await self._entries(request, body)
        own_entries = [entry for entry in entries if _is_of(entry, region, service)]
        moves = [move for move in map(move_of, own_entries) if move is not None]
        return tuple(sorted(moves, key=lambda move: move.at))

    async def _entries(self, request: VendorRequest, body: JsonDict) -> list[object]:
        """Return the entries of the first page that has any."""
        for _ in range(_PAGES):
            answer = await self._http.post(request, "/v2/entries:list", json=body)
            if not isinstance(answer, dict):
                raise request.answer_lost(UNREADABLE)
            page = cast("JsonDict", answer)
            entries: object = page.get("entries") or []
            following: object = page.get("nextPageToken") or ""
            if not isinstance(entries, list) or not isinstance(following, str):
                raise request.answer_lost(UNREADABLE)
            if entries or not following:
                return cast("list[object]", entries)
            body = {**body, "pageToken": following}
        raise request.answer_lost(f"its search was not finished after {_PAGES} pages")


def _filter(project: str, region: str, service: str, since: datetime) -> str:
    methods = " OR ".join(f'"{method}"' for method in _METHODS)
    return "\n".join(
        (
            f'logName="projects/{project}/logs/cloudaudit.googleapis.com%2Factivity"',
            'protoPayload.serviceName="run.googleapis.com"',
            f"protoPayload.methodName=({methods})",
            'resource.type="cloud_run_revision"',
            f"resource.labels.service_name={json.dumps(service)}",
            f"resource.labels.location={json.dumps(region)}",
            f'timestamp>="{since.isoformat()}"',
        )
    )


def _is_of(entry: object, region: str, service: str) -> bool:
    labels = _part(entry, "resource", "labels")
    return (labels.get("service_name"), labels.get("location")) == (service, region)


def move_of(entry: object) -> TrafficMove | None:
    """Return the write that an entry records; None for a refused write, a dry run, or an entry without traffic."""
    payload = _part(entry, "protoPayload")
    if _part(payload, "status").get("code") or _part(payload, "request").get("validateOnly"):
        return None
    requested = _requested(_part(payload, "request", "service"))
    serving, settled = _serving(_part(payload, "response"))
    at = _part(entry).get("timestamp")
    if not isinstance(at, str) or not (requested or serving):  # pydantic would accept a number as a time
        return None
    try:
        return TrafficMove.model_validate(
            {"at": at, "by": _author(payload), "requested": requested, "serving": serving, "settled": settled}
        )
    except ValidationError:
        return None


def _author(payload: JsonDict) -> str:
    found = _part(payload, "authenticationInfo").get("principalEmail")
    return one_line(found) if isinstance(found, str) else ""


def _requested(service: JsonDict) -> dict[str, int]:
    return _shares(_part(service, "spec").get("traffic") or service.get("traffic"), latest=None)


def _serving(service: JsonDict) -> tuple[dict[str, int], bool]:
    status = _part(service, "status")
    generation = _part(service, "metadata").get("generation") or service.get("generation")
    observed = status.get("observedGeneration") or service.get("observedGeneration")
    settled = generation is not None and str(generation) == str(observed)
    latest = status.get("latestReadyRevisionName") or service.get("latestReadyRevision")
    entries = status.get("traffic") or service.get("trafficStatuses")
    return _shares(entries, latest=str(latest) if latest else None), settled


def _shares(entries: object, latest: str | None) -> dict[str, int]:
    """Return the percent of each revision. An entry without a name counts for `latest`, unless that is None."""
    percents: dict[str, int] = {}
    for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
        share = _part(entry)
        name, percent = share.get("revisionName") or share.get("revision") or latest, share.get("percent")
        short = revision_name(name.rsplit("/", 1)[-1]) if isinstance(name, str) else None
        if short and type(percent) is int and 0 < percent <= _ALL:  # in Python, True is an int too
            percents[short] = percents.get(short, 0) + percent
    return percents


def _part(value: Any, *path: str) -> JsonDict:  # noqa: ANN401 - parsed JSON
    """Return the object at `path` inside `value`; an empty one if there is none."""
    for key in path:
        value = cast("JsonDict", value).get(key) if isinstance(value, dict) else None
    return cast("JsonDict", value) if isinstance(value, dict) else {}
