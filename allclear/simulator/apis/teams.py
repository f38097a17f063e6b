"""The webhook of a flow in Teams' Workflows app.

*Source:* learn.microsoft.com "Create incoming webhooks with Workflows" and the HTTP trigger of Azure Logic Apps, read
November 2026: 202 without content once the flow was started; errors as `{"error": {"code", "message"}}`; the signature
is the query's `sig`. The codes of the refusals are those that public clients and guides quote (2026-11): a flow that is
off or deleted answers 400. From memory: the sentences.
"""

from __future__ import annotations

import hmac

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, as_object, parse_json, random_text, read_body
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.world import World

_PATH = "/powerautomate/automations/direct/workflows/simulated/triggers/manual/paths/invoke"
_REFUSALS = {
    "rate_limited": (429, "TooManyRequests", "The rate limit is exceeded."),
    "permission_denied": (401, "DirectApiAuthorizationRequired", "The request must be authenticated."),
    "server_error": (500, "InternalServerError", "The server encountered an error."),
}


class TeamsApi(HttpApi):
    """Starts the flow for everyone who has its address."""

    name = "teams"
    writes = frozenset({"post"})

    def __init__(self, world: World, signature: str) -> None:
        super().__init__(world)
        self._signature = signature

    def app(self) -> Starlette:
        """Return the webhook as an ASGI application."""
        return Starlette(routes=[Route(_PATH, self._invoke, methods=["POST"])])

    def refusal(self, fault: Fault) -> Response:
        """Return the answers to a request that is limited, forbidden or fails."""
        return _error(*_REFUSALS.get(fault.kind, (503, "ServiceUnavailable", "The service is unavailable.")))

    async def _invoke(self, request: Request) -> Response:
        return await self.answer("post", request, self._start)

    async def _start(self, request: Request, call: Call) -> Response:
        if not hmac.compare_digest(request.query_params.get("sig", ""), self._signature):
            raise Rejection(_error(401, "AuthorizationFailed", "The authentication credentials are not valid."), "sig")
        if not self.world.teams.is_on:
            raise Rejection(_error(400, "WorkflowTriggerIsNotEnabled", "The workflow's state is 'Disabled'."), "off")
        body = await read_body(request)
        try:
            message = as_object(parse_json(body))
        except ValueError:
            message = None
        if message is None:
            raise Rejection(_error(400, "InvalidRequestContent", "The request content is not valid JSON."), "no JSON")
        if not call.ignored:
            self.world.teams.run(message, len(body))
        return Response(status_code=202, headers={"x-ms-workflow-run-id": random_text(32)})


def _error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


API = SimulatedApi(
    "teams",
    lambda world, signature: TeamsApi(world, signature).app(),
    FaultPoints(frozenset({"post"}), ignorable=frozenset({"post"})),
    new_secret=lambda: random_text(43),
    base_path=_PATH,
)
