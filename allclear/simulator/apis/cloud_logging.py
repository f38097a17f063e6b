"""Cloud Logging's `entries:list`, for one log: who changed a Cloud Run service when, the admin activity.

*Source:* the discovery document logging v2 (request, answer, order), and published entries of
`google.cloud.run.v1.Services.ReplaceService` for `protoPayload`, read November 2026. The payload of
`google.cloud.run.v2.Services.UpdateService` has not been seen published: here it is the request and the service as
the v2 interface spells them. (Our assumption.) Filters are a part of Google's language: comparisons joined by AND or
line breaks, with alternatives in parentheses.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.google_rest import GoogleApi, google_error
from allclear.simulator.apis.http_api import Call, Rejection, as_object, parse_json, read_body, whole_number
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.event_log import iso
from allclear.simulator.faults import FaultPoints
from allclear.simulator.regional_services import RegionalService
from allclear.simulator.revisions import Target
from allclear.simulator.traffic_history import Write

PERMISSION = "logging.logEntries.list"
DEFAULT_PAGE, LARGEST_PAGE = 50, 1000
_COMPARISON = re.compile(r'([\w.@"/-]+?)\s*(>=|<=|!=|=~|=|>|<|:)\s*(\(.*\)|"(?:[^"\\]|\\.)*"|[^\s()"]+)', re.DOTALL)
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s()"]+)')
_ORDERS = ("timestamp asc", "timestamp desc")


class CloudLoggingApi(GoogleApi):
    """Lists log entries, for callers that may read logs."""

    name = "cloud_logging"

    def app(self) -> Starlette:
        """Return the interface as an ASGI application."""
        return Starlette(routes=[Route("/v2/entries:list", self._entries, methods=["POST"])])

    async def _entries(self, request: Request) -> Response:
        return await self.answer("entries.list", request, self._list)

    async def _list(self, request: Request, _: Call) -> Response:
        asked = await _asked(request)
        names = asked.get("resourceNames")
        if not isinstance(names, list) or not names:
            raise _bad("resource_names is required")
        for name in cast("list[Any]", names):
            self.allow(PERMISSION, str(name).removeprefix("projects/"))
        order = asked.get("orderBy") or _ORDERS[0]
        if order not in _ORDERS:
            raise _bad(f"order_by: must be one of {', '.join(_ORDERS)}")
        size = asked.get("pageSize", DEFAULT_PAGE)
        if not isinstance(size, int) or size < 0:
            raise _bad("page_size: must be a whole number that is not negative")
        size = min(size or DEFAULT_PAGE, LARGEST_PAGE)
        first = whole_number(str(asked.get("pageToken") or "0"))
        if first is None:
            raise _bad("page_token: is not one that was given out")
        comparisons = _parsed(str(asked.get("filter") or ""))
        found = [entry for entry in self._log() if all(_holds(entry, *one) for one in comparisons)]
        if order == _ORDERS[1]:
            found.reverse()
        rest = {"nextPageToken": str(first + size)} if len(found) > first + size else {}
        page = found[first : first + size]
        return JSONResponse({**({"entries": page} if page else {}), **rest})

    def _log(self) -> list[dict[str, Any]]:
        writes = [(site, write) for site in self.world.regional_services for write in site.traffic_history.writes]
        return [_entry(*one) for one in sorted(writes, key=lambda one: one[1].at)]


def _entry(site: RegionalService, write: Write) -> dict[str, Any]:
    at = str(iso(write.at)).replace("+00:00", "Z")  # as Google writes it
    v1 = write.api == "v1"
    place = f"namespaces/{site.project}" if v1 else f"projects/{site.project}/locations/{site.region}"
    name = f"{place}/services/{site.name}"
    granted: dict[str, Any] = {
        "granted": True,
        "permission": "run.services.update",
        "permissionType": "ADMIN_WRITE",
        "resource": name,
        "resourceAttributes": {},
    }
    return {
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "authenticationInfo": {"principalEmail": write.by},
            "authorizationInfo": [granted],
            "requestMetadata": {"requestAttributes": {"time": at, "auth": {}}, "destinationAttributes": {}},
            "serviceName": "run.googleapis.com",
            "resourceName": name,
            "resourceLocation": {"currentLocations": [site.region]},
            **(_v1(write, site.name, name) if v1 else _v2(write, name)),
        },
        "insertId": hashlib.sha256(f"{at} {name} {write.generation}".encode()).hexdigest()[:12],
        "resource": {
            "type": "cloud_run_revision",
            "labels": {
                "configuration_name": "",
                "location": site.region,
                "project_id": site.project,
                "revision_name": "",
                "service_name": site.name,
            },
        },
        "timestamp": at,
        "severity": "NOTICE",
        "logName": f"projects/{site.project}/logs/cloudaudit.googleapis.com%2Factivity",
        "receiveTimestamp": at,
    }


def _v1(write: Write, service: str, name: str) -> dict[str, Any]:
    spec = {"traffic": [_v1_target(target) for target in write.asked]}
    known = {"apiVersion": "serving.knative.dev/v1", "kind": "Service"}
    latest = {"latestRevision": True} if write.follows_latest else {}
    status = {
        "observedGeneration": write.generation - 1,
        "latestReadyRevisionName": write.latest_ready,
        "latestCreatedRevisionName": write.latest_created,
        "traffic": [{**latest, "revisionName": one, "percent": percent} for one, percent in write.serving],
    }
    return {
        "methodName": "google.cloud.run.v1.Services.ReplaceService",
        "request": {
            "@type": "type.googleapis.com/google.cloud.run.v1.ReplaceServiceRequest",
            "name": name,
            "service": {**known, "metadata": {"name": service, "generation": write.generation - 1}, "spec": spec},
        },
        "response": {
            "@type": "type.googleapis.com/google.cloud.run.v1.Service",
            **known,
            "metadata": {"name": service, "generation": write.generation},
            "spec": spec,
            "status": status,
        },
    }


def _v2(write: Write, name: str) -> dict[str, Any]:
    traffic = [_v2_target(target) for target in write.asked]
    serving = [
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": percent}
        if write.follows_latest and one == write.latest_ready
        else {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": one, "percent": percent}
        for one, percent in write.serving
    ]
    return {
        "methodName": "google.cloud.run.v2.Services.UpdateService",
        "request": {
            "@type": "type.googleapis.com/google.cloud.run.v2.UpdateServiceRequest",
            "service": {"name": name, "traffic": traffic},
            "updateMask": "traffic",
        },
        "response": {
            "@type": "type.googleapis.com/google.cloud.run.v2.Service",
            "name": name,
            "generation": str(write.generation),
            "observedGeneration": str(write.generation - 1),
            "latestReadyRevision": f"{name}/revisions/{write.latest_ready}",
            "traffic": traffic,
            "trafficStatuses": serving,
        },
    }


def _v1_target(target: Target) -> dict[str, Any]:
    named: dict[str, Any] = {"revisionName": target.revision} if target.revision else {"latestRevision": True}
    return {
        **named,
        **({"percent": target.percent} if target.percent else {}),
        **({"tag": target.tag} if target.tag else {}),
    }


def _v2_target(target: Target) -> dict[str, Any]:
    kind = "REVISION" if target.revision else "LATEST"
    return {
        "type": f"TRAFFIC_TARGET_ALLOCATION_TYPE_{kind}",
        **({"revision": target.revision} if target.revision else {}),
        **({"percent": target.percent} if target.percent else {}),
        **({"tag": target.tag} if target.tag else {}),
    }


# --- filters -----------------------------------------------------------------------------------------


def _parsed(text: str) -> list[tuple[str, str, list[str]]]:
    """Return the comparisons of a filter, which must all hold: path, operator, and values of which one fits."""
    found: list[tuple[str, str, list[str]]] = []
    for line in re.split(r"\n|\s+AND\s+", text):
        if line.strip():
            one = _COMPARISON.fullmatch(line.strip())
            if one is None:
                raise _bad(f"Unparseable filter: syntax error near {line.strip()[:60]!r}")
            values = [quoted or bare for quoted, bare in _VALUE.findall(one[3]) if bare != "OR"]
            found.append((one[1], one[2], values))
    return found


def _holds(entry: dict[str, Any], path: str, operator: str, values: list[str]) -> bool:
    held: Any = entry
    for part in path.split("."):
        held = (as_object(held) or {}).get(part)
    if held is None:
        return False
    return any(_compares(str(held), operator, value) for value in values)


def _compares(held: str, operator: str, value: str) -> bool:
    match operator:
        case "=":
            return held == value
        case "!=":
            return held != value
        case ":":
            return value.lower() in held.lower()
        case "=~":
            return re.search(value, held) is not None
        case _:
            return _in_order(held, operator, value)


def _in_order(held: str, operator: str, value: str) -> bool:
    try:
        one, other = datetime.fromisoformat(held), datetime.fromisoformat(value)
        return {">=": one >= other, "<=": one <= other, ">": one > other, "<": one < other}[operator]
    except (ValueError, TypeError):
        raise _bad(f"Unparseable filter: {value!r} is not a timestamp") from None


async def _asked(request: Request) -> dict[str, Any]:
    try:
        asked = as_object(parse_json(await read_body(request)))
    except ValueError:
        asked = None
    if asked is None:
        raise _bad("Invalid JSON payload received.")
    return asked


def _bad(message: str) -> Rejection:
    return Rejection(google_error(400, message), message)


API = SimulatedApi(
    "cloud_logging", lambda world, _: CloudLoggingApi(world).app(), FaultPoints(frozenset({"entries.list"}))
)
