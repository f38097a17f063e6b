"""Slack: posts a message once, finds it again by our key, and changes it in place.

Source: Slack Web API and slack_sdk 3.47, 2026-11:
- A good answer is 200 **and** `ok: true`. One message a second for a channel, then 429 with Retry-After.
- `chat.postMessage` has no idempotency key: ours travels in the message's `metadata.event_payload`, and
  `conversations.history` with `include_all_metadata` gives it back to the app that posted.
- `conversations.history` and `chat.update` take a channel's id, not its name; `conversations.list` knows both.
- `& < >` must be escaped in text; `<!here>` and `<@U1>` would otherwise call people. A text beyond 40,000
  characters is cut by Slack.
- The library's retry handlers would send a write again after a broken connection: they are switched off.
- `AsyncWebClient` needs aiohttp, which nothing else here does: the plain client in a few threads of its own does
  as well for a message a second.
"""

# pyright: reportUnknownMemberType=false
# reason: slack_sdk types its arguments and answers as bare dicts; `_body` gives them their type.

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast
from urllib.error import URLError

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import AllclearError, ConfigError
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, shown, web_address
from allclear.vendors.errors import BUSY, TROUBLED, Call, seconds_to_wait
from allclear.vendors.http import ANSWER_SECONDS, ATTEMPTS, LONGEST_WAIT, Pause

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web import SlackResponse

EVENT = "allclear_message"
"""The `metadata.event_type` of our messages."""
LONGEST_TEXT = 39_000
_PAGE, _PAGES = 200, 5
"""How far back a message of ours is looked for: the newest 1,000 of the channel."""
_LIST_PAGES = 20
_CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{7,}")

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
    """Where messages go unless a step says otherwise."""

    channel: str = Field(default="incidents", min_length=1, description="A channel's name or id.")


class SlackMessage(Model):
    """A message of ours as it stands in Slack."""

    channel: str = Field(description="The channel's id.")
    ts: str = Field(description="Slack's name for the message.")
    text: str
    payload: JsonDict = Field(default={})


def escape(text: str) -> str:
    """Return `text` so that Slack shows it as written: no link, no mention, no call to a whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Slack:
    """Posts and updates messages as one bot."""

    system: ClassVar[str] = "slack"
    options: ClassVar[type[Model]] = SlackOptions

    def __init__(self, address: str, secret: str, options: SlackOptions, pause: Pause = asyncio.sleep) -> None:
        self.channel = options.channel.removeprefix("#")
        self._address = address
        self._secret = secret
        self._pause = pause
        self._web: WebClient | None = None
        self._ids: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="slack")

    def __repr__(self) -> str:
        """Return where it is aimed, without its secret."""
        return f"Slack({shown(self._address)!r}, channel={self.channel!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. The endpoint is `https://slack.com/api`. Raises ConfigError."""
        options = options_of(access, SlackOptions)
        return cls(web_address(access), secret_of(access), options)

    async def warm(self) -> None:
        """Load what the first call needs, beside other work."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._client)

    async def close(self) -> None:
        """Release its threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, channel: str, text: str, payload: JsonDict) -> SlackMessage:
        """Post `text`, escaped, with `payload` in its metadata. Nothing stops a second post: `find` first."""
        call = Call("Slack", f"post in {channel}", write=True)
        body = {
            "channel": await self._id(channel),
            "text": escape(text)[:LONGEST_TEXT],
            "metadata": {"event_type": EVENT, "event_payload": payload},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        said = await self._ask(call, lambda web: web.api_call("chat.postMessage", json=body))
        return SlackMessage(channel=str(said.get("channel")), ts=str(said.get("ts")), text=text, payload=payload)

    async def update(self, message: SlackMessage, text: str, payload: JsonDict) -> SlackMessage:
        """Change a message of ours in place; the same call again changes nothing."""
        call = Call("Slack", f"update the message {message.ts}", write=True)
        body = {
            "channel": message.channel,
            "ts": message.ts,
            "text": escape(text)[:LONGEST_TEXT],
            "metadata": {"event_type": EVENT, "event_payload": payload},
        }
        await self._ask(call, lambda web: web.api_call("chat.update", json=body))
        return message.model_copy(update={"text": text, "payload": payload})

    async def find(self, channel: str, key: str) -> SlackMessage | None:
        """Return our newest message whose metadata carries `key`, or None among the newest 1,000."""
        call = Call("Slack", f"read {channel}", write=False)
        identity = await self._id(channel)
        cursor = ""
        for _ in range(_PAGES):
            params = {"channel": identity, "limit": _PAGE, "include_all_metadata": True, "cursor": cursor or None}
            said = await self._ask(call, lambda web, p=params: web.api_call("conversations.history", params=p))
            for message in cast("list[JsonDict]", said.get("messages") or []):
                payload = _ours(message)
                if payload.get("key") == key:
                    text = str(message.get("text", ""))
                    return SlackMessage(channel=identity, ts=str(message.get("ts")), text=text, payload=payload)
            cursor = _next(said)
            if not cursor:
                return None
        return None

    async def _id(self, channel: str) -> str:
        """Return a channel's id; names are looked up once. Raises ConfigError for one that our bot cannot see."""
        name = channel.removeprefix("#")
        if _CHANNEL_ID.fullmatch(name):
            return name
        if name not in self._ids:
            call = Call("Slack", "list the channels", write=False)
            cursor = ""
            for _ in range(_LIST_PAGES):
                params = {"limit": 1000, "types": "public_channel,private_channel", "exclude_archived": True}
                params |= {"cursor": cursor} if cursor else {}
                said = await self._ask(call, lambda web, p=params: web.api_call("conversations.list", params=p))
                found = cast("list[JsonDict]", said.get("channels") or [])
                self._ids |= {str(entry.get("name")): str(entry.get("id")) for entry in found}
                cursor = _next(said)
                if name in self._ids or not cursor:
                    break
        if name not in self._ids:
            raise ConfigError(
                f"Slack shows our bot no channel called {name}.", f"Create it, or invite the bot: /invite in #{name}."
            )
        return self._ids[name]

    async def _ask(self, call: Call, send: Callable[[WebClient], SlackResponse]) -> JsonDict:
        """Return a good answer's body; reads are sent again after trouble, writes only when Slack was busy."""
        await self.warm()
        from slack_sdk.errors import SlackApiError  # noqa: PLC0415 - loaded by `warm`

        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            wait = 0.2 * 2 ** (attempt - 1)
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, lambda: _body(send(self._client())))
            except (SlackApiError, OSError, HTTPException) as error:
                status, error_in_our_words, retry_after = self._meaning(call, error)
                busy = status in BUSY
                wait = (retry_after or 1.0) if busy else wait
                again = busy or (not call.write and status in {*TROUBLED, None})
                if last or not again or wait > LONGEST_WAIT:
                    raise error_in_our_words from None
            await self._pause(wait)
        raise AssertionError  # the last attempt returns or raises

    def _client(self) -> WebClient:
        if self._web is None:
            from slack_sdk import WebClient  # noqa: PLC0415 - heavy, paid when first used

            self._web = WebClient(
                self._secret, base_url=f"{self._address}/", timeout=int(ANSWER_SECONDS), retry_handlers=[]
            )
        return self._web

    def _meaning(self, call: Call, error: Exception) -> tuple[int | None, AllclearError, float | None]:
        """Return the HTTP status (None for a broken connection), our error, and the seconds to wait."""
        from slack_sdk.errors import SlackApiError  # noqa: PLC0415 - loaded by `warm`

        if isinstance(error, SlackApiError):
            return self._refusal(call, error)
        if isinstance(error, URLError):
            # urllib raises this one while it connects or sends; a reset may come after everything was sent.
            reset = isinstance(error.reason, ConnectionResetError | BrokenPipeError | ConnectionAbortedError)
            return None, call.lost("the connection broke") if reset else call.unreachable("no connection"), None
        slow = isinstance(error, TimeoutError)
        return None, call.lost(f"no answer within {ANSWER_SECONDS:.0f} s" if slow else "the connection broke"), None

    def _refusal(self, call: Call, error: SlackApiError) -> tuple[int, AllclearError, float | None]:
        response: Any = error.response
        status = int(response.status_code)
        said: object = response.data
        word = str(cast("JsonDict", said).get("error", "")) if isinstance(said, dict) else ""
        word = (word or f"status {status}").replace(self._secret, "…")
        wait = seconds_to_wait(response.headers.get("Retry-After"))
        if word in _DENIED:
            return status, call.denied(word), None
        if word == "ratelimited" or status in BUSY:
            return 429, call.busy(wait), wait
        if word in _UNCLEAR:
            return 503, call.lost(word), None
        return status, call.by_status(status, word), wait


def _body(response: SlackResponse) -> JsonDict:
    data = cast("object", response.data)
    return cast("JsonDict", data) if isinstance(data, dict) else {}


def _ours(message: JsonDict) -> JsonDict:
    metadata = cast("JsonDict", message.get("metadata") or {})
    return cast("JsonDict", metadata.get("event_payload") or {}) if metadata.get("event_type") == EVENT else {}


def _next(said: JsonDict) -> str:
    return str(cast("JsonDict", said.get("response_metadata") or {}).get("next_cursor") or "")
