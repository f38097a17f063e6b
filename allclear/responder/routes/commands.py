"""The routes through which people act: one for each command of `allclear.commands.catalog`.

They run on the loop of the background workers, where the clients of the outside systems are, so that a command that
takes long holds up no alert. A client that disconnects meanwhile stops nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from allclear.bootstrap import Engine
from allclear.commands.acts import Act
from allclear.commands.base import Command, read_fields
from allclear.commands.catalog import COMMANDS
from allclear.commands.company import Declare, RevokeLinks, TakeOver
from allclear.commands.previews import ChangeView, PreviewAct, PreviewUndo
from allclear.domain.errors import ConfigError
from allclear.domain.records import By
from allclear.domain.text import plain
from allclear.responder import strict_json
from allclear.responder.callers import LONGEST_KEY, Callers, Described, with_request
from allclear.responder.limits import Limits
from allclear.responder.routes.lazy_route import LateRoute
from allclear.responder.routes.models import Responses
from allclear.responder.routes.problems import (
    BAD_GATEWAY,
    CONFLICT,
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    TOO_LARGE,
    UNAUTHORIZED,
    UNAVAILABLE,
)

IncidentId = Annotated[str, Path(description="As VS-12.")]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        description="Identifies the request, such as a UUID. If its answer was lost, send it again with the same key: "
        f"it is carried out once. Up to {LONGEST_KEY} characters.",
    ),
]
As = Annotated[str, Header(alias="Allclear-As", description="Your name. If the token is another person's: refused.")]
Role = Annotated[
    str, Header(alias="Allclear-Role", description="The role in which you act. Default: the token's, or your first.")
]


class Done(BaseModel):
    """What was done."""

    sentence: str = Field(description="What was recorded or done, in one or two sentences.")


class Declared(Done):
    """An incident that was declared."""

    incident: str = Field(description="Its id, as VS-12.")


PROBLEMS: Responses = UNAUTHORIZED | FORBIDDEN | NOT_FOUND | CONFLICT | TOO_LARGE | INVALID | BAD_GATEWAY | UNAVAILABLE


@dataclass(frozen=True)
class CommandServices:
    """What the routes of commands need."""

    engine: Engine
    callers: Callers
    limits: Limits
    run: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Awaitable[Any]]
    """Runs work on the loop of the background workers."""
    written: Callable[[], None]
    """Called after a command, from any thread: the background workers go on at once."""

    async def answer(self, request: Request, work: Callable[[By, Any], Coroutine[Any, Any, BaseModel]]) -> JSONResponse:
        """Return the answer to a request: what `work` returns for its author and body."""
        with self.limits.admit() as admitted:
            by = await self.callers.acts(request)
            sent = read_json(await admitted.read(request))
            done = await asyncio.shield(self._on_background(lambda: work(by, sent)))
        return JSONResponse(done.model_dump(mode="json"))

    async def _on_background(self, work: Callable[[], Coroutine[Any, Any, BaseModel]]) -> BaseModel:
        try:
            return await self.run(work)
        finally:
            self.written()


def command_routes(services: CommandServices) -> APIRouter:
    """Return the routes of all commands."""
    router = APIRouter(route_class=LateRoute, responses=PROBLEMS, tags=["commands"])
    for command in COMMANDS:
        _add(router, services, command)
    for command in (Act, TakeOver, RevokeLinks):
        _add_of_company(router, services, command)
    _add_declare(router, services)
    _add_previews(router, services)
    return router


def _add(router: APIRouter, services: CommandServices, command: type[Command]) -> None:
    async def endpoint(
        request: Request,
        incident_id: IncidentId,
        key: Key = "",
        _name: As = "",
        _role: Role = "",
        _described: Described = None,
    ) -> JSONResponse:
        async def work(by: By, body: Any) -> Done:  # noqa: ANN401 - JSON
            by = with_request(by, key, [command.name, incident_id, body])
            given = read_fields(command, body)
            return Done(sentence=await given.carry_out(services.engine, incident_id, by))

        return await services.answer(request, work)

    router.add_api_route(f"/incidents/{{incident_id}}/{command.name}", endpoint, **_described(command, Done))


def _add_of_company(router: APIRouter, services: CommandServices, command: type[Command]) -> None:
    async def endpoint(
        request: Request, key: Key = "", _name: As = "", _role: Role = "", _described: Described = None
    ) -> JSONResponse:
        async def work(by: By, body: Any) -> Done:  # noqa: ANN401 - JSON
            by = with_request(by, key, [command.name, body])
            given = read_fields(command, body)
            return Done(sentence=await given.carry_out(services.engine, "", by))

        return await services.answer(request, work)

    router.add_api_route(f"/{command.name}", endpoint, **_described(command, Done))


def _add_declare(router: APIRouter, services: CommandServices) -> None:
    async def endpoint(
        request: Request, key: Key = "", _name: As = "", _role: Role = "", _described: Described = None
    ) -> JSONResponse:
        async def work(by: By, body: Any) -> Declared:  # noqa: ANN401 - JSON
            by = with_request(by, key, ["incidents", body])
            given = read_fields(Declare, body)
            declared = given.open(services.engine, by)
            return Declared(sentence=given.words(services.engine, declared), incident=declared.incident)

        return await services.answer(request, work)

    router.add_api_route("/incidents", endpoint, **_described(Declare, Declared))


def _add_previews(router: APIRouter, services: CommandServices) -> None:
    @router.post(
        "/incidents/{incident_id}/preview-undo",
        summary="Show what an undo would change",
        response_model=ChangeView,
        response_description="The change. Send its `digest` with the undo.",
        **_body(PreviewUndo),
    )
    async def preview_undo(
        request: Request, incident_id: IncidentId, _name: As = "", _role: Role = "", _described: Described = None
    ) -> JSONResponse:
        """Show the change that undoing an act would make now, before it is done. Nothing is changed."""

        async def work(by: By, body: Any) -> ChangeView:  # noqa: ANN401 - JSON
            return await read_fields(PreviewUndo, body).show(services.engine, incident_id, by)

        return await services.answer(request, work)

    @router.post(
        "/preview-act",
        summary="Show what an action would change",
        response_model=ChangeView,
        response_description="The change. Send its `digest` with the action.",
        **_body(PreviewAct),
    )
    async def preview_act(
        request: Request, _name: As = "", _role: Role = "", _described: Described = None
    ) -> JSONResponse:
        """Show the change that an action would make now, before it is done or proposed. Nothing is changed."""

        async def work(_by: By, body: Any) -> ChangeView:  # noqa: ANN401 - JSON
            return await read_fields(PreviewAct, body).show(services.engine)

        return await services.answer(request, work)


def _described(command: type[Command], answer: type[BaseModel]) -> dict[str, Any]:
    """Return how a command's route is described in /openapi.json."""
    return {
        "methods": ["POST"],
        "summary": command.title,
        "description": command.__doc__,
        "operation_id": command.name.replace("-", "_"),
        "response_model": answer,
        "response_description": "It is recorded or done.",
        **_body(command),
    }


def _body(command: type[BaseModel]) -> dict[str, Any]:
    """Return how the body of a request is described in /openapi.json, which is worked out when it is asked for."""

    def described() -> dict[str, Any]:
        schema = command.model_json_schema()
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

    return {"openapi_extra": described}


def read_json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON in a body; an empty body is an empty object. Raises ConfigError if it is none."""
    try:
        return strict_json.decode(body) if body.strip() else {}
    except ValueError as error:
        raise ConfigError("The body is not JSON that can be read.", f"Correct it: {plain(str(error), 200)}.") from error
