"""What people do in the simulated Slack, as Slack's own library reads it: signatures, forms, and Socket Mode."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import InputBlock, PlainTextInputElement
from slack_sdk.models.views import View
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.builtin import SocketModeClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from allclear.simulator.http_server import HttpServer
from allclear.simulator.slack_people import SlackPeople, form_of, signed
from tests.contract.simulator_support import Simulated, control, quick
from tests.patience import until

ANA = "U0ANA00001"


def web(sim: Simulated) -> WebClient:
    """Return the library's client of the web API."""
    return WebClient(token=sim.secrets["slack"], base_url=sim.endpoints["slack"], retry_handlers=[])


def a_view(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a view
    """Return a form with one input."""
    blocks = [InputBlock(block_id="why", label="Why?", element=PlainTextInputElement(action_id="why"))]
    return View(type="modal", title="Give a reason", submit="Send", blocks=blocks, **more).to_dict()


@contextmanager
def connected(sim: Simulated) -> Generator[tuple[SocketModeClient, list[Any]]]:
    """Yield the library's Socket Mode client, and what it hears; it acknowledges each envelope."""
    heard: list[Any] = []
    client = SocketModeClient(app_token=sim.secrets["slack.app_token"], web_client=web(sim), ping_interval=0.2)

    def listen(socket: SocketModeClient, request: Any) -> None:  # noqa: ANN401 - the library's request
        socket.send_socket_mode_response({"envelope_id": request.envelope_id})
        heard.append(request)

    client.socket_mode_request_listeners.append(listen)  # pyright: ignore[reportArgumentType]
    try:
        yield client, heard
    finally:
        client.close()


def test_slacks_library_accepts_the_signature() -> None:
    """Of now; not of six minutes ago, and not with another secret."""
    body = form_of({"type": "block_actions"})
    verifier = SignatureVerifier("secret")
    assert verifier.is_valid_request(body, signed(body, "secret"))
    assert not verifier.is_valid_request(body, signed(body, "secret", at=time.time() - 360))
    assert not verifier.is_valid_request(body, signed(body, "other"))


async def test_a_trigger_opens_one_form_within_three_seconds() -> None:
    """A second form, an old trigger and an unknown one are refused, each with Slack's own error."""
    async with Simulated(quick()) as sim:
        workspace = sim.world.workspace
        trigger, old = workspace.new_trigger(), workspace.new_trigger()
        workspace.triggers[old] -= 4
        client = web(sim)
        opened = await asyncio.to_thread(client.views_open, trigger_id=trigger, view=a_view(callback_id="x"))
        assert opened["view"]["callback_id"] == "x"
        for used, error in (
            (trigger, "exchanged_trigger_id"),
            (old, "expired_trigger_id"),
            ("1", "invalid_trigger_id"),
        ):
            with pytest.raises(SlackApiError, match=error):
                await asyncio.to_thread(client.views_open, trigger_id=used, view=a_view())
        sent = SlackPeople(workspace).submit(workspace.views[0], {"why": "Because."}, ANA)
        assert sent["view"]["state"]["values"] == {"why": {"why": {"type": "plain_text_input", "value": "Because."}}}


async def test_a_message_to_one_person_is_in_no_history() -> None:
    """Only that person sees it."""
    async with Simulated(quick()) as sim:
        channel = sim.world.workspace.channels[0]
        client = web(sim)
        await asyncio.to_thread(client.chat_postEphemeral, channel=channel.id, user=ANA, text="Only you.")
        assert channel.messages == []
        assert [(one["user"], one["text"]) for one in sim.world.workspace.private] == [(ANA, "Only you.")]


async def test_socket_mode_delivers_acknowledges_and_reconnects() -> None:
    """The library hears a command, its acknowledgement arrives, and after a refresh it hears the next one."""
    async with Simulated(quick()) as sim:
        workspace = sim.world.workspace
        people = SlackPeople(workspace)
        with connected(sim) as (client, heard):
            await asyncio.to_thread(client.connect)
            await until(lambda: workspace.sockets)
            envelope = await workspace.deliver("slash_commands", people.command(workspace.channels[0], "ack VS-1", ANA))
            await until(lambda: envelope in workspace.acknowledged)
            first = workspace.sockets[-1]
            await workspace.refresh_sockets()
            await until(lambda: workspace.sockets and workspace.sockets[-1] is not first)
            again = await workspace.deliver("slash_commands", people.command(workspace.channels[0], "ack VS-2", ANA))
            await until(lambda: again in workspace.acknowledged)
            await asyncio.to_thread(client.close)
        assert [one.payload["text"] for one in heard] == ["ack VS-1", "ack VS-2"]
    assert threading.active_count() < 50


async def test_the_control_presses_and_types_for_a_person() -> None:
    """The app receives what Slack would send, with a signature that Slack's library accepts."""
    received: list[tuple[str, bytes, dict[str, str]]] = []

    async def take(request: Request) -> Response:
        received.append((request.url.path, await request.body(), dict(request.headers)))
        return Response()

    async with Simulated(quick()) as sim:
        server = HttpServer()
        address = server.add(Starlette(routes=[Route("/slack/{what}", take, methods=["POST"])]))
        await server.start()
        button = {"type": "button", "action_id": "a", "value": "v", "text": {"type": "plain_text", "text": "Approve"}}
        blocks = [{"type": "actions", "elements": [button]}]
        sim.world.workspace.post(sim.world.workspace.channels[0], {"text": "?", "blocks": blocks})
        await control(sim, "POST", "/slack/press", {"user": ANA, "words": "Approve", "to": address})
        await control(sim, "POST", "/slack/type", {"user": ANA, "text": "ack VS-1", "to": f"{address}/"})
        await server.stop()
        verifier = SignatureVerifier(sim.secrets["slack.signing_secret"])
        assert [path for path, _, _ in received] == ["/slack/interactions", "/slack/commands"]
        assert all(verifier.is_valid_request(body, headers) for _, body, headers in received)
        pressed = json.loads(dict(parse_qsl(received[0][1].decode()))["payload"])
        assert (pressed["user"]["id"], pressed["actions"][0]["value"]) == (ANA, "v")
        assert dict(parse_qsl(received[1][1].decode()))["text"] == "ack VS-1"


async def test_the_bots_token_opens_no_connection() -> None:
    """Only the app's own token does."""
    async with Simulated(quick()) as sim:
        client = web(sim)
        with pytest.raises(SlackApiError, match="not_allowed_token_type"):
            await asyncio.to_thread(client.apps_connections_open, app_token=sim.secrets["slack"])
