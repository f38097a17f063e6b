"""The simulated Slack, used by the web client of ``slack_sdk``."""

# ruff: noqa: ANN401 - the vendors' answers can be anything

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.contract.simulator_support import Simulated, fault, quick, recorded

_METADATA = {"event_type": "allclear_act", "event_payload": {"intent": "in-1"}}


class _Slack:
    """Run the blocking client in a thread, because the asynchronous one needs a package that we do not use."""

    def __init__(self, simulation: Simulated, token: str | None = None) -> None:
        token = token or simulation.secrets["slack"]
        self._client = WebClient(token, base_url=simulation.endpoints["slack"])
        self._client.retry_handlers = []

    async def __call__(self, method: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(self._client, method), **arguments)


async def _channel(slack: _Slack, name: str = "incidents") -> str:
    found = (await slack("conversations_list"))["channels"]
    return next(channel["id"] for channel in found if channel["name"] == name)


async def test_a_message_is_posted_by_channel_name_and_changed_by_id() -> None:
    """It is posted to #incidents, changed in place, and read again."""
    async with Simulated(quick("healthy")) as sim:
        slack = _Slack(sim)
        posted = await slack("chat_postMessage", channel="#incidents", text="P0: checkout")
        assert posted["channel"] == await _channel(slack)
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "Contained"}}]
        await slack("chat_update", channel=posted["channel"], ts=posted["ts"], text="ok", blocks=blocks)
        history = (await slack("conversations_history", channel=posted["channel"]))["messages"]
        assert [(m["ts"], m["text"]) for m in history] == [(posted["ts"], "ok")]
        assert history[0]["blocks"] == blocks
        assert [e["action"] for e in recorded(sim, "message")] == ["posted", "changed"]


async def test_the_history_has_pages_and_metadata_on_request() -> None:
    """The newest is first. Paging, oldest and include_all_metadata find a message that was sent before."""
    async with Simulated(quick("healthy")) as sim:
        slack = _Slack(sim)
        channel = await _channel(slack)
        stamps = [
            (await slack("chat_postMessage", channel=channel, text=str(n), metadata=_METADATA))["ts"] for n in range(3)
        ]
        first = await slack("conversations_history", channel=channel, limit=2)
        assert [m["text"] for m in first["messages"]] == ["2", "1"]
        assert first["has_more"]
        assert "metadata" not in first["messages"][0]
        cursor = first["response_metadata"]["next_cursor"]
        rest = await slack("conversations_history", channel=channel, limit=2, cursor=cursor)
        assert [m["text"] for m in rest["messages"]] == ["0"]
        since = await slack("conversations_history", channel=channel, oldest=stamps[1], include_all_metadata=True)
        assert [m["metadata"] for m in since["messages"]] == [_METADATA]
        assert len(set(stamps)) == 3


async def test_replies_are_only_in_their_thread() -> None:
    """The history does not have them."""
    async with Simulated(quick("healthy")) as sim:
        slack = _Slack(sim)
        parent = await slack("chat_postMessage", channel="incidents", text="P0")
        channel, thread = parent["channel"], parent["ts"]
        await slack("chat_postMessage", channel=channel, text="update", thread_ts=thread)
        history = await slack("conversations_history", channel=channel)
        assert [m["text"] for m in history["messages"]] == ["P0"]
        replies = await slack("conversations_replies", channel=channel, ts=thread)
        assert [m["text"] for m in replies["messages"]] == ["P0", "update"]


async def test_a_form_body_works_like_json() -> None:
    """In a form, blocks and metadata are JSON text."""
    async with Simulated(quick("healthy")) as sim, httpx.AsyncClient() as client:
        form = {
            "channel": "#incidents",
            "text": "ä & b",
            "metadata": '{"event_type":"a","event_payload":{}}',
        }
        answer = await client.post(
            sim.endpoints["slack"] + "chat.postMessage",
            data=form,
            headers={"authorization": f"Bearer {sim.secrets['slack']}"},
        )
    assert answer.json()["ok"], answer.text
    assert answer.json()["message"]["text"] == "ä & b"


async def test_a_wrong_token_is_refused() -> None:
    """The right token belongs to a bot, and a wrong one is invalid_auth."""
    async with Simulated(quick("healthy")) as sim:
        assert (await _Slack(sim)("auth_test"))["user"] == "allclear"
        with pytest.raises(SlackApiError) as caught:
            await _Slack(sim, "xoxb-1-2-wrong")("auth_test")
        assert caught.value.response["error"] == "invalid_auth"


@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat_postMessage", {"channel": "#nowhere", "text": "x"}, "channel_not_found"),
        ("chat_postMessage", {"channel": "#incidents"}, "no_text"),
        ("chat_postMessage", {"channel": "#incidents", "text": "x" * 40_001}, "msg_too_long"),
        (
            "chat_postMessage",
            {"channel": "#incidents", "text": "x", "blocks": [{"text": "no type"}]},
            "invalid_blocks",
        ),
        (
            "chat_postMessage",
            {"channel": "#incidents", "text": "x", "metadata": {"event_type": "a"}},
            "invalid_metadata_format",
        ),
        (
            "chat_postMessage",
            {"channel": "#incidents", "text": "x", "thread_ts": "1.000000"},
            "thread_not_found",
        ),
        ("conversations_history", {"channel": "incidents"}, "channel_not_found"),
    ],
)
async def test_an_invalid_call_has_slacks_error(method: str, arguments: dict[str, Any], error: str) -> None:
    """The answer is ``ok: false`` with Slack's code, and nothing is posted."""
    async with Simulated(quick("healthy")) as sim:
        with pytest.raises(SlackApiError) as caught:
            await _Slack(sim)(method, **arguments)
        assert caught.value.response["error"] == error
        assert not recorded(sim, "message")


async def test_an_unknown_message_cannot_be_changed() -> None:
    """chat.update of an unknown ts is message_not_found."""
    async with Simulated(quick("healthy")) as sim:
        slack = _Slack(sim)
        with pytest.raises(SlackApiError) as caught:
            await slack("chat_update", channel=await _channel(slack), ts="1.000000", text="x")
        assert caught.value.response["error"] == "message_not_found"


async def test_a_rate_limit_is_429_with_retry_after() -> None:
    """The header has the seconds to wait."""
    async with Simulated(quick("healthy")) as sim:
        await fault(sim, "slack", "chat.postMessage", "rate_limited", seconds=7)
        with pytest.raises(SlackApiError) as caught:
            await _Slack(sim)("chat_postMessage", channel="#incidents", text="x")
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["retry-after"] == "7"


async def test_a_message_whose_answer_is_lost_is_posted() -> None:
    """The connection breaks, and the message is in the channel."""
    async with Simulated(quick("healthy")) as sim:
        slack = _Slack(sim)
        await fault(sim, "slack", "chat.postMessage", "answer_lost")
        with pytest.raises(OSError, match=r"closed|reset"):
            await slack("chat_postMessage", channel="#incidents", text="once")
        history = await slack("conversations_history", channel=await _channel(slack))
        assert [m["text"] for m in history["messages"]] == ["once"]
