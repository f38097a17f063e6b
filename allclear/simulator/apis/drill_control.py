"""The control API, with which a drill breaks and changes the simulated production and reads its event log.

No vendor speaks this protocol. It listens on the loopback interface like the rest and asks for no
key: only the user who started the simulation can reach it.
"""

# ruff: noqa: ANN401 - JSON can be anything

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Rejection, parse_json, read_body
from allclear.simulator.faults import Fault
from allclear.simulator.pagerduty_pages import PersonDoes, as_user
from allclear.simulator.regional_services import RegionalService
from allclear.simulator.run_service import RunError
from allclear.simulator.scenario_schema import ALL_TRAFFIC, LATEST, RevisionSpec, TrafficSpec, Trouble
from allclear.simulator.slack_people import SlackPeople, form_of, signed
from allclear.simulator.slack_workspace import Message
from allclear.simulator.world import World

_SOMEBODY = "somebody else"
Handler = Callable[[Request], Awaitable[Response]]


class Where(BaseModel):
    """A service by its region and name; without both it is the first one."""

    model_config = ConfigDict(extra="forbid")

    region: str = ""
    service: str = ""


class Deployment(Where):
    """`POST /deploy`: a revision's name, its pages' error rates, and whether it is ready."""

    revision: str
    faults: dict[str, float] = {}
    ready: bool = True
    maintenance: bool = False

    def as_spec(self) -> RevisionSpec:
        """Return the revision as a scenario would describe it."""
        return RevisionSpec(
            name=self.revision,
            ready=self.ready,
            maintenance=self.maintenance,
            faults=[Trouble(path=path, error_rate=rate) for path, rate in self.faults.items()],
        )


class Redirection(Where):
    """`POST /traffic`: the whole new traffic, as in a scenario."""

    traffic: list[TrafficSpec] = Field(min_length=1)


class Switch(BaseModel):
    """`POST /flags`: another person switches a flag."""

    model_config = ConfigDict(extra="forbid")

    name: str
    enabled: bool


class Subscription(BaseModel):
    """`POST /webhook`: where PagerDuty's webhook sends its events, and the secret that signs them."""

    model_config = ConfigDict(extra="forbid")

    address: str
    secret: str


class InPager(BaseModel):
    """`POST /pages`: a person does something in PagerDuty with the newest page, or with the one that is named."""

    model_config = ConfigDict(extra="forbid")

    does: PersonDoes
    user: str = ""
    name: str = ""
    page: str = ""
    to: list[str] = []
    text: str = ""


class Pressed(BaseModel):
    """`POST /slack/press`: a person presses the newest button that says `words`; `to` is the responder's address."""

    model_config = ConfigDict(extra="forbid")

    user: str
    words: str
    to: str


class Typed(BaseModel):
    """`POST /slack/type`: a person types `/incident` and a text in the first channel."""

    model_config = ConfigDict(extra="forbid")

    user: str
    text: str = ""
    to: str


class ControlApi:
    """The control API: reads and changes the world itself, over HTTP."""

    def __init__(self, world: World) -> None:
        self._world = world

    def app(self) -> Starlette:
        """Return the control as an ASGI application."""
        posts = {
            "/deploy": self._deploy,
            "/traffic": self._traffic,
            "/flags": self._flags,
            "/database/restart": self._restart_database,
            "/faults": self._set_fault,
            "/break": self._break,
            "/webhook": self._subscribe,
            "/pages": self._person_does,
            "/slack/press": self._press,
            "/slack/type": self._type,
        }
        gets = {"/log": self._log, "/state": self._state}
        return Starlette(
            routes=[
                *(Route(path, _checked(do), methods=["POST"]) for path, do in posts.items()),
                *(Route(path, _checked(do), methods=["GET"]) for path, do in gets.items()),
                Route("/faults", _checked(self._clear_faults), methods=["DELETE"]),
            ]
        )

    async def _log(self, request: Request) -> Response:
        after = request.query_params.get("after", "-1")
        try:
            entries = self._world.event_log.entries(int(after))
        except ValueError:
            raise _unprocessable("after: must be a whole number") from None
        return JSONResponse(entries)

    async def _state(self, _: Request) -> Response:
        return JSONResponse(self._world.state())

    async def _deploy(self, request: Request) -> Response:
        asked = Deployment.model_validate(await _json(request))
        site, spec = self._named_service(asked), asked.as_spec()
        try:
            site.deploy(spec, by="an engineer")
        except RunError as error:
            raise _unprocessable(f"revision: {error.message}") from None
        return JSONResponse({**site.place, "revision": spec.name, "serving": site.serving()}, 201)

    async def _traffic(self, request: Request) -> Response:
        asked = Redirection.model_validate(await _json(request))
        site, traffic = self._named_service(asked), asked.traffic
        if sum(entry.percent for entry in traffic) != ALL_TRAFFIC:
            raise _unprocessable("traffic: must add up to 100 percent")
        for name in (entry.revision for entry in traffic if entry.revision != LATEST):
            known = site.service.revisions.get(name)
            if known is None or not known.can_serve:
                raise _unprocessable(f"traffic: {name} is not a revision that can serve")
        site.redirect(traffic, by=_SOMEBODY)
        return JSONResponse({**site.place, "serving": site.serving()})

    def _named_service(self, asked: Where) -> RegionalService:
        try:
            return self._world.regional_services.named(asked.region, asked.service)
        except LookupError as error:
            raise _unprocessable(f"region, service: {error}") from None

    async def _flags(self, request: Request) -> Response:
        switch = Switch.model_validate(await _json(request))
        rows = self._world.flags.rows(lambda row: row["name"] == switch.name)
        if not rows:
            raise _unprocessable(f"name: there is no flag {switch.name!r}")
        change = {"enabled": switch.enabled}
        return JSONResponse(self._world.flags.update([switch.name], change, by=_SOMEBODY)[0])

    async def _restart_database(self, _: Request) -> Response:
        self._world.database.restart()
        return JSONResponse({"status": self._world.database.status})

    async def _subscribe(self, request: Request) -> Response:
        asked = Subscription.model_validate(await _json(request))
        self._world.pagerduty.webhooks.subscribe(asked.address, asked.secret)
        return JSONResponse({"address": asked.address}, 201)

    async def _person_does(self, request: Request) -> Response:
        asked = InPager.model_validate(await _json(request))
        pages = [page for page in self._world.pagerduty.pages if asked.page in {"", page.id}]
        if not pages:
            raise _unprocessable("page: there is no such page")
        user = as_user(asked.user, asked.name) if asked.user else None
        self._world.pagerduty.person_does(pages[-1], asked.does, user, asked.to, asked.text)
        return JSONResponse(pages[-1].as_facts())

    async def _set_fault(self, request: Request) -> Response:
        fault = Fault.model_validate(await _json(request))
        try:
            self._world.faults.set(fault)
        except ValueError as error:
            raise _unprocessable(str(error)) from None
        facts = fault.model_dump(exclude={"kind"})
        self._world.event_log.record("fault_set", fault=fault.kind, **facts)
        return JSONResponse(fault.model_dump(), 201)

    async def _clear_faults(self, _: Request) -> Response:
        dropped = self._world.faults.clear()
        self._world.event_log.record("faults_cleared", dropped=dropped)
        return JSONResponse({"dropped": dropped})

    async def _break(self, _: Request) -> Response:
        if not self._world.break_now():
            raise _unprocessable("the scenario has no trouble, or it has started already")
        return JSONResponse({"broken": True, "serving": self._world.serving()})

    async def _press(self, request: Request) -> Response:
        pressed, workspace = Pressed.model_validate(await _json(request)), self._world.workspace
        people = SlackPeople(workspace)
        for message in sorted((one for channel in workspace.channels for one in channel.messages), key=_newest_first):
            with suppress(LookupError):
                payload = people.press(message, pressed.words, pressed.user)
                return await self._send(f"{pressed.to.rstrip('/')}/slack/interactions", form_of(payload))
        raise _unprocessable(f"words: no button says {pressed.words!r}")

    async def _type(self, request: Request) -> Response:
        typed, workspace = Typed.model_validate(await _json(request)), self._world.workspace
        form = SlackPeople(workspace).command(workspace.channels[0], typed.text, typed.user)
        return await self._send(f"{typed.to.rstrip('/')}/slack/commands", urlencode(form).encode())

    async def _send(self, address: str, body: bytes) -> Response:
        """Send a body to the app, signed as Slack does; Slack waits three seconds for the answer."""
        headers = signed(body, self._world.secrets["slack.signing_secret"])
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.post(address, content=body, headers=headers, timeout=3.0)
        except httpx.HTTPError as error:
            raise _unprocessable(f"to: {type(error).__name__}") from None
        self._world.event_log.record("slack_sent", to=address, status=answer.status_code)
        return JSONResponse({"status": answer.status_code, "body": answer.text[:500]})


def _newest_first(message: Message) -> float:
    return -float(message["ts"])


def _checked(handle: Handler) -> Handler:
    async def handled(request: Request) -> Response:
        try:
            return await handle(request)
        except Rejection as no:
            return no.response
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            said = first["msg"].removeprefix("Value error, ")
            return _unprocessable(f"{where}: {said}" if where else said).response

    return handled


async def _json(request: Request) -> Any:
    try:
        return parse_json(await read_body(request))
    except ValueError:
        raise _unprocessable("the body is not valid JSON") from None


def _unprocessable(message: str) -> Rejection:
    return Rejection(JSONResponse({"error": message}, 422), message)
