"""The shop as its users and probes see it, over HTTP: through what is in front of all sites, or at one of them."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import Fault
from allclear.simulator.regional_services import RegionalService
from allclear.simulator.world import World

MAINTENANCE_RETRY_AFTER = 120
"""Seconds after which the maintenance page asks browsers to retry."""
TAG_MARK = "---"
"""Between a tag and the service in a host name, as Cloud Run writes them."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_STATUS = {"rate_limited": 429, "permission_denied": 403, "server_error": 500}


class WebsiteApi(HttpApi):
    """Every page of the shop, each answer with who gave it: `X-Region` and `X-Revision`."""

    name = "storefront"

    def __init__(self, world: World, site: RegionalService | None = None) -> None:
        """`site` answers alone; without one, users are spread over all sites by their shares."""
        super().__init__(world)
        self._site = site

    def app(self) -> Starlette:
        """Return the shop as an ASGI application."""
        return Starlette(routes=[Route("/{path:path}", self._any, methods=_METHODS)])

    def refusal(self, fault: Fault) -> Response:
        """Return a plain error page, as a load balancer in front of the shop would give it."""
        status = _STATUS.get(fault.kind, 503)
        headers = {"Retry-After": str(int(fault.seconds))} if status in (429, 503) else {}
        return JSONResponse({"error": fault.kind}, status, headers)

    async def _any(self, request: Request) -> Response:
        return await self.answer(request.url.path, request, self._page)

    async def _page(self, request: Request, _: Call) -> Response:
        path = request.url.path
        if self.world.vercel and self.world.vercel.firewall.challenges:  # the simulated users have browsers
            return Response("Vercel Security Checkpoint", 429, {"x-vercel-mitigated": "challenge"})
        tag, mark, _service = (request.url.hostname or "").partition(TAG_MARK)
        visit = self.world.shop.visit(request.method, path, self._site, tag if mark else "")
        if visit.latency:
            await asyncio.sleep(visit.latency.total_seconds())
        headers = {"X-Region": visit.region, "X-Revision": visit.revision}
        if visit.outcome == "maintenance":
            headers |= {"Retry-After": str(MAINTENANCE_RETRY_AFTER), "X-Maintenance": "on"}
        elif visit.outcome == "wrong_method":
            headers["Allow"] = ", ".join(self.world.shop.methods(path))
        body = {"page": path, "status": visit.outcome, "revision": visit.revision}
        return JSONResponse(body, visit.status, headers)


API = SimulatedApi("storefront", lambda world, _: WebsiteApi(world).app())
