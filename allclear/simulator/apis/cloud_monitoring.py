"""Cloud Monitoring's PromQL interface, for one metric: how many requests each revision answered.

It knows the form `sum by (…) (increase(metric{…}[…]))` and the same with `rate`, at one moment (`query`) and over a
range of time (`query_range`); anything else is refused as a query that cannot be parsed.

*Source:* the discovery document monitoring v1 (path, fields), prometheus.io/docs/prometheus/latest/querying/api (the
answer, the errors), cloud.google.com/monitoring/promql/promql-mapping (names), read November 2026.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.google_rest import GoogleApi, media_type
from allclear.simulator.apis.http_api import Call, Rejection, as_object, parse_json, read_body
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import FaultPoints
from allclear.simulator.traffic_history import window

PERMISSION = "monitoring.timeSeries.list"
_METRIC = "run_googleapis_com:request_count"
_QUERY = re.compile(
    r"\s*sum\s+by\s*\((?P<by>[\w\s,]*)\)\s*\(\s*(?P<function>increase|rate)\s*\(\s*(?P<metric>[a-zA-Z_:][\w:]*)\s*"
    r"(?:\{(?P<matchers>.*)\})?\s*\[(?P<count>\d+)(?P<unit>[smhd])\]\s*\)\s*\)\s*",
    re.DOTALL,
)
_MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_MOST_POINTS = 11_000
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class CloudMonitoringApi(GoogleApi):
    """Counts the answers of revisions, for callers that may read time series."""

    name = "cloud_monitoring"

    def app(self) -> Starlette:
        """Return the interface as an ASGI application."""
        path = "/v1/projects/{project}/location/{location}/prometheus/api/v1"
        return Starlette(
            routes=[
                Route(f"{path}/query", self._query, methods=["POST"]),
                Route(f"{path}/query_range", self._query_range, methods=["POST"]),
            ]
        )

    async def _query(self, request: Request) -> Response:
        return await self.answer("query", request, self._evaluate)

    async def _query_range(self, request: Request) -> Response:
        return await self.answer("query_range", request, self._evaluate_range)

    async def _asked(self, request: Request) -> tuple[dict[str, str], re.Match[str]]:
        """Return the fields of a request that may be answered, and its query."""
        self.allow(PERMISSION, request.path_params["project"])
        if request.path_params["location"] != "global":
            raise _bad("invalid location: must be global")
        asked = await _fields(request)
        query = _QUERY.fullmatch(asked.get("query", ""))
        if query is None:
            raise _bad('invalid parameter "query": parse error')
        return asked, query

    async def _evaluate(self, request: Request, _: Call) -> Response:
        asked, query = await self._asked(request)
        end = _moment("time", asked.get("time"), self.world.clock())
        result = [
            {"metric": dict(metric), "value": [end.timestamp(), value]}
            for metric, value in self._values(query, end).items()
        ]
        return JSONResponse({"status": "success", "data": {"resultType": "vector", "result": result}})

    async def _evaluate_range(self, request: Request, _: Call) -> Response:
        asked, query = await self._asked(request)
        now = self.world.clock()
        start, end = (_moment(name, asked.get(name), now) for name in ("start", "end"))
        step = _step(asked.get("step", ""))
        if end < start:
            raise _bad('invalid parameter "end": end timestamp must not be before start time')
        if (end - start) / step > _MOST_POINTS:
            raise _bad("exceeded maximum resolution of 11,000 points per timeseries")
        values: dict[tuple[tuple[str, str], ...], list[list[object]]] = {}
        moment = start
        while moment <= end:
            for metric, value in self._values(query, moment).items():
                values.setdefault(metric, []).append([moment.timestamp(), value])
            moment += step
        result = [{"metric": dict(metric), "values": points} for metric, points in sorted(values.items())]
        return JSONResponse({"status": "success", "data": {"resultType": "matrix", "result": result}})

    def _values(self, query: re.Match[str], end: datetime) -> dict[tuple[tuple[str, str], ...], str]:
        """Return the value of each series at one moment, by its labels."""
        seconds = int(query["count"]) * _SECONDS[query["unit"]]
        by = [label.strip() for label in query["by"].split(",") if label.strip()]
        sums: Counter[tuple[str, ...]] = Counter()
        for labels, count in self._series(query["metric"], *window(end, seconds)):
            if _matches(labels, query["matchers"] or ""):
                sums[tuple(labels.get(label, "") for label in by)] += count
        divisor = seconds if query["function"] == "rate" else 1
        return {
            tuple((label, value) for label, value in zip(by, key, strict=True) if value): f"{count / divisor:.15g}"
            for key, count in sorted(sums.items())
        }

    def _series(self, metric: str, start: datetime, end: datetime) -> list[tuple[dict[str, str], int]]:
        if metric != _METRIC:
            return []
        return [
            (
                {
                    "__name__": metric,
                    "monitored_resource": "cloud_run_revision",
                    "project_id": site.project,
                    "location": site.region,
                    "service_name": site.name,
                    "configuration_name": site.name,
                    "revision_name": revision,
                    "response_code": str(status),
                    "response_code_class": f"{status // 100}xx",
                },
                count,
            )
            for site in self.world.regional_services
            for (revision, status), count in site.traffic_history.requests(start, end).items()
        ]


async def _fields(request: Request) -> dict[str, str]:
    """Return the request's fields, from a form as Prometheus takes it or from JSON as Google describes it."""
    body = await read_body(request)
    try:
        if media_type(request) == "application/json":
            told: dict[str, Any] = as_object(parse_json(body)) or {}
            return {key: str(value) for key, value in told.items()}
        return dict(parse_qsl(body.decode()))
    except ValueError:
        raise _bad("the body cannot be read") from None


def _step(text: str) -> timedelta:
    """Return a step, in seconds or as a duration of Prometheus with one unit."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    seconds = float(found[1]) * _SECONDS[found[2] or "s"] if found else 0.0
    if not seconds:
        raise _bad(f'invalid parameter "step": cannot parse "{text}" to a valid duration')
    return timedelta(seconds=seconds)


def _moment(name: str, text: str | None, now: datetime) -> datetime:
    if not text:
        return now
    try:
        found = datetime.fromtimestamp(float(text), UTC) if _number(text) else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None or found.tzinfo is None:
        raise _bad(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')
    return found


def _number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", text) is not None


def _matches(labels: dict[str, str], matchers: str) -> bool:
    place, fits = 0, True
    while matchers[place:].strip():
        found = _MATCHER.match(matchers, place)
        if found is None:
            raise _bad('invalid parameter "query": parse error in the label matchers')
        label, operator, value = found[1], found[2], found[3].replace('\\"', '"').replace("\\\\", "\\")
        held = labels.get(label, "")
        try:
            same = re.fullmatch(value, held) is not None if "~" in operator else held == value
        except re.error:
            raise _bad('invalid parameter "query": error parsing regexp') from None
        fits = fits and same != operator.startswith("!")
        place = found.end()
    return fits


def _bad(message: str) -> Rejection:
    body = {"status": "error", "errorType": "bad_data", "error": message}
    return Rejection(JSONResponse(body, 400), message)


API = SimulatedApi(
    "cloud_monitoring",
    lambda world, _: CloudMonitoringApi(world).app(),
    FaultPoints(frozenset({"query", "query_range"})),
)
