"""What people do in the simulated Slack: press buttons, use a command, fill in a form. Each is a payload for an app.

*Source:* docs.slack.dev/reference/interaction-payloads and /interactivity/implementing-slash-commands (2026-11), and
``slack_sdk.signature`` 3.48: ``v0=`` HMAC-SHA256 over ``v0:{timestamp}:{body}``. From memory: fields that no app needs.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any, cast
from urllib.parse import urlencode

from allclear.simulator.slack_workspace import Channel, Message, SlackWorkspace

Payload = dict[str, Any]
_RESPONSE_URL = "https://hooks.slack.com/actions/simulated"
"""Where an app may answer within 30 minutes. This workspace takes no answers there."""
TRIGGER_LIVES = 3.0
"""Seconds in which an app may open a form."""


class SlackPeople:
    """The people of one workspace, as far as an app is notified of what they do."""

    def __init__(self, workspace: SlackWorkspace) -> None:
        self._workspace = workspace

    def press(self, message: Message, words: str, user: str) -> Payload:
        """Return the payload of a press on the button that says `words`. Raises LookupError if there is none."""
        channel = self._channel_of(message)
        for block in message.get("blocks", []):
            for element in block.get("elements", []):
                if block["type"] == "actions" and element.get("text", {}).get("text") == words:
                    return self._pressed(channel, message, block, element, user)
        raise LookupError(f"the message {message['ts']} has no button {words!r}")

    def _pressed(self, channel: Channel, message: Message, block: Message, element: Message, user: str) -> Payload:
        action = {name: element[name] for name in ("action_id", "value", "type", "text") if name in element}
        action |= {"block_id": block.get("block_id", "b1"), "action_ts": self._workspace.new_ts()}
        return {
            "type": "block_actions",
            **self._who(user),
            "channel": {"id": channel.id, "name": channel.name},
            "container": {
                "type": "message",
                "message_ts": message["ts"],
                "channel_id": channel.id,
                "is_ephemeral": False,
            },
            "message": {name: message[name] for name in ("ts", "text", "thread_ts", "blocks") if name in message},
            "actions": [action],
            "state": {"values": {}},
            "response_url": _RESPONSE_URL,
        }

    def command(self, channel: Channel, text: str, user: str, command: str = "/incident") -> dict[str, str]:
        """Return the form of a command that a person types."""
        return {
            "command": command,
            "text": text,
            "user_id": user,
            "user_name": user.lower(),
            "team_id": self._workspace.team_id,
            "team_domain": "simulated",
            "channel_id": channel.id,
            "channel_name": channel.name,
            "trigger_id": self._workspace.new_trigger(),
            "response_url": _RESPONSE_URL,
            "api_app_id": self._workspace.app_id,
        }

    def submit(self, view: Message, values: dict[str, str], user: str) -> Payload:
        """Return the payload of a form that is sent; `values` are by the input's `action_id`, or its `block_id`."""
        state: dict[str, Any] = {}
        for block in view["blocks"]:
            element = block.get("element")
            if element:
                value = values.get(element["action_id"], values.get(block["block_id"], ""))
                state[block["block_id"]] = {element["action_id"]: _entered(element, value)}
        return {
            "type": "view_submission",
            **self._who(user),
            "view": {**view, "state": {"values": state}},
            "response_urls": [],
        }

    def _who(self, user: str) -> Payload:
        team = {"id": self._workspace.team_id, "domain": "simulated"}
        return {
            "user": {"id": user, "username": user.lower(), "team_id": self._workspace.team_id},
            "team": team,
            "api_app_id": self._workspace.app_id,
            "trigger_id": self._workspace.new_trigger(),
        }

    def _channel_of(self, message: Message) -> Channel:
        return next(channel for channel in self._workspace.channels if message in channel.messages)


def _entered(element: Message, value: str) -> Message:
    if element["type"] != "static_select":
        return {"type": element["type"], "value": value or None}
    options = cast("list[Message]", element["options"])
    chosen = next((option for option in options if option["value"] == value), None)
    return {"type": "static_select", "selected_option": chosen}


def form_of(payload: Payload) -> bytes:
    """Return the body with which Slack sends a payload over HTTP: a form with JSON in it."""
    return urlencode({"payload": json.dumps(payload)}).encode()


def signed(body: bytes, secret: str, at: float | None = None) -> dict[str, str]:
    """Return the headers with which Slack sends a body, signed now or at a time in seconds."""
    timestamp = str(int(time.time() if at is None else at))
    signature = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": f"v0={signature}",
    }
