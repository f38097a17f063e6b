"""Cloud Run over REST: `/v2/projects/…`, the same methods as JSON.

*Source:* the HTTP rules of `google.cloud.run_v2` 0.16.2 (November 2026). With
`$alt=json;enum-encoding=int` enums are numbers, both ways.
"""

# proto-plus and protobuf's dynamic modules come without type information.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false

# ruff: noqa: ANN401 - protobuf's messages have no types

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.cloud.run_v2 import types
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.cloud_run.http import error_response, no_method
from allclear.simulator.apis.cloud_run.service import CloudRun
from allclear.simulator.apis.http_api import Call, Rejection, break_connection, read_body, whole_number
from allclear.simulator.run_service import RunError

_PLACE = "/v2/projects/{project}/locations/{location}"
_TEST = ":testIamPermissions"


class CloudRunRest:
    """The REST interface of the simulated Cloud Run."""

    def __init__(self, cloud_run: CloudRun) -> None:
        self._run = cloud_run

    def routes(self) -> list[Route]:
        """Return its paths."""
        service = f"{_PLACE}/services/{{service}}"
        return [
            Route(f"{_PLACE}/services", self._list_services, methods=["GET"]),
            Route(service, self._get_service, methods=["GET"]),
            Route(service, self._update_service, methods=["PATCH"]),
            Route(service, self._test_permissions, methods=["POST"]),
            Route(f"{service}/revisions", self._list_revisions, methods=["GET"]),
            Route(f"{service}/revisions/{{revision}}", self._get_revision, methods=["GET"]),
            Route(f"{_PLACE}/operations/{{operation}}", self._get_operation, methods=["GET"]),
        ]

    async def _get_service(self, request: Request) -> Response:
        asked = types.GetServiceRequest(name=_name(request))
        return await self._answer("GetService", request, lambda call: self._run.get_service(asked, call))

    async def _list_services(self, request: Request) -> Response:
        def listed(call: Call) -> Any:
            asked = types.ListServicesRequest(parent=_name(request).removesuffix("/services"), **_paging(request))
            return self._run.list_services(asked, call)

        return await self._answer("ListServices", request, listed)

    async def _update_service(self, request: Request) -> Response:
        query = request.query_params

        def update(call: Call) -> Any:
            service = _parsed(body, types.Service.pb(types.Service()))
            service.name = _name(request)
            mask = FieldMask()
            try:
                mask.FromJsonString(query.get("updateMask", ""))
            except json_format.ParseError as error:
                raise RunError("INVALID_ARGUMENT", f"updateMask: {error}") from None
            asked = types.UpdateServiceRequest(
                service=types.Service.wrap(service),
                update_mask=mask,
                validate_only=query.get("validateOnly") == "true",
            )
            return self._run.update_service(asked, call)

        try:
            body = await read_body(request)
        except Rejection as no:
            return no.response
        return await self._answer("UpdateService", request, update)

    async def _test_permissions(self, request: Request) -> Response:
        try:
            body = await read_body(request)
        except Rejection as no:
            return no.response

        def test(call: Call) -> Any:
            name = _name(request)
            if not name.endswith(_TEST):
                raise no_method(request)
            asked = _parsed(body, iam_policy_pb2.TestIamPermissionsRequest())
            asked.resource = name.removesuffix(_TEST)
            return self._run.granted_permissions(asked, call)

        return await self._answer("TestIamPermissions", request, test)

    async def _list_revisions(self, request: Request) -> Response:
        def listed(call: Call) -> Any:
            asked = types.ListRevisionsRequest(parent=_name(request).removesuffix("/revisions"), **_paging(request))
            return self._run.list_revisions(asked, call)

        return await self._answer("ListRevisions", request, listed)

    async def _get_revision(self, request: Request) -> Response:
        asked = types.GetRevisionRequest(name=_name(request))
        return await self._answer("GetRevision", request, lambda call: self._run.get_revision(asked, call))

    async def _get_operation(self, request: Request) -> Response:
        asked = operations_pb2.GetOperationRequest(name=_name(request))
        return await self._answer("GetOperation", request, lambda call: self._run.get_operation(asked, call))

    async def _answer(self, method: str, request: Request, handle: Callable[[Call], Any]) -> Response:
        try:
            region = request.path_params["location"]
            answer = await self._run.call(method, handle, lambda: break_connection(request), region)
        except RunError as error:
            return error_response(error)
        message = type(answer).pb(answer) if hasattr(type(answer), "pb") else answer
        integers = "enum-encoding=int" in request.query_params.get("$alt", "")
        return JSONResponse(json_format.MessageToDict(message, use_integers_for_enums=integers))


def _name(request: Request) -> str:
    return request.url.path.removeprefix("/v2/")


def _paging(request: Request) -> dict[str, Any]:
    query = request.query_params
    size = whole_number(query.get("pageSize", "0"))
    if size is None:
        raise RunError("INVALID_ARGUMENT", "pageSize: must be a whole number.")
    return {
        "page_size": size,
        "page_token": query.get("pageToken", ""),
        "show_deleted": query.get("showDeleted") == "true",
    }


def _parsed(body: bytes, message: Any) -> Any:
    try:
        return json_format.Parse(body or b"{}", message)
    except (json_format.ParseError, ValueError, RecursionError) as error:
        said = str(error).splitlines()[0][:200]
        raise RunError("INVALID_ARGUMENT", f"Invalid JSON payload received. {said}") from None
