"""Cloud Run's Admin API v1 (Knative) over HTTP, which gcloud speaks: the same services, read and replaced whole.

*Source:* the discovery document of run v1 of 2026-10-31, and gcloud 528, which asks `REGION-run…`
by namespace and `run…` for a list of all regions. From memory: the wording of refusals. A replaced
service is written down as v2's update, with its traffic in v2's terms.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.cloud_run.http import error_response
from allclear.simulator.apis.cloud_run.label_selector import selector
from allclear.simulator.apis.cloud_run.messages import Names
from allclear.simulator.apis.cloud_run.service import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    PERMISSIONS,
    CloudRun,
    denied,
    page_start,
    page_token,
)
from allclear.simulator.apis.cloud_run.v1_edit import changed, edit_from, parsed, service_from
from allclear.simulator.apis.cloud_run.v1_messages import (
    list_view,
    operation_view,
    project_number,
    resource_version,
    revision_labels,
    revision_view,
    service_view,
)
from allclear.simulator.apis.http_api import MAX_BODY, Call, Rejection, break_connection, read_body, whole_number
from allclear.simulator.regional_services import RegionalService
from allclear.simulator.run_service import Operation, RunError
from allclear.simulator.world import World

LONGEST_WAIT = 30.0
"""Seconds that one call waits for an operation; gcloud asks for as many, and then again."""
ANY_REGION = "-"

_NAMESPACE = "/apis/serving.knative.dev/v1/namespaces/{project}"
_LOCATION = "/v1/projects/{project}/locations/{location}"
_REGIONAL_HOST = re.compile(r"([a-z]+-[a-z]+\d+)-")
_TOO_LARGE = f"Request payload size exceeds the limit: {MAX_BODY} bytes."
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")

View = dict[str, Any]
Handle = Callable[[Request, Call], View]


class CloudRunV1:
    """The v1 interface of the simulated Cloud Run."""

    def __init__(self, world: World, cloud_run: CloudRun) -> None:
        self._world, self._run = world, cloud_run

    def routes(self) -> list[Route]:
        """Return its paths, by namespace and by location."""
        routes: list[Route] = []
        for place in (_NAMESPACE, _LOCATION):
            service = f"{place}/services/{{service}}"
            routes += [
                self._route(f"{place}/services", "ListServices", self._list_services),
                self._route(service, "GetService", self._get_service),
                self._route(service, "UpdateService", self._replace_service, verb="PUT"),
                self._route(f"{place}/revisions", "ListRevisions", self._list_revisions),
                self._route(f"{place}/revisions/{{revision}}", "GetRevision", self._get_revision),
            ]
        operation = f"{_LOCATION}/operations/{{operation}}"
        routes.append(self._route(operation, "GetOperation", self._get_operation))
        routes.append(Route(f"{operation}:wait", self._wait_operation, methods=["POST"]))
        return routes

    def _route(self, path: str, method: str, handle: Handle, verb: str = "GET") -> Route:
        async def answer(request: Request) -> Response:
            async def handled(call: Call) -> View:
                self._expect_project(request, method)
                return handle(request, call)

            return await self._answer(method, request, handled)

        return Route(path, answer, methods=[verb])

    async def _answer(self, method: str, request: Request, handle: Callable[[Call], Awaitable[View]]) -> Response:
        try:
            # Before any wait: a caller that gives up takes an unread body with it.
            await read_body(request)
            return JSONResponse(
                await self._run.call_waiting(
                    method, handle, lambda: break_connection(request), self._region(request), _resource(request)
                )
            )
        except Rejection:
            return error_response(RunError("INVALID_ARGUMENT", _TOO_LARGE))
        except ClientDisconnect:
            return Response(status_code=400)
        except RunError as error:
            return error_response(error)

    def _get_service(self, request: Request, _: Call) -> View:
        site = self._site(request)
        return service_view(site, site.service.state)

    def _list_services(self, request: Request, _: Call) -> View:
        services = [service_view(site, site.service.state) for site in self._sites(request)]
        return self._page(request, "ServiceList", services)

    def _replace_service(self, request: Request, call: Call) -> View:
        """Start the change that makes the service what was sent, or only check it (`dryRun=all`)."""
        site = self._site(request)
        if call.concurrent_write:
            site.service.touch()
        sent = service_from(request.state.body)
        version, state = sent["metadata"].get("resourceVersion", ""), site.service.state
        dry_run = request.query_params.get("dryRun", "")
        call.facts.update(service=Names(site).service, validate_only=bool(dry_run), resource_version=version)
        if dry_run not in ("", "all"):
            raise RunError("INVALID_ARGUMENT", "dryRun: only 'all' is supported.")
        edit = edit_from(site, sent)
        call.facts.update(
            update_mask=changed(edit),
            traffic=[
                {"revision": t.revision or "latest", "percent": t.percent, "tag": t.tag}
                for t in (state.traffic if edit.traffic is None else edit.traffic)
            ],
        )
        if version and version != resource_version(state.etag):
            current = resource_version(state.etag)
            said = f"version '{version}' was specified but current version is '{current}'"
            raise RunError("ABORTED", f"Conflict for resource '{site.name}': {said}.")
        operation = site.service.update(edit, etag=state.etag if version else "", validate_only=bool(dry_run))
        call.facts.update(
            etag=state.etag if version else "", operation=operation.id, generation=operation.edited.generation
        )
        return service_view(site, operation.result or operation.edited)

    def _list_revisions(self, request: Request, _: Call) -> View:
        # All revisions of a service have the same labels: the selector takes all or none of them.
        matches = selector(request.query_params.get("labelSelector", ""))
        revisions = [
            (site, revision)
            for site in self._sites(request)
            if matches(revision_labels(site))
            for revision in site.service.newest_first(deleted=False)
        ]
        revisions.sort(key=lambda found: found[1].created_at, reverse=True)
        return self._page(request, "RevisionList", [revision_view(site, revision) for site, revision in revisions])

    def _get_revision(self, request: Request, _: Call) -> View:
        name = request.path_params["revision"]
        for site in self._world.regional_services.within(self._region(request)):
            revision = site.service.revisions.get(name)
            if revision is not None and revision.deleted_at is None:
                return revision_view(site, revision)
        raise self._not_found(request, "REVISION", name)

    def _get_operation(self, request: Request, _: Call) -> View:
        return operation_view(*self._operation(request))

    async def _wait_operation(self, request: Request) -> Response:
        async def handled(_: Call) -> View:
            self._expect_project(request, "WaitOperation")
            asked = parsed(request.state.body, "request", {"timeout": str}).get("timeout", f"{LONGEST_WAIT}s")
            seconds = _SECONDS.fullmatch(asked)
            if seconds is None:
                raise RunError("INVALID_ARGUMENT", f"timeout: '{asked}' is not a duration such as 30s.")
            site, operation = self._operation(request)
            try:
                async with asyncio.timeout(min(float(seconds[1]), LONGEST_WAIT)):
                    await operation.ended.wait()
            except TimeoutError:
                pass
            return operation_view(site, operation)

        return await self._answer("WaitOperation", request, handled)

    def _page(self, request: Request, kind: str, items: list[View]) -> View:
        query = request.query_params
        limit = whole_number(query.get("limit", "0"))
        if limit is None:
            raise RunError("INVALID_ARGUMENT", "limit: must be a whole number.")
        first = page_start(query.get("continue", ""))
        end = first + min(limit or DEFAULT_PAGE, LARGEST_PAGE)
        return list_view(kind, items[first:end], page_token(end) if len(items) > end else "")

    def _operation(self, request: Request) -> tuple[RegionalService, Operation]:
        identity = request.path_params["operation"]
        for site in self._world.regional_services.within(self._region(request)):
            if operation := site.service.operations.get(identity):
                return site, operation
        raise self._not_found(request, "OPERATION", identity)

    def _region(self, request: Request) -> str:
        regional = _REGIONAL_HOST.match(request.url.hostname or "")
        asked = request.path_params.get("location")
        return asked or (regional[1] if regional else self._world.scenario.region)

    def _site(self, request: Request) -> RegionalService:
        name = request.path_params["service"]
        site = self._world.regional_services.find(self._region(request), name)
        if site is None:
            raise self._not_found(request, "SERVICE", name)
        return site

    def _sites(self, request: Request) -> list[RegionalService]:
        region = self._region(request)
        return (
            list(self._world.regional_services)
            if region == ANY_REGION
            else self._world.regional_services.within(region)
        )

    def _expect_project(self, request: Request, method: str) -> None:
        project = self._world.scenario.project
        # A caller without rights in a project does not learn whether the project exists.
        if request.path_params["project"] not in (project, project_number(project)):
            raise denied(PERMISSIONS[method], _resource(request))

    def _not_found(self, request: Request, kind: str, name: str) -> RunError:
        where = f"in region '{self._region(request)}' in project '{self._world.scenario.project}'"
        return RunError("NOT_FOUND", f"Resource '{name}' of kind '{kind}' {where} does not exist.")


def _resource(request: Request) -> str:
    return request.url.path.partition("/v1/")[2].removesuffix(":wait")
