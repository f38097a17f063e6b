"""The routes of reports: what the reading commands print, for a person who has a token and no journal."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from allclear.bootstrap import Engine
from allclear.commands.base import read_fields
from allclear.domain.records import By
from allclear.reports.base import Reader, Report, Shown
from allclear.reports.catalog import REPORTS
from allclear.responder.callers import Callers, Described
from allclear.responder.routes.lazy_route import LateRoute
from allclear.responder.routes.problems import FORBIDDEN, INVALID, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE

_NOT_A_PERSON = By(actor="the holder of ALLCLEAR_ALERT_TOKEN", role="reader", via="api")
"""Who has the token of alerts: no private incident is for this reader."""

_ANSWERS = UNAUTHORIZED | FORBIDDEN | NOT_FOUND | INVALID | UNAVAILABLE


def report_routes(engine: Engine, callers: Callers) -> APIRouter:
    """Return the routes of all reports."""
    router = APIRouter(route_class=LateRoute, responses=_ANSWERS, tags=["reports"])
    for report in REPORTS:
        _add(router, engine, callers, report)
    return router


def _add(router: APIRouter, engine: Engine, callers: Callers, report: type[Report]) -> None:
    extra: Any = lambda: {"parameters": _parameters(report)}  # noqa: E731 - a LateRoute calls it

    async def endpoint(request: Request, _described: Described = None) -> JSONResponse:
        by = await callers.reads(request)
        wanted = read_fields(report, dict(request.query_params))
        shown = await asyncio.to_thread(wanted.show, engine, Reader(by or _NOT_A_PERSON))
        return JSONResponse(shown.model_dump(mode="json"))

    router.add_api_route(
        f"/reports/{report.name}",
        endpoint,
        methods=["GET"],
        summary=report.title,
        description=report.__doc__,
        operation_id=f"report_{report.name.replace('-', '_')}",
        response_model=Shown,
        response_description="The report as text, and the same as data.",
        openapi_extra=extra,
    )


def _parameters(report: type[Report]) -> list[dict[str, Any]]:
    """Return the description of a report's query parameters in /openapi.json."""
    schema = report.model_json_schema()
    needed = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in needed,
            "description": field.get("description", ""),
            "schema": {key: value for key, value in field.items() if key not in {"description", "title"}},
        }
        for name, field in schema["properties"].items()
    ]
