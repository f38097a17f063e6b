"""Slack: posts a message once, finds it again by our key, and changes it in place.

Source: Slack Web API and slack_sdk 3.47, 2026-11:
- A good answer is 200 **and** `ok: true`. One message a second for a channel, then 429 with Retry-After.
- `chat.postMessage` has no idempotency key: ours travels in the message's `metadata.event_payload`, and
  `conversations.history` with `include_all_metadata` gives it back to the app that posted.
- `conversations.history` and `chat.update` take a channel's id, not its name; `conversations.list` knows both.
- `& < >` must be escaped in text; `<!here>` and `<@U1>` would otherwise call people. A text beyond 40,000
  characters is cut by Slack.
- The library's retry handlers would send a write again after a broken connection: they are switched off.
- `AsyncWebClient` needs aiohttp, which nothing else here does. The plain client in four threads is enough for one
  message a second.
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
from allclear.vendors.access import options_of, redacted, secret_of, web_address
from allclear.vendors.errors import RATE_LIMITED, UNAVAILABLE, VendorRequest, hidden, seconds_to_wait
from allclear.vendors.http import ANSWER_SECONDS, RATE_LIMIT_PAUSE, RETRIES
from allclear.vendors.retry import Attempt, Pause, retry

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web import SlackResponse

EVENT = "allclear_message"
"""The `metadata.event_type` of our messages."""
LONGEST_TEXT = 39_000
_PAGE, _PAGES = 200, 5
"""How far back our messages are searched: the newest 1,000 of the channel."""
_LIST_PAGES = 20
_SCOPES = "x-oauth-scopes"
"""The header in which Slack names the permissions of the token."""
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


class Slack:
    """Posts and updates messages as one bot."""

    system: ClassVar[str] = "slack"
    libraries: ClassVar[tuple[str, ...]] = ("slack_sdk",)
    """What its first call imports: the runner imports it beforehand."""
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
        """Return the address and the channel, without the secret."""
        return f"Slack({redacted(self._address)!r}, channel={self.channel!r})"

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

    async def scopes(self) -> frozenset[str]:
        """Return the permissions of our token, as `chat:write`; empty if Slack does not tell. Raises Denied."""
        request, told = VendorRequest("Slack", "say who we are", write=False), [""]

        def ask(web: WebClient) -> SlackResponse:
            response = web.api_call("auth.test")
            headers = cast("dict[str, str]", response.headers)
            told[0] = next((text for name, text in headers.items() if name.lower() == _SCOPES), "")
            return response

        await self._send(request, ask)
        return frozenset(scope.strip() for scope in str(told[0]).split(",") if scope.strip())

    async def check_readable(self, channel: str) -> None:
        """Read the newest message of `channel`. Raises Denied if our bot is not in it, ConfigError if it sees none."""
        request = VendorRequest("Slack", f"read {channel}", write=False)
        params = {"channel": await self._channel_id(channel), "limit": 1}
        await self._send(request, lambda web: web.api_call("conversations.history", params=params))

    async def post(self, channel: str, text: str, payload: JsonDict) -> SlackMessage:
        """Post `text`, escaped, with `payload` in its metadata. Slack accepts a second post: call `find` first."""
        request = VendorRequest("Slack", f"post in {channel}", write=True)
        body = {
            "channel": await self._channel_id(channel),
            "text": escape(text)[:LONGEST_TEXT],
            "metadata": {"event_type": EVENT, "event_payload": payload},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        answer = await self._send(request, lambda web: web.api_call("chat.postMessage", json=body))
        return SlackMessage(channel=str(answer.get("channel")), ts=str(answer.get("ts")), text=text, payload=payload)

    async def update(self, message: SlackMessage, text: str, payload: JsonDict) -> SlackMessage:
        """Change a message of ours in place; the same call again changes nothing."""
        request = VendorRequest("Slack", f"update the message {message.ts}", write=True)
        body = {
            "channel": message.channel,
            "ts": message.ts,
            "text": escape(text)[:LONGEST_TEXT],
            "metadata": {"event_type": EVENT, "event_payload": payload},
        }
        await self._send(request, lambda web: web.api_call("chat.update", json=body))
        return message.model_copy(update={"text": text, "payload": payload})

    async def find(self, channel: str, key: str) -> SlackMessage | None:
        """Return our newest message whose metadata carries `key`, or None among the newest 1,000."""
        request = VendorRequest("Slack", f"read {channel}", write=False)
        channel_id = await self._channel_id(channel)
        cursor = ""
        for _ in range(_PAGES):
            params = {"channel": channel_id, "limit": _PAGE, "include_all_metadata": True, "cursor": cursor or None}
            answer = await self._send(request, lambda web, p=params: web.api_call("conversations.history", params=p))
            for message in cast("list[JsonDict]", answer.get("messages") or []):
                payload = _our_payload(message)
                if payload.get("key") == key:
                    text = str(message.get("text", ""))
                    return SlackMessage(channel=channel_id, ts=str(message.get("ts")), text=text, payload=payload)
            cursor = _next_cursor(answer)
            if not cursor:
                return None
        return None

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
        cursor = ""
        for _ in range(_LIST_PAGES):
            params = {"limit": 1000, "types": "public_channel,private_channel", "exclude_archived": True}
            params |= {"cursor": cursor} if cursor else {}
            answer = await self._send(request, lambda web, p=params: web.api_call("conversations.list", params=p))
            channels = cast("list[JsonDict]", answer.get("channels") or [])
            self._ids |= {str(channel.get("name")): str(channel.get("id")) for channel in channels}
            cursor = _next_cursor(answer)
            if until in self._ids or not cursor:
                return

    async def _send(self, request: VendorRequest, send: Callable[[WebClient], SlackResponse]) -> JsonDict:
        """Return a good answer's body. Reads are sent again after a failure, writes only after a rate limit."""
        await self.warm()
        from slack_sdk.errors import SlackApiError  # noqa: PLC0415 - loaded by `warm`

        async def attempt() -> Attempt[JsonDict | AllclearError]:
            try:
                loop = asyncio.get_running_loop()
                return Attempt(await loop.run_in_executor(self._threads, lambda: _body(send(self._client()))))
            except SlackApiError as error:
                status, refusal, seconds = self._refusal(request, error)
                if status in RATE_LIMITED:
                    return Attempt(refusal, retryable=True, retry_after=seconds or RATE_LIMIT_PAUSE)
                return Attempt(refusal, retryable=not request.write and status in UNAVAILABLE)
            except (OSError, HTTPException) as error:
                return Attempt(_transport_error(request, error), retryable=not request.write)

        result = await retry(attempt, RETRIES, pause=self._pause)
        if isinstance(result, AllclearError):
            raise result
        return result

    def _client(self) -> WebClient:
        if self._web is None:
            from slack_sdk import WebClient  # noqa: PLC0415 - heavy, paid when first used

            self._web = WebClient(
                self._secret, base_url=f"{self._address}/", timeout=int(ANSWER_SECONDS), retry_handlers=[]
            )
        return self._web

    def _refusal(self, request: VendorRequest, error: SlackApiError) -> tuple[int, AllclearError, float | None]:
        """Return the HTTP status that the refusal amounts to, our error, and the seconds that Retry-After names."""
        response: Any = error.response
        status = int(response.status_code)
        body: object = response.data
        code = str(cast("JsonDict", body).get("error", "")) if isinstance(body, dict) else ""
        code = hidden(code or f"status {status}", self._secret)
        seconds = seconds_to_wait(response.headers.get("Retry-After"))
        if code in _DENIED:
            return status, request.denied(code), None
        if code == "ratelimited" or status in RATE_LIMITED:
            return 429, request.rate_limited(seconds), seconds
        if code in _UNCLEAR:
            return 503, request.answer_lost(code), None
        return status, request.error_for(status, code), seconds


def _transport_error(request: VendorRequest, error: Exception) -> AllclearError:
    if isinstance(error, URLError):
        # urllib raises this one while it connects or sends; a reset may come after everything was sent.
        reset = isinstance(error.reason, ConnectionResetError | BrokenPipeError | ConnectionAbortedError)
        return request.answer_lost("the connection broke") if reset else request.unreachable("no connection")
    if isinstance(error, TimeoutError):
        return request.answer_lost(f"no answer within {ANSWER_SECONDS:.0f} s")
    return request.answer_lost("the connection broke")


def _body(response: SlackResponse) -> JsonDict:
    data = cast("object", response.data)
    return cast("JsonDict", data) if isinstance(data, dict) else {}


def _our_payload(message: JsonDict) -> JsonDict:
    metadata = cast("JsonDict", message.get("metadata") or {})
    return cast("JsonDict", metadata.get("event_payload") or {}) if metadata.get("event_type") == EVENT else {}


def _next_cursor(answer: JsonDict) -> str:
    return str(cast("JsonDict", answer.get("response_metadata") or {}).get("next_cursor") or "")
