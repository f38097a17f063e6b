"""Cloud Armor's part of the Compute Engine interface: a security policy's rules, operations, the backend service.

*Source:* the discovery document compute v1 (November 2026). The words of errors are from memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.google_rest import GoogleApi
from allclear.simulator.apis.http_api import Call, Rejection, as_object, parse_json, read_body
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.armor_policy import ArmorError, ArmorOperation, ArmorPolicy, ranges_of
from allclear.simulator.event_log import iso
from allclear.simulator.faults import FaultPoints
from allclear.simulator.world import World

GET_POLICY, UPDATE_POLICY = "compute.securityPolicies.get", "compute.securityPolicies.update"
GET_BACKEND, GET_OPERATION = "compute.backendServices.get", "compute.globalOperations.get"
READS = frozenset({"get_policy", "get_rule", "get_backend", "get_operation", "validate_rule"})
WRITES = frozenset({"add_rule", "patch_rule", "remove_rule"})
_HOST = "https://www.googleapis.com/compute/v1"

Handler = Callable[[Request, Call], Awaitable[Response]]


class CloudArmorApi(GoogleApi):
    """Shows and changes the rules of one policy, for callers with the permissions."""

    name = "cloud_armor"
    writes = WRITES

    def __init__(self, world: World, armor: ArmorPolicy) -> None:
        super().__init__(world)
        self._armor = armor

    def app(self) -> Starlette:
        """Return the interface as an ASGI application."""
        project = "/compute/v1/projects/{project}/global"
        policy = f"{project}/securityPolicies/{{policy}}"
        operation = f"{project}/operations/{{operation}}"
        return Starlette(
            routes=[
                self._route("GET", policy, "get_policy", GET_POLICY, self._show_policy),
                self._route("GET", f"{policy}/getRule", "get_rule", GET_POLICY, self._show_rule),
                self._route("POST", f"{policy}/addRule", "add_rule", UPDATE_POLICY, self._add),
                self._route("POST", f"{policy}/patchRule", "patch_rule", UPDATE_POLICY, self._patch),
                self._route("POST", f"{policy}/removeRule", "remove_rule", UPDATE_POLICY, self._remove),
                self._route("GET", f"{project}/backendServices/{{backend}}", "get_backend", GET_BACKEND, self._backend),
                self._route("GET", operation, "get_operation", GET_OPERATION, self._operation),
                self._route("POST", f"{operation}/wait", "get_operation", GET_OPERATION, self._operation),
            ]
        )

    def _route(self, verb: str, path: str, method: str, permission: str, handle: Handler) -> Route:
        async def allowed(request: Request, call: Call) -> Response:
            self.allow(permission, request.path_params["project"])
            if request.path_params.get("policy", self._armor.spec.policy) != self._armor.spec.policy:
                raise self._missing("securityPolicies", request.path_params["policy"])
            try:
                return await handle(request, call)
            except ArmorError as error:
                raise _error(error.status, error.reason, error.message) from None

        async def asked(request: Request) -> Response:
            dry = request.query_params.get("validateOnly") == "true"  # it changes nothing, so it is no write
            return await self.answer("validate_rule" if dry else method, request, allowed)

        return Route(path, asked, methods=[verb])

    async def _show_policy(self, _: Request, __: Call) -> Response:
        armor = self._armor
        armor.settle()
        rules = sorted(armor.rules, key=lambda rule: rule["priority"])
        return JSONResponse(
            {
                "kind": "compute#securityPolicy",
                "id": "4711",
                "name": armor.spec.policy,
                "selfLink": self._link("securityPolicies", armor.spec.policy),
                "type": "CLOUD_ARMOR",
                "fingerprint": armor.fingerprint,
                "rules": [{"kind": "compute#securityPolicyRule", **rule} for rule in rules],
            }
        )

    async def _show_rule(self, request: Request, _: Call) -> Response:
        return JSONResponse({"kind": "compute#securityPolicyRule", **self._armor.find(_priority(request))})

    async def _add(self, request: Request, call: Call) -> Response:
        rule, dry = await _body(request), request.query_params.get("validateOnly") == "true"
        call.facts["priority"] = rule.get("priority")
        operation = self._armor.add(rule, validate_only=dry, ignored=call.ignored)
        call.facts["ranges"] = ranges_of(rule)
        return self._accepted(operation, "addRule")

    async def _patch(self, request: Request, call: Call) -> Response:
        change, priority = await _body(request), _priority(request)
        call.facts["priority"] = priority
        return self._accepted(self._armor.patch(priority, change, ignored=call.ignored), "patchRule")

    async def _remove(self, request: Request, call: Call) -> Response:
        priority = _priority(request)
        call.facts["priority"] = priority
        return self._accepted(self._armor.remove(priority, ignored=call.ignored), "removeRule")

    async def _backend(self, request: Request, _: Call) -> Response:
        armor, name = self._armor, request.path_params["backend"]
        if name != armor.spec.backend_service:
            raise self._missing("backendServices", name)
        shown: dict[str, Any] = {
            "kind": "compute#backendService",
            "id": "4712",
            "name": name,
            "selfLink": self._link("backendServices", name),
            "loadBalancingScheme": "EXTERNAL_MANAGED",
            "protocol": "HTTPS",
        }
        if armor.attached:
            shown["securityPolicy"] = self._link("securityPolicies", armor.attached)
        return JSONResponse(shown)

    async def _operation(self, request: Request, _: Call) -> Response:
        self._armor.settle()
        operation = self._armor.operations.get(request.path_params["operation"])
        if operation is None:
            raise self._missing("operations", request.path_params["operation"])
        return self._accepted(operation, "updateSecurityPolicy")

    def _accepted(self, operation: ArmorOperation, kind: str) -> Response:
        self._armor.settle()
        shown: dict[str, Any] = {
            "kind": "compute#operation",
            "id": str(operation.number),
            "name": operation.name,
            "operationType": kind,
            "targetLink": self._link("securityPolicies", self._armor.spec.policy),
            "status": "DONE" if operation.applied else "RUNNING",
            "progress": 100 if operation.applied else 0,
            "insertTime": iso(operation.inserted),
            "selfLink": self._link("operations", operation.name),
        }
        if operation.applied and operation.error:
            shown["error"] = {"errors": [{"code": "INTERNAL_ERROR", "message": operation.error}]}
            shown |= {"httpErrorStatusCode": 500, "httpErrorMessage": "INTERNAL SERVER ERROR"}
        return JSONResponse(shown)

    def _link(self, collection: str, name: str) -> str:
        return f"{_HOST}/projects/{self.world.scenario.project}/global/{collection}/{name}"

    def _missing(self, collection: str, name: str) -> Rejection:
        where = f"projects/{self.world.scenario.project}/global/{collection}/{name}"
        return _error(404, "notFound", f"The resource '{where}' was not found")


def _priority(request: Request) -> int:
    text = request.query_params.get("priority", "")
    if not text.isdecimal():
        raise _error(400, "invalid", f"Invalid value for field 'priority': '{text}'.")
    return int(text)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = as_object(parse_json(await read_body(request)))
    except ValueError:
        body = None
    if body is None:
        raise _error(400, "parseError", "Invalid JSON payload received.")
    return body


def _error(status: int, reason: str, message: str) -> Rejection:
    one = {"message": message, "domain": "global", "reason": reason}
    body = {"error": {"code": status, "message": message, "errors": [one]}}
    return Rejection(JSONResponse(body, status), message)


def _app(world: World, _: str) -> Starlette:
    if world.armor is None:
        raise ValueError("this production has no Cloud Armor policy")
    return CloudArmorApi(world, world.armor).app()


API = SimulatedApi(
    "cloud_armor",
    _app,
    FaultPoints(READS | WRITES, ignorable=WRITES),
    options=lambda scenario: {"project": scenario.project},
    exists=lambda scenario: scenario.armor is not None,
)
