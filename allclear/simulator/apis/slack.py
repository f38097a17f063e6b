"""Slack's web API: the methods that post, change and read back messages.

*Source:* docs.slack.dev/reference/methods and `slack_sdk` 3.47 (November 2026): errors come with
HTTP 200 and `ok: false`; arguments come as a query string, a form or JSON, with objects in the
first two as JSON text; only `chat.postMessage` takes a channel's name, the others want its id;
history is newest first, without replies, and without metadata unless asked for; blocks have limits.
``chat.update`` takes a text of 4,000 bytes, escaped signs included (``msg_too_long``), and a text
without blocks removes the blocks. All blocks of a message together fail above 13,000 characters
(``msg_blocks_too_long``; slackapi/bolt-js#2509, not documented).
From memory: the wording of single error codes beyond those of the methods' pages.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from allclear.simulator.apis.http_api import (
    DIGITS,
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
from allclear.simulator.apis.slack_forms import open_view, post_ephemeral
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.slack_workspace import Channel, Message
from allclear.simulator.world import World

MAX_TEXT = 40_000
"""Characters of a new message."""
MAX_EDIT = 4_000
"""Bytes of the text of an edit."""
MAX_BLOCKS, MAX_BLOCKS_TEXT = 50, 13_000
MOST_ACTIONS, MOST_BUTTON_TEXT = 25, 75
BLOCK_TEXT_LIMITS = {"section": 3000, "header": 150}
"""Characters of a block's text."""
SCOPES = ("channels:history", "channels:read", "chat:write", "groups:history", "groups:read")
"""What the bot's token allows; every answer names it in the header ``X-OAuth-Scopes``."""
_PAGE, _MAX_PAGE = 100, 999
_CONTENT = ("text", "blocks", "attachments", "metadata")

_USER = re.compile(r"[UW][A-Z0-9]{4,}")

Arguments = dict[str, Any]


class SlackApi(HttpApi):
    """The workspace as a bot with the right token sees it."""

    name = "slack"
    writes = frozenset({"chat.postMessage", "chat.update", "chat.postEphemeral", "views.open"})

    def __init__(self, world: World, token: str) -> None:
        super().__init__(world)
        self._token, self._workspace = token, world.workspace
        self._methods: dict[str, Callable[[Arguments, Call], Message]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._change,
            "chat.postEphemeral": self._ephemeral,
            "views.open": self._open_view,
            "conversations.list": self._channels,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
        }

    def app(self) -> Starlette:
        """Return the web API as an ASGI application."""
        return Starlette(
            routes=[
                WebSocketRoute("/link/", self._connection),
                Route("/api/{method}", self._any, methods=["GET", "POST"]),
            ]
        )

    def refusal(self, fault: Fault) -> Response:
        """Slack's answers when it limits, forbids or fails."""
        if fault.kind == "rate_limited":
            headers = {"Retry-After": str(max(int(fault.seconds), 1))}
            return JSONResponse({"ok": False, "error": "ratelimited"}, 429, headers)
        if fault.kind == "permission_denied":
            missing = {"needed": "chat:write", "provided": "channels:read"}
            return JSONResponse({"ok": False, "error": "missing_scope", **missing})
        if fault.kind == "server_error":
            return JSONResponse({"ok": False, "error": "internal_error"}, 500)
        return PlainTextResponse("upstream connect error", 503)

    async def _any(self, request: Request) -> Response:
        return await self.answer(request.path_params["method"], request, self._method)

    async def _method(self, request: Request, call: Call) -> Response:
        name = request.path_params["method"]
        method = self._methods.get(name)
        if name == "apps.connections.open":
            return await self._open_connection(request)
        if method is None:
            raise _no("unknown_method")
        arguments = await _arguments(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token and not arguments.get("token"):
            raise _no("not_authed")
        if self._token not in (token, arguments.get("token")):
            raise _no("invalid_auth")
        return JSONResponse({"ok": True, **method(arguments, call)}, headers={"x-oauth-scopes": ",".join(SCOPES)})

    async def _open_connection(self, request: Request) -> Response:
        """Give the app an address for a connection; the app's own token is needed, not the bot's."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token != self.world.secrets.get("slack.app_token"):
            raise _no("not_allowed_token_type" if token == self._token else "invalid_auth")
        ticket = random_text(24)
        self._workspace.tickets.add(ticket)
        return JSONResponse({"ok": True, "url": f"ws://{request.headers['host']}/link/?ticket={ticket}"})

    async def _connection(self, socket: WebSocket) -> None:
        ticket = socket.query_params.get("ticket", "")
        if ticket not in self._workspace.tickets:
            await socket.close()
            return
        self._workspace.tickets.remove(ticket)
        await socket.accept()
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self._workspace.sockets) + 1,
                "connection_info": {"app_id": self._workspace.app_id},
                "debug_info": {"host": "simulated", "approximate_connection_time": 18060},
            }
        )
        self._workspace.sockets.append(socket)
        try:
            while True:
                answer = as_object(parse_json(await socket.receive_text())) or {}
                self._workspace.acknowledged.append(str(answer.get("envelope_id")))
        except (WebSocketDisconnect, ValueError):
            pass
        finally:
            self._workspace.sockets.remove(socket)

    def _auth_test(self, _: Arguments, __: Call) -> Message:
        workspace = self._workspace
        return {
            "url": f"https://{workspace.team.lower().replace(' ', '-')}.slack.com/",
            "team": workspace.team,
            "user": workspace.bot,
            "team_id": workspace.team_id,
            "user_id": workspace.user_id,
            "bot_id": workspace.bot_id,
            "is_enterprise_install": False,
        }

    def _post(self, arguments: Arguments, call: Call) -> Message:
        channel = self._workspace.by_id_or_name(_text(arguments, "channel"))
        if channel is None and _USER.fullmatch(_text(arguments, "channel")):
            channel = self._workspace.direct(_text(arguments, "channel"))
        call.facts.update(channel=arguments.get("channel"), text=arguments.get("text", ""), **_display(arguments))
        if channel is None:
            raise _no("channel_not_found")
        content = _content(arguments)
        if not content.get("text") and not content.get("blocks"):
            raise _no("no_text")
        thread = _text(arguments, "thread_ts")
        if thread and channel.find(thread) is None:
            raise _no("thread_not_found")
        message = self._workspace.post(channel, {"text": "", **content, **({"thread_ts": thread} if thread else {})})
        call.facts.update(channel=channel.name, ts=message["ts"], **({"thread": thread} if thread else {}))
        return {"channel": channel.id, "ts": message["ts"], "message": message}

    def _change(self, arguments: Arguments, call: Call) -> Message:
        call.facts.update(ts=arguments.get("ts"), text=arguments.get("text", ""), **_display(arguments))
        channel = self._by_id(arguments)
        message = channel.find(_text(arguments, "ts"))
        if message is None:
            raise _no("message_not_found")
        content = _content(arguments)
        if not content:
            raise _no("no_text")
        if len(_text(arguments, "text").encode()) > MAX_EDIT:
            raise _no("msg_too_long")
        if content.get("text") and "blocks" not in content:
            message.pop("blocks", None)
        self._workspace.change(channel, message, content)
        call.facts["channel"] = channel.name
        said = {"text": message["text"], "message": message}
        return {"channel": channel.id, "ts": message["ts"], **said}

    def _ephemeral(self, arguments: Arguments, call: Call) -> Message:
        call.facts.update(user=arguments.get("user"), text=arguments.get("text", ""))
        return _or_error(post_ephemeral(self._workspace, arguments))

    def _open_view(self, arguments: Arguments, _: Call) -> Message:
        return _or_error(open_view(self._workspace, arguments))

    def _channels(self, arguments: Arguments, _: Call) -> Message:
        every = [
            {
                "id": channel.id,
                "name": channel.name,
                "name_normalized": channel.name,
                "is_channel": True,
                "is_private": False,
                "is_archived": False,
                "is_member": True,
            }
            for channel in self._workspace.channels
        ]
        return _paged("channels", every, arguments)

    def _history(self, arguments: Arguments, _: Call) -> Message:
        channel = self._by_id(arguments)
        top = [m for m in channel.messages if m.get("thread_ts", m["ts"]) == m["ts"]]
        return _paged("messages", _shown(reversed(top), arguments), arguments)

    def _replies(self, arguments: Arguments, _: Call) -> Message:
        channel, thread = self._by_id(arguments), _text(arguments, "ts")
        if channel.find(thread) is None:
            raise _no("thread_not_found")
        found = [m for m in channel.messages if thread in (m["ts"], m.get("thread_ts"))]
        return _paged("messages", _shown(found, arguments), arguments)

    def _by_id(self, arguments: Arguments) -> Channel:
        channel = self._workspace.by_id(_text(arguments, "channel"))
        if channel is None:
            raise _no("channel_not_found")
        return channel


async def _arguments(request: Request) -> Arguments:
    arguments: Arguments = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind == "application/json":
        # The client's GET requests carry this content type too, with nothing in the body.
        try:
            body = as_object(parse_json(await read_body(request) or b"{}"))
        except ValueError:
            raise _no("invalid_json") from None
        if body is None:
            raise _no("json_not_object")
        return arguments | body
    if kind == "application/x-www-form-urlencoded":
        form = (await read_body(request)).decode(errors="replace")
        arguments |= dict(parse_qsl(form, keep_blank_values=True))
    for name in ("blocks", "attachments", "metadata", "view"):
        if isinstance(arguments.get(name), str):
            try:
                arguments[name] = parse_json(arguments[name])
            except ValueError:
                raise _no(f"invalid_{name}_format") from None
    return arguments


def _display(arguments: Arguments) -> dict[str, Any]:
    """Return how the caller wants the text to be shown."""
    return {name: arguments[name] for name in ("parse", "mrkdwn", "unfurl_links", "unfurl_media") if name in arguments}


def _content(arguments: Arguments) -> Message:
    content: Message = {k: arguments[k] for k in _CONTENT if arguments.get(k) is not None}
    if len(_text(arguments, "text")) > MAX_TEXT:
        raise _no("msg_too_long")
    if "blocks" in content and not _are_blocks(content["blocks"]):
        raise _no("invalid_blocks")
    if sum(len(text) for text in _block_texts(content.get("blocks") or [])) > MAX_BLOCKS_TEXT:
        raise _no("msg_blocks_too_long")
    metadata = as_object(content.get("metadata"))
    if "metadata" in content and (
        metadata is None
        or not isinstance(metadata.get("event_type"), str)
        or not isinstance(metadata.get("event_payload"), dict)
    ):
        raise _no("invalid_metadata_format")
    return content


def _are_blocks(value: object) -> bool:
    if not isinstance(value, list):
        return False
    blocks = cast("list[object]", value)
    return len(blocks) <= MAX_BLOCKS and all(_is_block(block) for block in blocks)


def _block_texts(blocks: list[Message]) -> list[str]:
    return [str((as_object(block.get("text")) or {}).get("text", "")) for block in blocks]


def _is_block(value: object) -> bool:
    block = as_object(value)
    if block is None or not isinstance(block.get("type"), str):
        return False
    if block["type"] == "actions":
        return _are_actions(block.get("elements"))
    limit = BLOCK_TEXT_LIMITS.get(block["type"])
    said = as_object(block.get("text"))
    text = str((said or {}).get("text", ""))
    if block["type"] == "header" and not text:
        return False
    return limit is None or said is None or 1 <= len(text) <= limit


def _are_actions(value: object) -> bool:
    if not isinstance(value, list) or not 1 <= len(cast("list[object]", value)) <= MOST_ACTIONS:
        return False
    elements = [as_object(element) or {} for element in cast("list[object]", value)]
    ids = [element.get("action_id") for element in elements if element.get("action_id")]
    return len(set(ids)) == len(ids) and all(_is_button(element) for element in elements)


def _is_button(element: Message) -> bool:
    words = str((as_object(element.get("text")) or {}).get("text", ""))
    sizes = {"action_id": 255, "value": 2000, "url": 3000}
    fits = all(len(str(element.get(name) or "")) <= size for name, size in sizes.items())
    known = element.get("style") in (None, "primary", "danger")
    return element.get("type") == "button" and 1 <= len(words) <= MOST_BUTTON_TEXT and fits and known


def _shown(messages: Iterable[Message], arguments: Arguments) -> list[Message]:
    oldest, latest = _text(arguments, "oldest") or "0", _text(arguments, "latest") or "9" * 10
    inclusive = _yes(arguments.get("inclusive"))
    try:
        after, before = float(oldest), float(latest)
    except ValueError:
        raise _no("invalid_ts_oldest") from None
    found = [
        message
        for message in messages
        if after < float(message["ts"]) < before or (inclusive and message["ts"] in (oldest, latest))
    ]
    if not _yes(arguments.get("include_all_metadata")):
        found = [{k: v for k, v in message.items() if k != "metadata"} for message in found]
    return found


def _paged(name: str, found: list[Message], arguments: Arguments) -> Message:
    limit = min(whole_number(str(arguments.get("limit"))) or _PAGE, _MAX_PAGE)
    start = _offset(_text(arguments, "cursor"))
    rest = len(found) > start + limit
    cursor = base64.b64encode(f"next:{start + limit}".encode()).decode() if rest else ""
    page: Message = {name: found[start : start + limit]}
    page["response_metadata"] = {"next_cursor": cursor}
    return page | ({"has_more": rest} if name == "messages" else {})


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        kind, _, number = base64.b64decode(cursor, validate=True).decode().partition(":")
    except ValueError:
        raise _no("invalid_cursor") from None
    offset = whole_number(number) if kind == "next" else None
    if offset is None:
        raise _no("invalid_cursor")
    return offset


def _or_error(result: tuple[Message, str]) -> Message:
    answer, error = result
    if error:
        raise _no(error)
    return answer


def _text(arguments: Arguments, name: str) -> str:
    value = arguments.get(name)
    return value if isinstance(value, str) else ""


def _yes(value: object) -> bool:
    return value in (True, 1, "1", "true", "True")


def _no(error: str) -> Rejection:
    return Rejection(JSONResponse({"ok": False, "error": error}), error)


METHODS = frozenset(
    {
        "apps.connections.open",
        "auth.test",
        "chat.postEphemeral",
        "chat.postMessage",
        "chat.update",
        "conversations.history",
        "conversations.replies",
        "conversations.list",
        "views.open",
    }
)


def _new_token() -> str:
    return f"xoxb-{random_text(12, DIGITS)}-{random_text(13, DIGITS)}-{random_text(24)}"


API = SimulatedApi(
    "slack",
    lambda world, token: SlackApi(world, token).app(),
    FaultPoints(METHODS),
    new_secret=_new_token,
    new_further_secrets=lambda: {
        "signing_secret": random_text(32, "0123456789abcdef"),
        "app_token": f"xapp-1-{random_text(11)}-{random_text(13, DIGITS)}-{random_text(64, '0123456789abcdef')}",
    },
    base_path="/api/",
)
