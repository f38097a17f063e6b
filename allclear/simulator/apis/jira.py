"""Jira Cloud's REST API v3 for one project: tickets, their transitions and assignees, and the search.

*Source:* Atlassian's published description (December 2025): paths, statuses, fields, errors as `{"errorMessages",
"errors"}`, 410 for the older search. From memory: the sentences of refusals.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, as_object, parse_json, random_text, read_body
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.event_log import iso
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.jira_project import STATUSES, JiraProject, SimulatedTicket
from allclear.simulator.scenario import Production
from allclear.simulator.world import World

Handler = Callable[[Request, Call], Awaitable[Response]]
READS = frozenset({"search", "get_issue", "get_transitions", "search_users", "get_permissions"})
WRITES = frozenset({"create_issue", "transition", "assign"})
EMAIL = "allclear@example.com"
"""The address of the token's account."""
_JQL = re.compile(r'project = "?(?P<project>\w+)"? AND labels = "?(?P<label>[^"\s]+)"?', re.IGNORECASE)
_REFUSALS = {
    "rate_limited": (429, "Rate limit exceeded."),
    "permission_denied": (403, "You do not have permission to do this."),
    "server_error": (500, "Internal server error"),
}


class JiraApi(HttpApi):
    """Shows and changes the project's tickets, for the token's account."""

    name = "jira"
    writes = WRITES

    def __init__(self, world: World, project: JiraProject, token: str) -> None:
        super().__init__(world)
        self._project, self._token = project, token

    def app(self) -> Starlette:
        """Return the API as an ASGI application."""
        issue = "/rest/api/3/issue"
        return Starlette(
            routes=[
                self._route("/rest/api/3/search/jql", "search", self._search, "POST"),
                self._route("/rest/api/3/search", "search", self._gone, "POST"),
                self._route(issue, "create_issue", self._create, "POST"),
                self._route(f"{issue}/{{key}}", "get_issue", self._show),
                self._route(f"{issue}/{{key}}/transitions", "get_transitions", self._transitions),
                self._route(f"{issue}/{{key}}/transitions", "transition", self._move, "POST"),
                self._route(f"{issue}/{{key}}/assignee", "assign", self._assign, "PUT"),
                self._route("/rest/api/3/user/search", "search_users", self._users),
                self._route("/rest/api/3/mypermissions", "get_permissions", self._permissions),
            ]
        )

    def refusal(self, fault: Fault) -> Response:
        """Jira's answers to a request that fails or is refused."""
        return _error(*_REFUSALS.get(fault.kind, (503, "Service unavailable"))).response

    def _route(self, path: str, method: str, handle: Handler, verb: str = "GET") -> Route:
        async def authorized(request: Request, call: Call) -> Response:
            basic = base64.b64encode(f"{EMAIL}:{self._token}".encode()).decode()
            if request.headers.get("authorization") != f"Basic {basic}":
                raise _error(401, "Client must be authenticated to access this resource.")
            return await handle(request, call)

        async def asked(request: Request) -> Response:
            return await self.answer(method, request, authorized)

        return Route(path, asked, methods=[verb])

    async def _gone(self, _: Request, __: Call) -> Response:
        raise _error(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")

    async def _search(self, request: Request, _: Call) -> Response:
        body = await _object(request)
        asked = _JQL.search(str(body.get("jql", "")))
        if asked is None:
            raise _error(400, "Unbounded JQL queries are not allowed here.")
        if asked["project"] != self._project.spec.project:
            raise _error(400, f"The value '{asked['project']}' does not exist for the field 'project'.")
        wanted = body.get("fields")
        found = [self._shown(ticket) for ticket in self._project.search(asked["label"])]
        if not wanted:
            found = [{"id": one["id"]} for one in found]
        return JSONResponse({"issues": found, "isLast": True})

    async def _create(self, request: Request, call: Call) -> Response:
        fields = as_object((await _object(request)).get("fields")) or {}
        spec, wrong = self._project.spec, dict[str, str]()
        if (as_object(fields.get("project")) or {}).get("key") != spec.project:
            wrong["project"] = "valid project is required"
        if (as_object(fields.get("issuetype")) or {}).get("name") not in spec.issue_types:
            wrong["issuetype"] = "Specify a valid issue type"
        summary = str(fields.get("summary") or "")
        if not summary or len(summary) > 255 or "\n" in summary:  # noqa: PLR2004 - Jira's own limit
            wrong["summary"] = "You must specify a summary of the issue."
        if (as_object(fields.get("description")) or {"type": "doc"}).get("type") != "doc":
            wrong["description"] = "Operation value must be an Atlassian Document"
        labels = [str(one) for one in cast("list[object]", fields.get("labels") or [])]
        if any(" " in label for label in labels):
            wrong["labels"] = "The label contains spaces which is invalid."
        wrong |= {name: f"{name} is required." for name in spec.required_fields if name not in fields}
        if wrong:
            raise _error(400, "", wrong)
        assignee = self._project.by_account((as_object(fields.get("assignee")) or {}).get("accountId"))
        call.facts["labels"] = labels
        if call.ignored:
            return JSONResponse({"id": "9999", "key": f"{spec.project}-9999", "self": ""}, 201)
        ticket = self._project.create(summary, fields.get("description"), labels, assignee)
        key = call.facts["key"] = self._project.key(ticket)
        return JSONResponse({"id": str(10_000 + ticket.number), "key": key, "self": str(request.url)}, 201)

    async def _show(self, request: Request, _: Call) -> Response:
        return JSONResponse(self._shown(self._find(request)))

    async def _transitions(self, request: Request, _: Call) -> Response:
        ticket = self._find(request)
        shown = [
            {"id": number, "name": name, "to": _status(name, category)}
            for number, (name, category) in self._project.ways(ticket).items()
        ]
        return JSONResponse({"transitions": shown})

    async def _move(self, request: Request, call: Call) -> Response:
        ticket, body = self._find(request), await _object(request)
        number = str((as_object(body.get("transition")) or {}).get("id"))
        if number not in self._project.ways(ticket):
            raise _error(400, f"Transition id '{number}' is not valid for this issue.")
        call.facts |= {"key": self._project.key(ticket), "to": STATUSES[number][0]}
        if not call.ignored:
            ticket.status, ticket.category = STATUSES[number]
        return Response(status_code=204)

    async def _assign(self, request: Request, call: Call) -> Response:
        ticket, body = self._find(request), await _object(request)
        account = body.get("accountId")
        person = self._project.by_account(account)
        if account is not None and person is None:
            raise _error(400, "", {"assignee": "The user does not exist."})
        call.facts |= {"key": self._project.key(ticket), "to": person}
        if not call.ignored:
            ticket.assignee = person
        return Response(status_code=204)

    async def _users(self, request: Request, _: Call) -> Response:
        query = request.query_params.get("query", "").lower()
        return JSONResponse([self._project.account(one) for one in self._project.spec.people if query in one.lower()])

    async def _permissions(self, request: Request, _: Call) -> Response:
        if request.query_params.get("projectKey") != self._project.spec.project:
            raise _error(404, "No project could be found with that key.")
        have = {"id": "11", "key": "CREATE_ISSUES", "havePermission": self._project.spec.may_create}
        return JSONResponse({"permissions": {"CREATE_ISSUES": have}})

    def _find(self, request: Request) -> SimulatedTicket:
        ticket = self._project.find(request.path_params["key"])
        if ticket is None:
            raise _error(404, "Issue does not exist or you do not have permission to see it.")
        return ticket

    def _shown(self, ticket: SimulatedTicket) -> dict[str, Any]:
        fields = {
            "summary": ticket.summary,
            "status": _status(ticket.status, ticket.category),
            "assignee": self._project.account(ticket.assignee) if ticket.assignee else None,
            "labels": ticket.labels,
            "created": iso(ticket.created_at),
        }
        return {"id": str(10_000 + ticket.number), "key": self._project.key(ticket), "fields": fields}


def _status(name: str, category: str) -> dict[str, Any]:
    return {"name": name, "statusCategory": {"key": category, "name": name}}


async def _object(request: Request) -> dict[str, Any]:
    try:
        return as_object(parse_json(await read_body(request))) or {}
    except ValueError:
        raise _error(400, "Invalid request payload.") from None


def _error(status: int, message: str, errors: dict[str, str] | None = None) -> Rejection:
    body = {"errorMessages": [message] if message else [], "errors": errors or {}}
    return Rejection(JSONResponse(body, status), message or str(errors))


def _jira_app(world: World, token: str) -> Starlette:
    if world.jira is None:
        raise ValueError("this production has no project in Jira")
    return JiraApi(world, world.jira, token).app()


def _options(scenario: Production) -> dict[str, str]:
    return {"email": EMAIL, "project": scenario.jira.project} if scenario.jira else {}


API = SimulatedApi(
    "jira",
    _jira_app,
    FaultPoints(READS | WRITES, ignorable=WRITES),
    new_secret=lambda: f"ATATT3x{random_text(40)}",
    options=_options,
    exists=lambda scenario: scenario.jira is not None,
)
