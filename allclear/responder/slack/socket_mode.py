"""The worker that hears what people do in Slack over a connection of ours: Socket Mode, which needs no public address.

*Source:* docs.slack.dev/apis/events-api/using-socket-mode (2026-11), and `slack_sdk.socket_mode.builtin` 3.48. The
library reads the frames, answers pings and follows Slack's `disconnect` to a new connection; it logs no address and no
token. Each envelope is acknowledged at once, because Slack waits three seconds and sends it again otherwise.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError, VendorRefused
from allclear.responder.slack.payloads import Received, read_command, read_interaction
from allclear.responder.workers.supervisor import report_progress
from allclear.vendors.slack import APP_TOKEN, Slack

if TYPE_CHECKING:
    from slack_sdk.socket_mode.builtin import SocketModeClient
    from slack_sdk.socket_mode.client import BaseSocketModeClient
    from slack_sdk.socket_mode.request import SocketModeRequest

log = logging.getLogger("allclear.responder")

_CHECK, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds between two checks of the connection, and the longest pause between two attempts to connect."""

_ADDRESS_SECONDS = 30.0


def has_socket(engine: Engine) -> bool:
    """Return whether systems.yaml names an app token, so that the worker is wanted."""
    system = engine.company.systems.systems.get(Slack.system)
    return system is not None and APP_TOKEN in system.secrets


class SlackSocket:
    """The connection to Slack. While there is none, the loop makes no progress, so that /readyz says so in time."""

    def __init__(self, engine: Engine, start: Callable[[Received], None]) -> None:
        """`start` begins the work on what was received, on this loop."""
        self._engine = engine
        self._start = start

    async def run(self) -> None:
        """Keep a connection open until cancelled."""
        loop = asyncio.get_running_loop()
        slack = self._engine.context.client(Slack)
        client = await asyncio.to_thread(_make_client, slack, loop)
        client.socket_mode_request_listeners.append(lambda socket, request: self._hear(loop, socket, request))
        failures = 0
        try:
            while True:
                if client.is_connected():
                    failures = 0
                    report_progress()
                    await asyncio.sleep(_CHECK)
                else:
                    failures += 1
                    await asyncio.sleep(await self._connect(client, failures))
        finally:
            await asyncio.to_thread(client.close)

    async def _connect(self, client: SocketModeClient, failures: int) -> float:
        """Try to connect, and return the seconds until the connection is checked again."""
        pause = min(2.0 ** (failures - 1), _LONGEST_PAUSE)
        try:
            await asyncio.to_thread(client.connect_to_new_endpoint)
        except AllclearError as error:
            seconds = error.seconds if isinstance(error, VendorRefused) else None
            pause = max(pause, seconds or 0.0)
            log.warning("Connecting to Slack failed; will retry in %.0f s. %s", pause, error)
            return pause
        except Exception as error:  # noqa: BLE001 - the library raises what its socket raises
            log.warning("Connecting to Slack failed; will retry in %.0f s. %s", pause, type(error).__name__)
            return pause
        return _CHECK if client.is_connected() else pause

    def _hear(self, loop: asyncio.AbstractEventLoop, socket: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """Acknowledge an envelope, in a thread of the library, and begin the work on it."""
        try:
            socket.send_socket_mode_response({"envelope_id": request.envelope_id})
        except Exception as error:  # noqa: BLE001 - Slack sends it again, and the repeated one is known by its key
            log.warning("Acknowledging what Slack sent failed: %s", type(error).__name__)
        payload = cast("dict[str, Any]", request.payload)  # pyright: ignore[reportUnknownMemberType]
        loop.call_soon_threadsafe(self._begin, request.type, payload)

    def _begin(self, kind: str, payload: dict[str, Any]) -> None:
        try:
            received = read_command(payload) if kind == "slash_commands" else read_interaction(payload)
        except ValueError as error:
            log.warning("Slack sent a payload of the kind %s that cannot be read: %s", kind, error)
            return
        if received is not None:
            self._start(received)


def _make_client(slack: Slack, loop: asyncio.AbstractEventLoop) -> SocketModeClient:
    """Return the library's client, whose addresses come from our own client: with its errors, and without redirects."""
    from slack_sdk.socket_mode.builtin import SocketModeClient  # noqa: PLC0415 - its import takes a while

    class Client(SocketModeClient):
        """Asks our own client for the address of each new connection."""

        def issue_new_wss_url(self) -> str:
            return asyncio.run_coroutine_threadsafe(slack.open_socket(), loop).result(_ADDRESS_SECONDS)

    client = Client("", logger=logging.getLogger("allclear.slack"), auto_reconnect_enabled=False)
    if slack.is_local:
        client.proxy = None
    return client
