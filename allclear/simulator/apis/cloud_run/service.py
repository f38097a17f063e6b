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
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.cloud.run_v2 import types
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2

from allclear.simulator.apis.cloud_run.messages import (
    edit_from_request,
    operation_message,
    revision_message,
    service_message,
)
from allclear.simulator.apis.http_api import Call, FaultInjector, whole_number
from allclear.simulator.faults import Fault
from allclear.simulator.regional_services import RegionalService
from allclear.simulator.revisions import Revision
from allclear.simulator.run_service import RunError
from allclear.simulator.world import World

DEFAULT_PAGE, LARGEST_PAGE = 100, 1000
"""Services or revisions in one answer of a list. (From memory.)"""
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
Item = TypeVar("Item")
ANY = "-"
"""Stands for every service in ListRevisions and GetRevision. ListServices takes no such region, says its request's
description in `google.cloud.run_v2` 0.16.2."""
_LOCATION = re.compile(r"projects/[^/]+/locations/([^/]+)")


class CloudRun:
    """The methods of Services, Revisions and Operations that incident response uses."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._faults = FaultInjector(world, "cloud_run", frozenset({"UpdateService"}))

    async def call(
        self,
        method: str,
        handle: Callable[[Call], Answer],
        hang_up: Callable[[], Awaitable[None]],
        region: str,
    ) -> Answer:
        """Run one method through the faults that wait in its region, and the caller's permissions.

        Raises RunError: Cloud Run refuses the request.
        """

        async def at_once(call: Call) -> Answer:
            return handle(call)

        return await self.call_waiting(method, at_once, hang_up, region)

    async def call_waiting(
        self,
        method: str,
        handle: Callable[[Call], Awaitable[Answer]],
        hang_up: Callable[[], Awaitable[None]],
        region: str,
        resource: str = "",
    ) -> Answer:
        """As `call`, for a method that may wait; `resource` is what a denial names.

        Raises RunError: Cloud Run refuses the request.
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

        return await self._faults.handle_call(method, handled, refuse, hang_up, region)

    def get_service(self, request: types.GetServiceRequest, call: Call) -> types.Service:
        """Return the service as it is now; a stale read shows it as it was before its last write."""
        site = self._site(request.name, "SERVICE")
        return service_message(site, site.service.before if call.stale else site.service.state)

    def list_services(self, request: types.ListServicesRequest, _: Call) -> types.ListServicesResponse:
        """Return the services of a region, by name, a page at a time."""
        if region_of(request.parent) == ANY:
            raise RunError("INVALID_ARGUMENT", f"parent: '{request.parent}' must name a region, which '-' does not.")
        found, token = _page(self._region(request.parent, "LOCATION"), request.page_size, request.page_token)
        return types.ListServicesResponse(
            services=[service_message(site, site.service.state) for site in found], next_page_token=token
        )

    def update_service(self, request: types.UpdateServiceRequest, call: Call) -> operations_pb2.Operation:
        """Start a change of the service, or only check it (`validate_only`)."""
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
        site = self._site(request.service.name, "SERVICE")
        if call.concurrent_write:
            site.service.touch()
        operation = site.service.update(
            edit_from_request(site, request),
            etag=request.service.etag,
            validate_only=request.validate_only,
        )
        call.facts.update(operation=operation.id, generation=operation.edited.generation)
        return operation_message(site, operation)

    def granted_permissions(
        self, request: iam_policy_pb2.TestIamPermissionsRequest, _call: Call
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Return those of the asked permissions that the caller has; a fault to come takes one away."""
        site = self._site(request.resource, "SERVICE")
        denied = {
            permission
            for method, permission in PERMISSIONS.items()
            if self._world.faults.expects("cloud_run", method, "permission_denied", site.region)
        }
        granted = [
            permission
            for permission in request.permissions
            if permission in self._world.scenario.permissions and permission not in denied
        ]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted)

    def list_revisions(self, request: types.ListRevisionsRequest, _: Call) -> types.ListRevisionsResponse:
        """Return a service's revisions, or those of all services of a region, newest first, a page at a time."""
        revisions = [
            (site, revision)
            for site in self._sites(request.parent, "SERVICE")
            for revision in site.service.newest_first(deleted=request.show_deleted)
        ]
        revisions.sort(key=lambda found: found[1].created_at, reverse=True)
        found, token = _page(revisions, request.page_size, request.page_token)
        return types.ListRevisionsResponse(
            revisions=[revision_message(site, revision) for site, revision in found], next_page_token=token
        )

    def get_revision(self, request: types.GetRevisionRequest, _: Call) -> types.Revision:
        """Return one revision by its full name."""
        parent, _slash, short = request.name.rpartition("/revisions/")
        found = _revision(self._sites(parent, "REVISION", request.name), short)
        if found is None:
            raise _not_found(request.name, "REVISION")
        return revision_message(*found)

    def get_operation(self, request: operations_pb2.GetOperationRequest, _: Call) -> operations_pb2.Operation:
        """Return how far an update has come."""
        parent, _slash, identity = request.name.rpartition("/operations/")
        for site in self._region(parent, "OPERATION", request.name):
            if operation := site.service.operations.get(identity):
                return operation_message(site, operation)
        raise _not_found(request.name, "OPERATION")

    def _site(self, name: str, kind: str, asked: str = "") -> RegionalService:
        """Return the service of that full name; refusals speak of `asked`."""
        parent, _slash, short = name.rpartition("/services/")
        for site in self._region(parent, kind, asked or name):
            if site.name == short:
                return site
        raise _not_found(asked or name, kind)

    def _sites(self, name: str, kind: str, asked: str = "") -> list[RegionalService]:
        """Return the service of that full name, or with `-` for its own name every service of the region."""
        parent, _slash, short = name.rpartition("/services/")
        return self._region(parent, kind, asked or name) if short == ANY else [self._site(name, kind, asked)]

    def _region(self, name: str, kind: str, asked: str = "") -> list[RegionalService]:
        """Return the services of the region of that full name."""
        asked = asked or name
        if not asked.startswith("projects/"):
            said = f"'{asked}' is not a full resource name (projects/…/locations/…)"
            raise RunError("INVALID_ARGUMENT", f"name: {said}.")
        if not asked.startswith(f"projects/{self._world.scenario.project}/"):
            words = f"Permission denied on resource '{asked}' (or resource may not exist)."
            raise RunError("PERMISSION_DENIED", words)
        place = _LOCATION.fullmatch(name)
        if place is None:
            raise _not_found(asked, kind)
        return self._world.regional_services.within(place[1])


def region_of(name: str) -> str:
    """Return the region in a full resource name; empty if it has none."""
    place = _LOCATION.match(name)
    return place[1] if place else ""


def _revision(regional_services: list[RegionalService], name: str) -> tuple[RegionalService, Revision] | None:
    return next(
        ((one, one.service.revisions[name]) for one in regional_services if name in one.service.revisions), None
    )


def _page(items: list[Item], size: int, token: str) -> tuple[list[Item], str]:
    """Return the asked page, and the token of the next one if there is one."""
    if size < 0:
        raise RunError("INVALID_ARGUMENT", "page_size: must not be negative.")
    first = page_start(token)
    end = first + min(size or DEFAULT_PAGE, LARGEST_PAGE)
    return items[first:end], page_token(end) if len(items) > end else ""


def _not_found(name: str, kind: str) -> RunError:
    return RunError("NOT_FOUND", f"Resource '{name}' of kind '{kind}' does not exist.")


def denied(permission: str, resource: str) -> RunError:
    """Return the refusal of a caller without a permission, or of one who asks for what it may not know of."""
    named = f"resource '{resource}' (or resource may not exist)" if resource else "the resource"
    return RunError("PERMISSION_DENIED", f"Permission '{permission}' denied on {named}.")


def _refusal(fault: Fault, method: str, resource: str) -> RunError:  # noqa: PLR0911 - one line a kind
    if fault.kind == "permission_denied":
        return denied(PERMISSIONS.get(method, method), resource)
    if fault.kind == "act_as_denied":
        account = "123456789012-compute@developer.gserviceaccount.com"
        words = f"Permission 'iam.serviceaccounts.actAs' denied on service account {account} (or it may not exist)."
        return RunError("PERMISSION_DENIED", words)
    if fault.kind == "already_exists":
        return RunError(
            "ALREADY_EXISTS", "Revision named 'shop-00042-qoz' with different configuration already exists."
        )
    if fault.kind == "unauthenticated":
        return RunError("UNAUTHENTICATED", "Request had invalid authentication credentials.")
    if fault.kind == "rate_limited":
        return RunError("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Write requests'.")
    if fault.kind == "server_error":
        return RunError("INTERNAL", "Internal error encountered.")
    return RunError("UNAVAILABLE", "The service is currently unavailable.")


def page_token(offset: int) -> str:
    """Return the token of the page that begins there."""
    return base64.urlsafe_b64encode(f"from:{offset}".encode()).decode()


def page_start(token: str) -> int:
    """Return where the page of a token begins.

    Raises RunError: INVALID_ARGUMENT for a token that was not given out.
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
