"""Slack: posts a message once, finds it again, and changes it in place.

Source: Slack Web API (docs.slack.dev/reference/methods, 2026-08) and Block Kit, 2026-11:
- A good answer is 200 **and** `ok: true`. One message a second for a channel, then 429 with Retry-After.
- `chat.postMessage` has no idempotency key: ours travels in the message's `metadata.event_payload`, and
  `conversations.history` with `include_all_metadata` gives it back to the app that posted. `conversations.replies`
  does so for a thread, and its first message is the thread's own.
- `conversations.history` and `chat.update` take a channel's id, not its name; `conversations.list` knows both.
- `& < >` must be escaped in text; `<!here>` and `<@U1>` would otherwise call people. A post beyond 40,000 characters
  is cut by Slack; **an edit takes at most 4,000 bytes after escaping** (`msg_too_long`): no message of ours is longer.
- `parse: none` and `mrkdwn: false` leave text as it is, but an edit has no `mrkdwn`: so the text is shown in blocks of
  `plain_text`, at most 3,000 characters each, which need no escaping and show neither links nor markup. `text` remains
  for notifications. An edit without `blocks` would remove them.
- The vendor's library, slack_sdk, follows redirects with the token. `HttpClient` does not.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import AllclearError, ConfigError, Denied, MissingSecret, VendorRefused
from allclear.domain.systems import Access
from allclear.vendors.access import is_loopback, options_of, redacted, secret_of, web_address
from allclear.vendors.errors import RATE_LIMITED, VendorRequest, seconds_to_wait
from allclear.vendors.http import Expected, HttpClient, OverHttp
from allclear.vendors.per_loop import PerLoop
from allclear.vendors.retry import Pause
from allclear.vendors.shared_reads import SharedReads
from allclear.vendors.slack_blocks import text_blocks

if TYPE_CHECKING:
    import httpx

NEEDED_SCOPES = frozenset({"chat:write", "channels:read", "channels:history"})
"""What the bot's token must allow: to post, and to find and read a public channel.

A private channel needs `groups:read` and `groups:history`, and `/incident` needs `commands`.
"""

SIGNING_SECRET, APP_TOKEN = "signing_secret", "app_token"
"""The further secrets in systems.yaml: one of them is needed to hear what people press. See `Slack.further_secrets`."""
EVENT = "allclear_message"
"""The `metadata.event_type` of our messages."""
LONGEST_TEXT = 4_000
"""Bytes of a message after escaping: what an edit may have."""
_PAGE, _PAGES = 200, 5
"""How far our messages are searched: the newest 1,000 of a channel, the first 1,000 of a thread."""
_LIST_PAGES = 20
_SCOPES = "x-oauth-scopes"
"""The header in which Slack names the permissions of the token."""
_CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{7,}")
_CODE = re.compile(r"[a-z0-9_]{1,60}")
_ANSWER = Expected(frozenset({200}), dict, ("ok",))

_DENIED = frozenset(
    {
        "not_authed",
        "invalid_auth",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "no_permission",
        "missing_scope",
        "not_allowed_token_type",
        "ekm_access_denied",
        "restricted_action",
        "access_denied",
        "not_in_channel",
        "cant_update_message",
        "org_login_required",
        "team_access_not_granted",
    }
)
_UNCLEAR = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})


class SlackOptions(Model):
    """The channel of messages whose step names none."""

    channel: str = Field(default="incidents", min_length=1, description="A channel's name or id.")


class SlackMessage(Model):
    """A message of ours in Slack."""

    channel: str = Field(description="The channel's id.")
    ts: str = Field(description="The timestamp by which Slack identifies the message.")
    text: str
    payload: JsonDict = Field(default={})


def escape(text: str) -> str:
    """Return `text` so that Slack shows it as written: no link, no mention, no call to a whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def size(text: str) -> int:
    """Return the bytes of `text` after escaping, which Slack's limit counts."""
    return len(escape(text).encode())


class Slack(OverHttp):
    """Posts and updates messages as one bot."""

    system: ClassVar[str] = "slack"
    options: ClassVar[type[Model]] = SlackOptions
    further_secrets: ClassVar[Mapping[str, str]] = {
        SIGNING_SECRET: "verifies what Slack sends to the responder's address",
        APP_TOKEN: "lets the responder connect to Slack, if Slack cannot reach its address (Socket Mode)",
    }

    def __init__(  # noqa: PLR0913 - what `connect` reads of systems.yaml
        self,
        address: str,
        secret: str,
        options: SlackOptions,
        *,
        app_token: str = "",
        hears: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.channel = options.channel.removeprefix("#")
        self._http = HttpClient(
            "Slack",
            address,
            headers={"authorization": f"Bearer {secret}", "content-type": "application/json; charset=utf-8"},
            secret=secret,
            transport=transport,
            pause=pause,
            refused=_refused,
        )
        self._ids: dict[str, str] = {}
        self._reads = PerLoop(partial(SharedReads[SlackMessage], _PAGES), _nothing_to_close)
        self._lists = PerLoop(partial(SharedReads[str], _LIST_PAGES), _nothing_to_close)
        self._app_token = app_token
        self._app = HttpClient(
            "Slack",
            address,
            headers={"authorization": f"Bearer {app_token}", "content-type": "application/json; charset=utf-8"},
            secret=app_token,
            transport=transport,
            pause=pause,
            refused=_refused,
        )
        self.hears = hears
        """Whether Slack can send us what people press, so that buttons do something."""

    def __repr__(self) -> str:
        """Return the address and the channel, without the secret."""
        return f"Slack({redacted(self._http.base)!r}, channel={self.channel!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. The endpoint is `https://slack.com/api`. Raises ConfigError."""
        options = options_of(access, SlackOptions)
        more = access.more
        return cls(
            web_address(access),
            secret_of(access),
            options,
            app_token=more[APP_TOKEN].get_secret_value() if APP_TOKEN in more else "",
            hears=bool(more),
        )

    async def close(self) -> None:
        """Release its connections."""
        await super().close()
        await self._app.close()

    async def scopes(self) -> frozenset[str]:
        """Return the permissions of our token, as `chat:write`; empty if Slack does not tell. Raises Denied."""
        request = VendorRequest("Slack", "say who we are", write=False)
        _, headers = await self._http.send_for_headers(request, "GET", "/auth.test", expected=_ANSWER)
        return frozenset(scope.strip() for scope in headers.get(_SCOPES, "").split(",") if scope.strip())

    async def check_readable(self, channel: str) -> None:
        """Read the newest message of `channel`. Raises Denied if our bot is not in it, ConfigError if it sees none."""
        request = VendorRequest("Slack", f"read {channel}", write=False)
        await self._send(
            request, "conversations.history", params={"channel": await self._channel_id(channel), "limit": "1"}
        )

    async def post(
        self,
        channel: str,
        text: str,
        payload: JsonDict,
        *,
        thread: str = "",
        blocks: list[JsonDict] | None = None,
        called: str = "",
    ) -> SlackMessage:
        """Post `text`, with `payload` in its metadata; `thread` is the `ts` of the message that it replies to.

        `text` has at most LONGEST_TEXT bytes by `size`. Slack accepts a second post: call `find` first.
        """
        request = VendorRequest("Slack", f"post in {channel}", write=True)
        body = {
            "channel": await self._channel_id(channel),
            **_content(text, payload, blocks, called),
            "mrkdwn": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if thread:
            body["thread_ts"] = thread
        answer = await self._send(request, "chat.postMessage", json=body)
        return SlackMessage(channel=str(answer.get("channel")), ts=str(answer.get("ts")), text=text, payload=payload)

    async def update(
        self,
        message: SlackMessage,
        text: str,
        payload: JsonDict,
        *,
        blocks: list[JsonDict] | None = None,
        called: str = "",
    ) -> SlackMessage:
        """Change a message of ours in place; the same call again changes nothing. `text` is as long as for `post`."""
        request = VendorRequest("Slack", f"update the message {message.ts}", write=True)
        body = {"channel": message.channel, "ts": message.ts, **_content(text, payload, blocks, called)}
        await self._send(request, "chat.update", json=body)
        return message.model_copy(update={"text": text, "payload": payload})

    async def tell(self, channel_id: str, user: str, text: str, *, thread: str = "") -> None:
        """Show a text to one person only: where that person is, or else as a direct message.

        Slack shows nothing to one person in a channel that our bot or the person is not in.
        """
        request = VendorRequest("Slack", "tell one person", write=True)
        body = {"text": escape(text), "blocks": text_blocks(text), "unfurl_links": False, "unfurl_media": False}
        where = {"channel": channel_id, "user": user} | ({"thread_ts": thread} if thread else {})
        if channel_id:
            try:
                await self._send(request, "chat.postEphemeral", json=body | where)
            except (Denied, VendorRefused) as error:
                if isinstance(error, VendorRefused) and error.passes:
                    raise
            else:
                return
        await self._send(request, "chat.postMessage", json=body | {"channel": user})

    async def open_socket(self) -> str:
        """Return a fresh address at which Slack sends us what people do: Socket Mode. It is used once.

        Raises MissingSecret without an app token, and ConfigError for an address that is not encrypted.
        """
        if not self._app_token:
            raise MissingSecret(
                "Slack's app token is missing.", "Name it in systems.yaml, under slack: secrets: app_token."
            )
        request = VendorRequest("Slack", "open a connection", write=True)
        answer: JsonDict = await self._app.send(
            request, "POST", "/apps.connections.open", json={}, expected=Expected(frozenset({200}), dict, ("ok", "url"))
        )
        address = str(answer["url"])
        if not address.startswith("wss://") and not is_loopback(address):
            raise request.refused("the address is not encrypted")
        return address

    @property
    def has_app_token(self) -> bool:
        """Return whether there is an app token, so that a connection can be opened."""
        return bool(self._app_token)

    @property
    def is_local(self) -> bool:
        """Return whether it is a simulated Slack on this machine, which no proxy reaches."""
        return is_loopback(self._http.base)

    async def open_view(self, trigger: str, view: JsonDict) -> None:
        """Open a form for the person whose action the trigger is, at most three seconds ago."""
        request = VendorRequest("Slack", "open a form", write=True)
        await self._send(request, "views.open", json={"trigger_id": trigger, "view": view})

    async def read(self, channel_id: str, ts: str) -> SlackMessage | None:
        """Return the message `ts`, wherever it stands in the channel; None if it was deleted or is not ours."""
        request = VendorRequest("Slack", f"read the message {ts}", write=False)
        params = {"channel": channel_id, "latest": ts, "oldest": ts, "inclusive": "true", "limit": "1"}
        answer = await self._send(request, "conversations.history", params=params | _WITH_METADATA)
        return next((message for message in _ours(answer, channel_id) if message.ts == ts), None)

    async def replies(self, message: SlackMessage) -> list[SlackMessage]:
        """Return our messages in the thread of `message`, oldest first, among its first 1,000."""
        request = VendorRequest("Slack", f"read the thread of {message.ts}", write=False)
        pages = self._pages(request, "conversations.replies", message.channel, {"ts": message.ts})
        return [reply async for reply in pages if reply.ts != message.ts]

    async def find(self, channel: str, key: str) -> SlackMessage | None:
        """Return our newest message whose metadata carries `key`, or None among the newest 1,000."""
        request = VendorRequest("Slack", f"read {channel}", write=False)
        async for message in self._pages(request, "conversations.history", await self._channel_id(channel), {}):
            if message.payload.get("key") == key:
                return message
        return None

    def _pages(
        self, request: VendorRequest, method: str, channel_id: str, params: Mapping[str, str]
    ) -> AsyncGenerator[SlackMessage]:
        """Yield our messages in an answer of several pages, in Slack's order.

        Hundreds of people may be notified in one channel at the same time: their searches share one read.
        """

        async def read(cursor: str) -> tuple[list[SlackMessage], str]:
            page = {"channel": channel_id, "limit": str(_PAGE), **params, **({"cursor": cursor} if cursor else {})}
            answer = await self._send(request, method, params=page | _WITH_METADATA)
            return _ours(answer, channel_id), _next_cursor(answer)

        return self._reads.get().items(" ".join([method, channel_id, *params.values()]), read)

    async def _channel_id(self, channel: str) -> str:
        """Return a channel's id; names are looked up once. Raises ConfigError for a channel that our bot cannot see."""
        name = channel.removeprefix("#")
        if _CHANNEL_ID.fullmatch(name):
            return name
        if name not in self._ids:
            await self._list_channels(name)
        if name not in self._ids:
            raise ConfigError(
                f"Slack shows our bot no channel called {name}.", f"Create it, or invite the bot: /invite in #{name}."
            )
        return self._ids[name]

    async def _list_channels(self, until: str) -> None:
        """Read the ids of the channels that our bot can see, up to and including the channel called `until`."""
        request = VendorRequest("Slack", "list the channels", write=False)

        async def read(cursor: str) -> tuple[list[str], str]:
            params = {"limit": "1000", "types": "public_channel,private_channel", "exclude_archived": "true"}
            params |= {"cursor": cursor} if cursor else {}
            answer = await self._send(request, "conversations.list", params=params)
            channels = cast("list[JsonDict]", answer.get("channels") or [])
            found = {str(channel.get("name")): str(channel.get("id")) for channel in channels}
            self._ids |= found
            return list(found), _next_cursor(answer)

        async for name in self._lists.get().items("conversations.list", read):
            if name == until:
                return

    async def _send(
        self,
        request: VendorRequest,
        method: str,
        *,
        json: JsonDict | None = None,
        params: Mapping[str, str] | None = None,
    ) -> JsonDict:
        """Return a good answer's body: one that says `ok: true`. A read is a GET, a write a POST."""
        verb = "GET" if json is None else "POST"
        answer: JsonDict = await self._http.send(
            request, verb, f"/{method}", json=json, params=params, expected=_ANSWER
        )
        return answer


def _refused(request: VendorRequest, response: httpx.Response, body: Any) -> AllclearError | None:  # noqa: ANN401 - parsed JSON
    """Return the error for Slack's `ok: false`, which comes with a good status as well as with a bad one."""
    fields = cast("JsonDict", body) if isinstance(body, dict) else {}
    if fields.get("ok") is not False:
        return None
    code = str(fields.get("error"))
    code = code if _CODE.fullmatch(code) else f"status {response.status_code}"
    if code in _DENIED:
        return request.denied(code)
    if code == "ratelimited" or response.status_code in RATE_LIMITED:
        return request.rate_limited(seconds_to_wait(response.headers.get("retry-after")))
    if code in _UNCLEAR:
        return request.answer_lost(code)
    if response.is_success:
        return request.refused(code)
    return request.error_for(response.status_code, code)


async def _nothing_to_close(_: object) -> None:
    """Do nothing: shared reads hold no connection."""


_WITH_METADATA = {"include_all_metadata": "true"}


def _content(text: str, payload: JsonDict, blocks: list[JsonDict] | None = None, called: str = "") -> JsonDict:
    """Return what a message says: as blocks, by default of plain text, and as text for notifications.

    `called` are the mentions in the blocks, which the text for notifications has too.
    """
    return {
        "text": f"{escape(text)} {called}".strip(),
        "parse": "none",
        "blocks": text_blocks(text) if blocks is None else blocks,
        "metadata": {"event_type": EVENT, "event_payload": payload},
    }


def _ours(answer: JsonDict, channel_id: str) -> list[SlackMessage]:
    """Return the messages of an answer that our app posted with a key, in the answer's order."""
    messages = cast("list[JsonDict]", answer.get("messages") or [])
    return [
        SlackMessage(channel=channel_id, ts=str(message.get("ts")), text=str(message.get("text", "")), payload=payload)
        for message in messages
        if (payload := _our_payload(message))
    ]


def _our_payload(message: JsonDict) -> JsonDict:
    metadata = cast("JsonDict", message.get("metadata") or {})
    return cast("JsonDict", metadata.get("event_payload") or {}) if metadata.get("event_type") == EVENT else {}


def _next_cursor(answer: JsonDict) -> str:
    return str(cast("JsonDict", answer.get("response_metadata") or {}).get("next_cursor") or "")
