"""GitHub's API for one repository: commits, branches, pull requests, checks and workflows, over REST and GraphQL.

*Source:* GitHub's REST API reference, version 2022-11-28, and GraphQL reference, read November 2026: paths, statuses,
fields, and errors as `{"message", "documentation_url", "status"}`. GraphQL refuses with 200 and `errors`. From memory:
the sentences of refusals. A caller without permission meets 404, as for a private repository.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis import github_issues
from allclear.simulator.apis.github_views import Views
from allclear.simulator.apis.http_api import (
    Call,
    HttpApi,
    Rejection,
    as_object,
    parse_json,
    random_text,
    read_body,
    whole_number,
)
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.github_repository import GithubError, GithubRepository
from allclear.simulator.world import World

Handler = Callable[[Request, Call], Awaitable[Response]]
ACCOUNT = "allclear-bot"
"""The login of the token's account."""
PAGE = 30
_VERSIONS = ("2022-11-28", "2026-03-10")
_DOCUMENTATION = "https://docs.github.com/rest"
_REFUSALS = {
    "rate_limited": (429, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."),
    "permission_denied": (403, "Resource not accessible by personal access token"),
    "server_error": (500, "Server Error"),
}
READS = frozenset(
    {
        "get_repository",
        "get_ref",
        "get_commit",
        "list_commits",
        "list_pulls_of_commit",
        "list_pulls",
        "get_pull",
        "get_checks",
        "get_status",
        "get_workflow",
        "get_file",
        "list_runs",
        "get_run",
    }
)
WRITES = frozenset(
    {
        "create_commit",
        "create_ref",
        "delete_ref",
        "create_pull",
        "update_pull",
        "merge_pull",
        "revert_pull",
        "dispatch",
    }
)


class GithubApi(HttpApi):
    """Shows and changes the repository, for callers with the token."""

    name = "github"
    writes = WRITES | github_issues.WRITES

    def __init__(self, world: World, repository: GithubRepository, token: str) -> None:
        super().__init__(world)
        self._repository, self._token = repository, token

    def app(self) -> Starlette:
        """Return the API as an ASGI application."""
        repository = "/repos/{owner}/{name}"
        actions = f"{repository}/actions"
        return Starlette(
            routes=[
                self._route(repository, "get_repository", self._show_repository),
                self._route(f"{repository}/git/ref/heads/{{branch:path}}", "get_ref", self._show_ref),
                self._route(f"{repository}/git/commits/{{sha}}", "get_commit", self._show_git_commit),
                self._route(f"{repository}/git/commits", "create_commit", self._create_commit, "POST"),
                self._route(f"{repository}/git/refs", "create_ref", self._create_ref, "POST"),
                self._route(f"{repository}/git/refs/heads/{{branch:path}}", "delete_ref", self._delete_ref, "DELETE"),
                self._route(f"{repository}/commits", "list_commits", self._list_commits),
                self._route(f"{repository}/commits/{{sha}}/pulls", "list_pulls_of_commit", self._pulls_of_commit),
                self._route(f"{repository}/commits/{{sha}}/check-runs", "get_checks", self._show_checks),
                self._route(f"{repository}/commits/{{sha}}/status", "get_status", self._show_status),
                self._route(f"{repository}/commits/{{sha:path}}", "get_commit", self._show_commit),
                self._route(f"{repository}/pulls", "list_pulls", self._list_pulls),
                self._route(f"{repository}/pulls", "create_pull", self._create_pull, "POST"),
                self._route(f"{repository}/pulls/{{number:int}}", "get_pull", self._show_pull),
                self._route(f"{repository}/pulls/{{number:int}}", "update_pull", self._update_pull, "PATCH"),
                self._route(f"{repository}/pulls/{{number:int}}/merge", "merge_pull", self._merge_pull, "PUT"),
                self._route(f"{repository}/contents/.github/workflows/{{file}}", "get_file", self._show_file),
                self._route(f"{actions}/workflows/{{file}}", "get_workflow", self._show_workflow),
                self._route(f"{actions}/workflows/{{file}}/runs", "list_runs", self._list_runs),
                self._route(f"{actions}/workflows/{{file}}/dispatches", "dispatch", self._dispatch, "POST"),
                self._route(f"{actions}/runs/{{run:int}}", "get_run", self._show_run),
                *github_issues.IssueRoutes(self._repository, self._views).routes(self._route),
                Route("/graphql", self._graphql, methods=["POST"]),
            ]
        )

    def refusal(self, fault: Fault) -> Response:
        """GitHub's answers to a request that fails or is refused."""
        status, message = _REFUSALS.get(fault.kind, (503, "Service unavailable"))
        return _error(status, message).response

    def _route(self, path: str, method: str, handle: Handler, verb: str = "GET") -> Route:
        async def authorized(request: Request, call: Call) -> Response:
            self._authorize(request)
            try:
                return await handle(request, call)
            except GithubError as error:
                raise _error(error.status, error.message) from None

        async def asked(request: Request) -> Response:
            return await self.answer(method, request, authorized)

        return Route(path, asked, methods=[verb])

    def _authorize(self, request: Request) -> None:
        if not request.headers.get("user-agent"):
            raise _error(
                403, "Request forbidden by administrative rules. Please make sure you have a User-Agent header"
            )
        version = request.headers.get("x-github-api-version")
        if version is not None and version not in _VERSIONS:
            raise _error(400, f"{version} is not a supported version of the API")
        if request.headers.get("authorization") not in (f"Bearer {self._token}", f"token {self._token}"):
            raise _error(401, "Bad credentials")
        if "owner" in request.path_params:
            named = f"{request.path_params['owner']}/{request.path_params['name']}"
            if named.lower() != self._repository.spec.repository.lower():
                raise _error(404, "Not Found")

    def _views(self, request: Request) -> Views:
        return Views(self._repository, f"{request.url.scheme}://{request.url.netloc}")

    def _may_write(self) -> None:
        if not self._repository.spec.may_push:
            raise GithubError(403, "Resource not accessible by personal access token")

    # --- commits and branches ----------------------------------------------------------------------------

    async def _show_repository(self, request: Request, _: Call) -> Response:
        return JSONResponse(self._views(request).repository())

    async def _show_ref(self, request: Request, _: Call) -> Response:
        branch = request.path_params["branch"]
        if branch not in self._repository.branches:
            raise GithubError(404, "Not Found")
        return JSONResponse(self._views(request).ref(branch))

    async def _show_commit(self, request: Request, _: Call) -> Response:
        return JSONResponse(self._views(request).commit(self._repository.find_commit(request.path_params["sha"])))

    async def _show_git_commit(self, request: Request, _: Call) -> Response:
        return JSONResponse(self._views(request).git_commit(self._repository.find_commit(request.path_params["sha"])))

    async def _list_commits(self, request: Request, _: Call) -> Response:
        branch = request.query_params.get("sha") or self._repository.spec.branch
        if branch not in self._repository.branches and branch not in self._repository.commits:
            raise GithubError(404, "Not Found")
        listed = self._repository.history(branch)[: _limit(request)]
        return JSONResponse([self._views(request).commit(commit) for commit in listed])

    async def _create_commit(self, request: Request, call: Call) -> Response:
        self._may_write()
        body = await _object(request)
        author = as_object(body.get("author")) or {}
        commit = self._repository.commit(
            str(body.get("tree", "")),
            [str(parent) for parent in cast("list[object]", body.get("parents") or [])],
            str(body.get("message", "")),
            str(author.get("name") or ACCOUNT),
            str(author.get("date") or self._repository.now().strftime("%Y-%m-%dT%H:%M:%SZ")),
        )
        call.facts["sha"] = commit.sha
        return JSONResponse(self._views(request).git_commit(commit), 201)

    async def _create_ref(self, request: Request, call: Call) -> Response:
        self._may_write()
        body = await _object(request)
        ref = str(body.get("ref", ""))
        if not ref.startswith("refs/heads/"):
            raise GithubError(422, "Reference name must start with 'refs/'.")
        branch = call.facts["branch"] = ref.removeprefix("refs/heads/")
        self._repository.create_branch(branch, str(body.get("sha", "")))
        return JSONResponse(self._views(request).ref(branch), 201)

    async def _delete_ref(self, request: Request, call: Call) -> Response:
        self._may_write()
        branch = call.facts["branch"] = request.path_params["branch"]
        self._repository.delete_branch(branch)
        return Response(status_code=204)

    # --- pull requests -----------------------------------------------------------------------------------

    async def _pulls_of_commit(self, request: Request, _: Call) -> Response:
        sha = self._repository.find_commit(request.path_params["sha"]).sha
        found = [pull for pull in self._repository.pulls if sha in (pull.merge_commit, pull.head_sha)]
        return JSONResponse([self._views(request).pull(pull) for pull in found])

    async def _list_pulls(self, request: Request, _: Call) -> Response:
        asked, found = request.query_params, list(reversed(self._repository.pulls))
        state = asked.get("state", "open")
        if state != "all":
            found = [pull for pull in found if pull.state == state]
        if asked.get("base"):
            found = [pull for pull in found if pull.base == asked["base"]]
        if asked.get("head"):
            found = [pull for pull in found if pull.head == asked["head"].partition(":")[2]]
        return JSONResponse([self._views(request).pull(pull) for pull in found[: _limit(request)]])

    async def _show_pull(self, request: Request, _: Call) -> Response:
        pull = self._repository.pull(request.path_params["number"])
        return JSONResponse(self._views(request).pull(pull, whole=True))

    async def _create_pull(self, request: Request, call: Call) -> Response:
        self._may_write()
        body = await _object(request)
        if not body.get("title"):
            raise GithubError(422, "Validation Failed: title can't be blank")
        head = str(body.get("head", "")).rpartition(":")[2]
        title, text = str(body["title"]), str(body.get("body") or "")
        if call.ignored:
            return JSONResponse({**self._views(request).pull(self._repository.pulls[-1]), "number": 9999}, 201)
        pull = self._repository.open_pull(title, text, head, str(body.get("base", "")), ACCOUNT)
        call.facts["number"] = pull.number
        return JSONResponse(self._views(request).pull(pull, whole=True), 201)

    async def _update_pull(self, request: Request, call: Call) -> Response:
        self._may_write()
        pull, body = self._repository.pull(request.path_params["number"]), await _object(request)
        call.facts |= {"number": pull.number, "state": body.get("state")}
        if body.get("state") not in (None, "open", "closed"):
            raise GithubError(422, "Validation Failed: state is invalid")
        if pull.merged_at is None and not call.ignored:
            pull.state = str(body.get("state") or pull.state)
            pull.title = str(body.get("title") or pull.title)
        return JSONResponse(self._views(request).pull(pull, whole=True))

    async def _merge_pull(self, request: Request, call: Call) -> Response:
        self._may_write()
        pull, body = self._repository.pull(request.path_params["number"]), await _object(request)
        call.facts["number"] = pull.number
        if call.concurrent_write:
            self._repository.push_to(pull)
        sha = body.get("sha")
        if call.ignored:
            return JSONResponse({"sha": pull.head_sha, "merged": True, "message": "Pull Request successfully merged"})
        method = str(body.get("merge_method") or "merge")
        commit = self._repository.merge(pull, str(sha) if sha else None, method, ACCOUNT)
        return JSONResponse({"sha": commit.sha, "merged": True, "message": "Pull Request successfully merged"})

    async def _show_checks(self, request: Request, _: Call) -> Response:
        sha, views = request.path_params["sha"], self._views(request)
        runs = [views.check_run(run) for run in self._repository.checks if run.sha == sha]
        return JSONResponse({"total_count": len(runs), "check_runs": runs})

    async def _show_status(self, request: Request, _: Call) -> Response:
        return JSONResponse(self._views(request).status(request.path_params["sha"]))

    # --- workflows ---------------------------------------------------------------------------------------

    async def _show_file(self, request: Request, _: Call) -> Response:
        spec = self._repository.workflow(request.path_params["file"])
        return JSONResponse(self._views(request).workflow_file(spec))

    async def _show_workflow(self, request: Request, _: Call) -> Response:
        return JSONResponse(self._views(request).workflow(self._repository.workflow(request.path_params["file"])))

    async def _list_runs(self, request: Request, _: Call) -> Response:
        spec, views = self._repository.workflow(request.path_params["file"]), self._views(request)
        found = [run for run in reversed(self._repository.runs) if run.spec is spec]
        shown = [views.run(run) for run in found[: _limit(request)]]
        return JSONResponse({"total_count": len(found), "workflow_runs": shown})

    async def _show_run(self, request: Request, _: Call) -> Response:
        return JSONResponse(self._views(request).run(self._repository.run(request.path_params["run"])))

    async def _dispatch(self, request: Request, call: Call) -> Response:
        self._may_write()
        spec, body = self._repository.workflow(request.path_params["file"]), await _object(request)
        inputs = {str(name): str(value) for name, value in (as_object(body.get("inputs")) or {}).items()}
        call.facts |= {"file": spec.file, "ref": body.get("ref"), "inputs": inputs}
        details = body.get("return_run_details")
        if details is not None and not self._repository.spec.run_details:
            raise GithubError(422, 'Invalid request. "return_run_details" is not a permitted key.')
        if call.ignored:
            return JSONResponse({"workflow_run_id": 9999, "run_url": "", "html_url": ""})
        run, views = self._repository.dispatch(spec, str(body.get("ref", "")), inputs), self._views(request)
        if not details:
            return Response(status_code=204)
        return JSONResponse({"workflow_run_id": run.id, "run_url": views.run_url(run), "html_url": views.page_of(run)})

    # --- GraphQL -----------------------------------------------------------------------------------------

    async def _graphql(self, request: Request) -> Response:
        async def handle(request: Request, call: Call) -> Response:
            self._authorize(request)
            return await self._revert(request, call)

        return await self.answer("revert_pull", request, handle)

    async def _revert(self, request: Request, call: Call) -> Response:
        body = await _object(request)
        wanted = as_object((as_object(body.get("variables")) or {}).get("input")) or {}
        if not re.search(r"\brevertPullRequest\s*\(", str(body.get("query", ""))):
            return _graphql_error("undefinedField", "Only revertPullRequest is simulated")
        node = str(wanted.get("pullRequestId", ""))
        number = whole_number(node.removeprefix("PR_")) or 0
        call.facts["number"] = number
        if not self._repository.spec.may_push:
            call.result = "refused: no permission"
            return _graphql_error("FORBIDDEN", "Resource not accessible by personal access token")
        shown: dict[str, Any] = {"number": 9999, "url": ""}
        try:
            if not call.ignored:
                title, text = str(wanted.get("title") or ""), str(wanted.get("body") or "")
                draft = wanted.get("draft") is True
                pull = self._repository.revert(number, title, text, ACCOUNT, draft=draft)
                shown = {"number": pull.number, "url": self._views(request).pull_page(pull)}
        except GithubError as error:
            call.result = f"refused: {error.message}"
            if error.status == 404:  # noqa: PLR2004 - not found
                return _graphql_error("NOT_FOUND", f"Could not resolve to a node with the global id of '{node}'.")
            return _graphql_error("UNPROCESSABLE", error.message)
        return JSONResponse({"data": {"revertPullRequest": {"revertPullRequest": shown}}})


async def _object(request: Request) -> dict[str, Any]:
    try:
        body = as_object(parse_json(await read_body(request)))
    except ValueError:
        body = None
    if body is None:
        raise _error(400, "Problems parsing JSON")
    return body


def _limit(request: Request) -> int:
    return min(whole_number(request.query_params.get("per_page", "")) or PAGE, 100)


def _error(status: int, message: str) -> Rejection:
    body = {"message": message, "documentation_url": _DOCUMENTATION, "status": str(status)}
    return Rejection(JSONResponse(body, status), message)


def _graphql_error(kind: str, message: str) -> Response:
    error = {"type": kind, "path": ["revertPullRequest"], "message": message}
    return JSONResponse({"data": {"revertPullRequest": None}, "errors": [error]})


def _github_app(world: World, token: str) -> Starlette:
    if world.github is None:
        raise ValueError("this production has no repository on GitHub")
    return GithubApi(world, world.github, token).app()


API = SimulatedApi(
    "github",
    _github_app,
    FaultPoints(
        READS | WRITES | github_issues.READS | github_issues.WRITES,
        concurrent_write="merge_pull",
        ignorable=frozenset({"revert_pull", "create_pull", "update_pull", "merge_pull", "dispatch"})
        | github_issues.WRITES,
    ),
    new_secret=lambda: f"github_pat_{random_text(40)}",
    exists=lambda scenario: scenario.github is not None,
)
