"""Cloud Run's Admin API v2 as methods on messages; gRPC and REST stand in front of it.

*Source:* cloud.google.com/run/docs/reference/rpc/google.cloud.run.v2 (November 2026). Another project is refused as
Google refuses what the caller may not see: github.com/google-github-actions/deploy-cloudrun/issues/182.
"""

# proto-plus and protobuf's dynamic modules come without type information.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.cloud.run_v2 import types
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2

from allclear.simulator.faces.cloud_run_messages import (
    Names,
    edit_from_request,
    operation_message,
    revision_message,
    service_message,
)
from allclear.simulator.faces.gate import Call, Gate, whole_number
from allclear.simulator.faults import Fault
from allclear.simulator.run_service import RunError
from allclear.simulator.world import World

DEFAULT_PAGE, LARGEST_PAGE = 100, 1000
"""Revisions in one answer of ListRevisions. (From memory.)"""
PERMISSIONS = {
    "GetService": "run.services.get",
    "ListServices": "run.services.list",
    "UpdateService": "run.services.update",
    "ListRevisions": "run.revisions.list",
    "GetRevision": "run.revisions.get",
    "GetOperation": "run.operations.get",
    "WaitOperation": "run.operations.get",
}

Answer = TypeVar("Answer")


class CloudRun:
    """The methods of Services, Revisions and Operations that incident response uses."""

    def __init__(self, world: World) -> None:
        self._world, self._names = world, Names(world)
        self._gate = Gate(world, "cloud_run", frozenset({"UpdateService"}))

    async def call(
        self,
        method: str,
        handle: Callable[[Call], Answer],
        hang_up: Callable[[], Awaitable[None]],
    ) -> Answer:
        """Run one method through the waiting faults and the caller's permissions.

        :raises RunError: whatever Cloud Run says no with.
        """

        async def at_once(call: Call) -> Answer:
            return handle(call)

        return await self.call_waiting(method, at_once, hang_up)

    async def call_waiting(
        self,
        method: str,
        handle: Callable[[Call], Awaitable[Answer]],
        hang_up: Callable[[], Awaitable[None]],
        resource: str = "",
    ) -> Answer:
        """As ``call``, for a method that may wait; ``resource`` is what a denial names.

        :raises RunError: whatever Cloud Run says no with.
        """

        async def handled(call: Call) -> Answer:
            try:
                needed = PERMISSIONS.get(method)
                if needed is not None and needed not in self._world.scenario.permissions:
                    raise denied(needed, resource)
                return await handle(call)
            except RunError as error:
                call.result = f"refused: {error.code} {error.message}"
                raise

        def refuse(fault: Fault) -> Answer:
            raise _refusal(fault, method, resource)

        return await self._gate.let_in(method, handled, refuse, hang_up)

    def get_service(self, request: types.GetServiceRequest, _call: Call) -> types.Service:
        """The service as it is now."""
        self._expect(request.name, self._names.service, "SERVICE")
        return service_message(self._world, self._world.service.state)

    def update_service(self, request: types.UpdateServiceRequest, call: Call) -> operations_pb2.Operation:
        """Start a change of the service, or only check it (``validate_only``)."""
        call.facts.update(
            service=request.service.name,
            update_mask=list(request.update_mask.paths),
            validate_only=request.validate_only,
            etag=request.service.etag,
            traffic=[
                {"revision": t.revision or "latest", "percent": t.percent, "tag": t.tag}
                for t in request.service.traffic
            ],
        )
        self._expect(request.service.name, self._names.service, "SERVICE")
        operation = self._world.service.update(
            edit_from_request(self._world, request),
            etag=request.service.etag,
            validate_only=request.validate_only,
        )
        call.facts.update(operation=operation.id, generation=operation.edited.generation)
        return operation_message(self._world, operation)

    def granted_permissions(
        self, request: iam_policy_pb2.TestIamPermissionsRequest, _call: Call
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Those of the asked permissions that the caller has; a fault to come takes one away."""
        self._expect(request.resource, self._names.service, "SERVICE")
        denied = {
            permission
            for method, permission in PERMISSIONS.items()
            if self._world.faults.expects("cloud_run", method, "permission_denied")
        }
        granted = [
            permission
            for permission in request.permissions
            if permission in self._world.scenario.permissions and permission not in denied
        ]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted)

    def list_revisions(self, request: types.ListRevisionsRequest, _: Call) -> types.ListRevisionsResponse:
        """The service's revisions, newest first, a page at a time."""
        every = f"{self._names.location}/services/-"
        if request.parent != every:
            self._expect(request.parent, self._names.service, "SERVICE")
        if request.page_size < 0:
            raise RunError("INVALID_ARGUMENT", "page_size: must not be negative.")
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        first = page_start(request.page_token)
        found = self._world.service.newest_first(deleted=request.show_deleted)
        rest = len(found) > first + size
        return types.ListRevisionsResponse(
            revisions=[revision_message(self._world, r) for r in found[first : first + size]],
            next_page_token=page_token(first + size) if rest else "",
        )

    def get_revision(self, request: types.GetRevisionRequest, _: Call) -> types.Revision:
        """One revision by its full name."""
        parent, _slash, short = request.name.rpartition("/revisions/")
        if parent != f"{self._names.location}/services/-":
            self._expect(parent, self._names.service, "REVISION", request.name)
        return revision_message(self._world, self._world.service.revision(short))

    def get_operation(self, request: operations_pb2.GetOperationRequest, _: Call) -> operations_pb2.Operation:
        """How far an update has come."""
        parent, _slash, identity = request.name.rpartition("/operations/")
        self._expect(parent, self._names.location, "OPERATION", request.name)
        operation = self._world.service.operations.get(identity)
        if operation is None:
            raise _not_found(request.name, "OPERATION")
        return operation_message(self._world, operation)

    def _expect(self, given: str, known: str, kind: str, asked: str = "") -> None:
        if not given.startswith("projects/"):
            said = f"'{asked or given}' is not a full resource name (projects/…/locations/…)"
            raise RunError("INVALID_ARGUMENT", f"name: {said}.")
        project = f"projects/{self._world.scenario.project}/"
        if not given.startswith(project):
            words = f"Permission denied on resource '{asked or given}' (or resource may not exist)."
            raise RunError("PERMISSION_DENIED", words)
        if given != known:
            raise _not_found(asked or given, kind)


def _not_found(name: str, kind: str) -> RunError:
    return RunError("NOT_FOUND", f"Resource '{name}' of kind '{kind}' does not exist.")


def denied(permission: str, resource: str) -> RunError:
    """The refusal of a caller without a permission, or of one who asks for what it may not know of."""
    named = f"resource '{resource}' (or resource may not exist)" if resource else "the resource"
    return RunError("PERMISSION_DENIED", f"Permission '{permission}' denied on {named}.")


def _refusal(fault: Fault, method: str, resource: str) -> RunError:
    if fault.kind == "permission_denied":
        return denied(PERMISSIONS.get(method, method), resource)
    if fault.kind == "rate_limited":
        return RunError("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Write requests'.")
    if fault.kind == "server_error":
        return RunError("INTERNAL", "Internal error encountered.")
    return RunError("UNAVAILABLE", "The service is currently unavailable.")


def page_token(offset: int) -> str:
    """The token of the page that begins there."""
    return base64.urlsafe_b64encode(f"from:{offset}".encode()).decode()


def page_start(token: str) -> int:
    """Where the page of a token begins.

    :raises RunError: INVALID_ARGUMENT for a token that was not given out.
    """
    if not token:
        return 0
    try:
        kind, _, number = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except ValueError:
        kind, number = "", ""
    offset = whole_number(number) if kind == "from" else None
    if offset is None:
        raise RunError("INVALID_ARGUMENT", "page_token: is not one that was given out.")
    return offset
