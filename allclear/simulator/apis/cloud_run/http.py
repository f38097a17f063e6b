"""What Cloud Run's two HTTP interfaces, v1 and v2, have in common: errors, and one application.

*Source:* google.aip.dev/193 for errors (November 2026).
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.run_service import Code, RunError

HTTP_STATUS: dict[Code, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
"""*Source:* google/rpc/code.proto."""


def error_response(error: RunError) -> Response:
    """Google's JSON for an error."""
    status = HTTP_STATUS[error.code]
    body = {"code": status, "message": error.message, "status": error.code}
    return JSONResponse({"error": body}, status)


def google_app(routes: Sequence[Route]) -> Starlette:
    """Return an application whose unknown paths and methods get Google's JSON, too."""

    async def unknown(request: Request, _: Exception) -> Response:
        return error_response(no_method(request))

    return Starlette(routes=list(routes), exception_handlers={404: unknown, 405: unknown})


def no_method(request: Request) -> RunError:
    """Return what is said to a call of something that does not exist."""
    return RunError("NOT_FOUND", f"Method not found: {request.method} {request.url.path}")
