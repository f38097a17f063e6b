"""GitHub's issues of one repository. *Source:* the REST API reference, version 2022-11-28, read November 2026."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.github_views import Views
from allclear.simulator.apis.http_api import Call, as_object, parse_json, read_body, whole_number
from allclear.simulator.github_repository import GithubError, GithubRepository

Handler = Callable[[Request, Call], Awaitable[Response]]
READS = frozenset({"list_issues", "get_issue"})
WRITES = frozenset({"create_issue", "update_issue"})


class Routing(Protocol):
    """Makes a route whose requests are answered as GitHub's `method`, for callers with the token."""

    def __call__(self, path: str, method: str, handle: Handler, verb: str = "GET") -> Route:
        """Return the route."""
        ...


class IssueRoutes:
    """Shows and changes issues."""

    def __init__(self, repository: GithubRepository, views: Callable[[Request], Views]) -> None:
        self._repository, self._views = repository, views

    def routes(self, route: Routing) -> list[Route]:
        """Return the routes."""
        path = "/repos/{owner}/{name}/issues"
        return [
            route(path, "list_issues", self._list),
            route(path, "create_issue", self._create, "POST"),
            route(f"{path}/{{number:int}}", "get_issue", self._show),
            route(f"{path}/{{number:int}}", "update_issue", self._update, "PATCH"),
        ]

    async def _list(self, request: Request, _: Call) -> Response:
        self._on()
        views, asked = self._views(request), request.query_params
        shown = [views.issue(issue) for issue in self._repository.issues]
        shown += [{**views.pull(pull), "pull_request": {"url": ""}} for pull in self._repository.pulls]
        if asked.get("state", "open") != "all":
            shown = [one for one in shown if one["state"] == asked.get("state", "open")]
        shown.sort(key=lambda one: one["number"], reverse=True)
        return JSONResponse(shown[: whole_number(asked.get("per_page", "")) or 30])

    async def _show(self, request: Request, _: Call) -> Response:
        self._on()
        return JSONResponse(self._views(request).issue(self._repository.issue(request.path_params["number"])))

    async def _create(self, request: Request, call: Call) -> Response:
        self._on()
        body = await _object(request)
        title = call.facts["title"] = str(body.get("title") or "")
        if not title.strip():
            raise GithubError(422, "Validation Failed: title can't be blank")
        labels, people = (
            [str(one) for one in cast("list[object]", body.get(name) or [])] for name in ("labels", "assignees")
        )
        if call.ignored:
            ghost = {"number": 9999, "title": title, "state": "open", "html_url": ""}
            return JSONResponse(ghost, 201)
        issue = self._repository.open_issue(title, str(body.get("body") or ""), labels, people)
        call.facts["number"] = issue.number
        return JSONResponse(self._views(request).issue(issue), 201)

    async def _update(self, request: Request, call: Call) -> Response:
        self._on()
        issue, body = self._repository.issue(request.path_params["number"]), await _object(request)
        call.facts |= {"number": issue.number, "state": body.get("state")}
        if body.get("state") not in (None, "open", "closed"):
            raise GithubError(422, "Validation Failed: state is invalid")
        if not call.ignored:
            issue.state = str(body.get("state") or issue.state)
            issue.reason = body.get("state_reason")
        return JSONResponse(self._views(request).issue(issue))

    def _on(self) -> None:
        if not self._repository.spec.issues:
            raise GithubError(410, "Issues has been disabled in this repository.")


async def _object(request: Request) -> dict[str, Any]:
    try:
        return as_object(parse_json(await read_body(request))) or {}
    except ValueError:
        raise GithubError(400, "Problems parsing JSON") from None
