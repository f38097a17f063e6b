"""The body of every answer that is not a success, and the status of each error: the same on all routes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from allclear.commands.problems import Problem
from allclear.domain.errors import (
    AllclearError,
    ConfigError,
    JournalError,
    MissingSecret,
    NotAllowed,
    NotFound,
    Refused,
    VendorError,
    WrongState,
)
from allclear.domain.text import plain
from allclear.responder.callers import CHALLENGE, NotIdentified
from allclear.responder.limits import RETRY_AFTER
from allclear.responder.routes.models import Responses

_STATUS: tuple[tuple[type[AllclearError], HTTPStatus], ...] = (
    (NotIdentified, HTTPStatus.UNAUTHORIZED),
    (NotFound, HTTPStatus.NOT_FOUND),
    (WrongState, HTTPStatus.CONFLICT),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (Refused, HTTPStatus.CONFLICT),
    (MissingSecret, HTTPStatus.BAD_GATEWAY),
    (ConfigError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (VendorError, HTTPStatus.BAD_GATEWAY),
    (JournalError, HTTPStatus.SERVICE_UNAVAILABLE),
)

_REJECTED: dict[int, tuple[type[AllclearError], str]] = {
    HTTPStatus.BAD_REQUEST: (ConfigError, "Correct the request."),
    HTTPStatus.UNAUTHORIZED: (NotAllowed, "Correct the secret or the signature at the sender."),
    HTTPStatus.FORBIDDEN: (NotAllowed, "Correct systems.yaml or the environment of the responder."),
    HTTPStatus.NOT_FOUND: (NotFound, "GET /openapi.json lists what there is."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (Refused, "Send less."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (ConfigError, "Correct the request."),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        Refused,
        "Send it again, with the same Idempotency-Key if the request has one.",
    ),
}
"""Status of a request that is rejected before it is understood -> the kind of error, and the next step."""


_BODY = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
"""By reference, because FastAPI would build a validator for each route and status: that is half of a start."""


def problem(status: int, description: str) -> Responses:
    """Return the description of an answer with a problem in /openapi.json."""
    return {status: {"content": _BODY, "description": description}}


def describe_problem(description: dict[str, Any]) -> None:
    """Add to an OpenAPI description what `problem` refers to."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    description.setdefault("components", {}).setdefault("schemas", {})["Problem"] = schema


UNAUTHORIZED = problem(401, "The token is missing, forged, expired or revoked.")
FORBIDDEN = problem(403, "This person or program may not do it, or no longer.")
NOT_FOUND = problem(404, "Something that was named does not exist.")
CONFLICT = problem(409, "It is refused in the present state.")
TOO_LARGE = problem(413, "The body is too large.")
INVALID = problem(422, "What was sent does not fit.")
BAD_GATEWAY = problem(502, "An outside system did not do what was asked.")
UNAVAILABLE: Responses = {
    503: {
        "content": _BODY,
        "description": "The journal is away, or too many requests are in progress. Send it again.",
        "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
    }
}


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of ours, and every request that is rejected before that, with a `Problem`."""

    async def of_ours(_request: Request, error: Exception) -> Response:
        return _answer(cast("AllclearError", error))

    async def rejected(_request: Request, error: Exception) -> Response:
        return _rejection(cast("HTTPException", error))

    async def invalid(_request: Request, error: Exception) -> Response:
        return _answer(_invalid(cast("RequestValidationError", error)))

    async def client_disconnected(_request: Request, _error: Exception) -> Response:
        return Response(status_code=499)  # the client is gone; the metrics count it

    app.add_exception_handler(AllclearError, of_ours)
    app.add_exception_handler(HTTPException, rejected)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientDisconnect, client_disconnected)


def _answer(error: AllclearError) -> JSONResponse:
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), HTTPStatus.CONFLICT)
    headers = {HTTPStatus.SERVICE_UNAVAILABLE: RETRY_AFTER, HTTPStatus.UNAUTHORIZED: CHALLENGE}.get(status)
    return JSONResponse(Problem.of(error).model_dump(mode="json"), status, headers)


def _rejection(error: HTTPException) -> JSONResponse:
    kind, next_step = _REJECTED.get(error.status_code, (Refused, "GET /openapi.json describes each route."))
    said = Problem(detail=str(error.detail), next_step=next_step, error=kind.__name__)
    return JSONResponse(said.model_dump(mode="json"), error.status_code, error.headers)


def _invalid(error: RequestValidationError) -> ConfigError:
    """Return the first part of a query that does not fit."""
    first = error.errors()[0]
    name = plain(str(first["loc"][-1]), 60)
    return ConfigError(
        f"What was sent does not fit: {name}: {plain(str(first['msg']), 200).rstrip('.')}.",
        "GET /openapi.json describes each parameter.",
    )
