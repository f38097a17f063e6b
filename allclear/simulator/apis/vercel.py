"""Vercel's API for one project: its deployments, where its domain points, rollbacks and promotions; its firewall.

*Source:* the REST API reference (vercel.com/docs/rest-api, read November 2026): paths, parameters, status codes, the
fields of projects, aliases and deployments, errors as `{"error": {code, message}}`. Older versions of the paths,
which the vendor's own command line uses, are understood as well. From memory: the bodies of refusals.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis import vercel_firewall, vercel_flags
from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, random_text, whole_number
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.revisions import Revision
from allclear.simulator.scenario import Production
from allclear.simulator.vercel_project import VercelError, VercelProject, deployment_id
from allclear.simulator.world import World

_OWN = frozenset({"get_project", "get_alias", "list_deployments", "get_deployment", "rollback", "promote"})
"""The calls of this module; the others stand in the modules of their routes."""
LISTED = 20
"""Deployments in a list that names no limit."""
_REFUSALS = {
    "rate_limited": (429, "rate_limited", "Too many requests."),
    "permission_denied": (403, "forbidden", "You do not have permission to access this resource."),
    "server_error": (500, "internal_server_error", "An unexpected internal error occurred."),
}


class VercelApi(HttpApi):
    """Shows and moves the production domain, for callers with the token."""

    name = "vercel"
    writes = frozenset({"rollback", "promote"}) | vercel_firewall.WRITES | vercel_flags.WRITES

    def __init__(self, world: World, project: VercelProject, token: str) -> None:
        super().__init__(world)
        self._project, self._token = project, token

    def app(self) -> Starlette:
        """Return the API as an ASGI application."""
        return Starlette(
            routes=[
                Route("/v9/projects/{project}", self._get_project),
                Route("/v4/aliases/{alias}", self._get_alias),
                Route("/v6/deployments", self._list_deployments),
                Route("/v13/deployments/{deployment}", self._get_deployment),
                *(
                    self._post(f"/{version}/projects/{{project}}/rollback/{{deployment}}", "rollback")
                    for version in ("v1", "v9")
                ),
                *(
                    self._post(f"/{version}/projects/{{project}}/promote/{{deployment}}", "promote")
                    for version in ("v9", "v10")
                ),
                *vercel_firewall.FirewallRoutes(self, self._project.firewall).routes(),
                *vercel_flags.FlagRoutes(self, self.world.flags, self._project).routes(),
            ]
        )

    def refusal(self, fault: Fault) -> Response:
        """Vercel's answers to a request that fails or is refused."""
        return _error(*_REFUSALS.get(fault.kind, (503, "service_unavailable", "Service unavailable."))).response

    def _post(self, path: str, method: str) -> Route:
        async def asked(request: Request) -> Response:
            return await self.answer(method, request, self._start)

        return Route(path, asked, methods=["POST"])

    async def _get_project(self, request: Request) -> Response:
        return await self.answer("get_project", request, self._show_project)

    async def _get_alias(self, request: Request) -> Response:
        return await self.answer("get_alias", request, self._show_alias)

    async def _list_deployments(self, request: Request) -> Response:
        return await self.answer("list_deployments", request, self._show_deployments)

    async def _get_deployment(self, request: Request) -> Response:
        return await self.answer("get_deployment", request, self._show_deployment)

    async def _show_deployment(self, request: Request, _: Call) -> Response:
        self.authorize(request)
        try:
            return JSONResponse(self._deployment(self._project.find(request.path_params["deployment"])))
        except VercelError as error:
            raise _error(error.status, error.code, error.message) from None

    async def _show_project(self, request: Request, _: Call) -> Response:
        self.authorize(request)
        self.check_project(request.path_params["project"])
        project, job = self._project, self._project.job
        last = job and {
            "fromDeploymentId": job.source,
            "toDeploymentId": job.target,
            "jobStatus": job.status,
            "requestedAt": _milliseconds(job.requested_at),
            "type": job.kind,
        }
        told = {"id": project.id, "name": project.spec.project, "accountId": project.spec.team}
        back = job if job and job.kind == "rollback" else None
        why = back and {"username": back.by, "description": back.reason, "createdAt": _milliseconds(back.requested_at)}
        attack = project.firewall.attack
        security = {
            "attackModeEnabled": attack.enabled,
            "attackModeUpdatedAt": _milliseconds(attack.updated_at) if attack.updated_at else 0,
            "attackModeActiveUntil": _milliseconds(attack.until) if attack.until else None,
            "firewallEnabled": project.firewall.enabled,
        }
        return JSONResponse({**told, "lastAliasRequest": last, "rollbackDescription": why, "security": security})

    async def _show_alias(self, request: Request, _: Call) -> Response:
        self.authorize(request)
        project = self._project
        if request.path_params["alias"] != project.spec.domain:
            raise _error(404, "not_found", "The alias was not found.")
        serving = deployment_id(project.serving)
        return JSONResponse(
            {
                "uid": "simulated",
                "alias": project.spec.domain,
                "deploymentId": serving,
                "projectId": project.id,
                "deployment": {"id": serving, "url": _url(project.serving)},
            }
        )

    async def _show_deployments(self, request: Request, _: Call) -> Response:
        self.authorize(request)
        asked = request.query_params
        if asked.get("projectId"):
            self.check_project(asked["projectId"])
        listed = [self._deployment(one) for one in self._project.deployments()]
        if asked.get("state"):
            listed = [one for one in listed if one["readyState"] in asked["state"].split(",")]
        if asked.get("rollbackCandidate") == "true":
            listed = [one for one in listed if one["isRollbackCandidate"]]
        if asked.get("target") == "preview":
            listed = []
        listed = listed[: whole_number(asked.get("limit", "")) or LISTED]
        return JSONResponse({"deployments": listed, "pagination": {"count": len(listed), "next": None, "prev": None}})

    async def _start(self, request: Request, call: Call) -> Response:
        self.authorize(request)
        self.check_project(request.path_params["project"])
        deployment = request.path_params["deployment"]
        back = "/rollback/" in request.url.path
        call.facts["deployment"] = deployment
        call.facts["description"] = request.query_params.get("description")
        move: Callable[[str], None] = self._project.roll_back if back else self._project.promote
        try:
            call.facts["name"] = self._project.find(deployment).name
            move(deployment)
            if back and self._project.job:
                self._project.job.reason = request.query_params.get("description") or ""
        except VercelError as error:
            raise _error(error.status, error.code, error.message) from None
        return Response(status_code=201)

    def error(self, status: int, code: str, message: str) -> Rejection:
        """Return the vendor's refusal."""
        return _error(status, code, message)

    def _deployment(self, revision: Revision) -> dict[str, Any]:
        served = self._project.has_served(revision.name)
        created = _milliseconds(revision.created_at)
        state = "READY" if revision.can_serve else "ERROR"
        return {
            "uid": deployment_id(revision.name),
            "name": self._project.spec.project,
            "url": _url(revision.name),
            "created": created,
            "createdAt": created,
            "state": state,
            "readyState": state,
            "target": "production",
            "readySubstate": ("PROMOTED" if served else "STAGED") if revision.can_serve else None,
            "isRollbackCandidate": revision.can_serve and served and revision.name != self._project.serving,
            "projectId": self._project.id,
            "type": "LAMBDAS",
        }

    def authorize(self, request: Request) -> None:
        """Raise Rejection for another token, or another team."""
        if request.headers.get("authorization") != f"Bearer {self._token}":
            raise _error(403, "forbidden", "Not authorized")
        if request.query_params.get("teamId") not in (None, self._project.spec.team):
            raise _error(403, "team_unauthorized", "You are not authorized to access this team.")

    def check_project(self, name: str) -> None:
        """Raise Rejection for a project that this account does not have."""
        if name not in (self._project.id, self._project.spec.project):
            raise _error(404, "not_found", "Project not found.")


def _url(name: str) -> str:
    return f"{name}.vercel.app"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _error(status: int, code: str, message: str) -> Rejection:
    return Rejection(JSONResponse({"error": {"code": code, "message": message}}, status), message)


def _vercel_app(world: World, token: str) -> Starlette:
    if world.vercel is None:
        raise ValueError("this production has no project on Vercel")
    return VercelApi(world, world.vercel, token).app()


def _team(scenario: Production) -> dict[str, str]:
    return {"team": scenario.vercel.team} if scenario.vercel else {}


API = SimulatedApi(
    "vercel",
    _vercel_app,
    FaultPoints(
        _OWN | vercel_firewall.READS | vercel_flags.READS | vercel_firewall.WRITES | vercel_flags.WRITES,
        concurrent_write="update_flag",
        ignorable=vercel_firewall.WRITES | vercel_flags.WRITES,
    ),
    new_secret=lambda: random_text(24),
    options=_team,
    exists=lambda scenario: scenario.vercel is not None,
)
