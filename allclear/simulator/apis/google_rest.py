"""What Google's REST interfaces have in common: how they say no, and what a caller is allowed.

*Source:* google.aip.dev/193 for errors, read November 2026. Like the simulated Cloud Run, they ask for no key.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from allclear.simulator.apis.http_api import HttpApi, Rejection
from allclear.simulator.faults import Fault

_CODES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_REFUSALS = {
    "permission_denied": (403, "The caller does not have permission"),
    "rate_limited": (429, "Quota exceeded for quota metric 'Read requests'"),
    "server_error": (500, "Internal error encountered."),
}


class GoogleApi(HttpApi):
    """One of Google's interfaces, of the one project that there is."""

    def refusal(self, fault: Fault) -> Response:
        """Google's answers to a request that fails or is refused."""
        status, message = _REFUSALS.get(fault.kind, (503, "The service is currently unavailable."))
        return google_error(status, message)

    def allow(self, permission: str, project: str) -> None:
        """Let the caller go on who may do that in the project.

        Raises RequestRefused: 403; a project that does not exist is refused in the same words.
        """
        scenario = self.world.scenario
        if project != scenario.project or permission not in scenario.permissions:
            message = f"Permission '{permission}' denied on resource 'projects/{project}' (or it may not exist)."
            raise Rejection(google_error(403, message), message)


def google_error(status: int, message: str) -> JSONResponse:
    """Return an error as Google's interfaces put it."""
    return JSONResponse({"error": {"code": status, "message": message, "status": _CODES[status]}}, status)


def media_type(request: Request) -> str:
    """Return what kind of body the caller says it sends."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
