"""The chat workspace: channels, and the messages in them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from allclear.simulator.event_log import Clock, EventLog
from allclear.simulator.scenario_schema import SlackSpec

Message = dict[str, Any]


class Socket(Protocol):
    """A connection over which an app receives what people do."""

    async def send_json(self, data: object) -> None:
        """Send a message."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


@dataclass
class Channel:
    """A channel: the name people see, the id that the API wants, and its messages, oldest first."""

    id: str
    name: str
    messages: list[Message] = field(default_factory=list[Message])

    def find(self, ts: str) -> Message | None:
        """Return the message of that timestamp."""
        return next((m for m in self.messages if m["ts"] == ts), None)


class SlackWorkspace:
    """Where messages are posted, changed and read back."""

    def __init__(self, spec: SlackSpec, clock: Clock, event_log: EventLog) -> None:
        self._clock, self._truth = clock, event_log
        self._last_ts = 0
        self.team, self.bot = spec.team, spec.bot
        self.team_id, self.bot_id, self.user_id = _slack_id("T"), _slack_id("B"), _slack_id("U")
        self.app_id = _slack_id("A")
        self.private: list[Message] = []
        """The messages that one person sees, oldest first: `user`, `channel` and what it says."""
        self.views: list[Message] = []
        """The forms that an app has opened."""
        self.triggers: dict[str, float] = {}
        """Each trigger, and when it was issued."""
        self.used_triggers: set[str] = set()
        self.tickets: set[str] = set()
        """What lets an app open a connection, once each."""
        self.sockets: list[Socket] = []
        """The open connections of the app, the newest last."""
        self.acknowledged: list[str] = []
        """The envelopes that the app has acknowledged."""
        self.channels = [Channel(_slack_id("C"), name) for name in spec.channels]

    def by_id(self, channel_id: str) -> Channel | None:
        """Return the channel of that id."""
        return next((c for c in self.channels if c.id == channel_id), None)

    def by_id_or_name(self, channel: str) -> Channel | None:
        """Return the channel of that id or, with or without `#`, of that name."""
        name = channel.removeprefix("#")
        return self.by_id(channel) or next((c for c in self.channels if c.name == name), None)

    def direct(self, user: str) -> Channel:
        """Return the channel of direct messages to a person; the bot opens it by its first message."""
        name = f"direct-{user}"
        known = self.by_id_or_name(name)
        if known is None:
            known = Channel(_slack_id("D"), name)
            self.channels.append(known)
        return known

    def post(self, channel: Channel, content: Message) -> Message:
        """Add a message; its `ts` is unique in the whole workspace."""
        message: Message = {
            "type": "message",
            "bot_id": self.bot_id,
            "user": self.user_id,
            "team": self.team_id,
            **content,
            "ts": self.new_ts(),
        }
        channel.messages.append(message)
        self._tell(channel, message, "posted")
        return message

    def change(self, channel: Channel, message: Message, content: Message) -> None:
        """Replace what a message says; its `ts` stays."""
        message.update(content)
        message["edited"] = {"user": self.user_id, "ts": self.new_ts()}
        self._tell(channel, message, "changed")

    def show(self, channel: Channel, user: str, content: Message) -> str:
        """Show a message to one person; it is in no history. Return its `ts`."""
        shown = {name: content[name] for name in ("text", "blocks", "thread_ts") if content.get(name)}
        ts = self.new_ts()
        self.private.append({"user": user, "channel": channel.name, "ts": ts, **shown})
        self._truth.record("private_message", user=user, channel=channel.name, text=shown.get("text", ""))
        return ts

    async def deliver(self, kind: str, payload: Message) -> str:
        """Send what a person does over the newest connection, and return the envelope's id.

        `kind` is `interactive` or `slash_commands`. Raises LookupError without a connection.
        """
        if not self.sockets:
            raise LookupError("the app has no connection")
        envelope = str(uuid4())
        content = {"envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
        await self.sockets[-1].send_json({"type": kind, **content})
        return envelope

    async def refresh_sockets(self) -> None:
        """Ask the app to connect anew, as Slack does every few hours, and close the old connections."""
        for socket in list(self.sockets):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    def new_trigger(self) -> str:
        """Return a trigger, with which an app may open one form within three seconds."""
        trigger = f"{uuid4().int % 10**12}.{uuid4().hex}"
        self.triggers[trigger] = time.monotonic()
        return trigger

    def new_ts(self) -> str:
        """Return a timestamp that is unique in the whole workspace."""
        micros = max(int(self._clock().timestamp() * 1_000_000), self._last_ts + 1)
        self._last_ts = micros
        return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"

    def _tell(self, channel: Channel, message: Message, what: str) -> None:
        self._truth.record(
            "message",
            action=what,
            channel=channel.name,
            ts=message["ts"],
            text=message.get("text", ""),
            thread_ts=message.get("thread_ts"),
        )


def _slack_id(kind: str) -> str:
    return f"{kind}0{uuid4().hex[:9].upper()}"
