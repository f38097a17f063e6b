"""Messages in the simulated Slack: longer than an edit may be, lost among others, and as plain text."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.action import Verdict
from allclear.domain.errors import AnswerLost
from allclear.vendors.slack import LONGEST_TEXT, size
from tasks.slack import IN_THREAD, MessageParams, PostMessage
from tests.contract.actions_support import SimulatedContext, carried_out, production
from tests.contract.simulator_support import Simulated, fault, recorded
from tests.unit.fakes_context import FakeRecord

NOTES = [f"10:{minute} - Note by Ana: {'checkout & payments <b> ' * 37}" for minute in range(10, 16)]
LONG = "\n".join(
    ["🚨 [P0] Payments fail", "Status: INVESTIGATING", *NOTES, "Waiting for people:", "allclear approve X"]
)


def messages(sim: Simulated) -> list[dict[str, Any]]:
    """Return everything that stands in the channel, oldest first."""
    return sim.world.workspace.channels[0].messages


def thread_text(sim: Simulated, ts: str) -> str:
    """Return what the thread of a message says, without the message itself."""
    return "\n".join(block_text(message) for message in messages(sim) if message.get("thread_ts") == ts)


def block_text(message: dict[str, Any]) -> str:
    """Return what people see of a message."""
    return "\n".join(block["text"]["text"] for block in message["blocks"])


async def test_a_message_that_grows_past_what_an_edit_may_hold_stays_up_to_date() -> None:
    """The message has a short head with its first and last lines, and the whole text is in its thread."""
    async with production() as (sim, context):
        action = PostMessage(context)
        first = await carried_out(action, message="VS-1", text="Status: INVESTIGATING")
        grown = await carried_out(action, message="VS-1", text=LONG)
        contained = await carried_out(action, message="VS-1", text=LONG.replace("INVESTIGATING", "CONTAINED"))
        (top,) = [message for message in messages(sim) if "thread_ts" not in message]
        assert {first.after.ts, grown.after.ts, contained.after.ts} == {top["ts"]}
        assert contained.finding.verdict is Verdict.SUCCESS
        shown = block_text(top)
        assert shown.startswith("🚨 [P0] Payments fail\nStatus: CONTAINED")
        assert IN_THREAD in shown
        assert shown.endswith("allclear approve X")
        assert len(top["text"].encode()) <= LONGEST_TEXT < size(LONG)
        assert thread_text(sim, top["ts"]) == LONG.replace("INVESTIGATING", "CONTAINED")


async def test_a_long_first_message_has_its_thread_at_once_and_a_short_one_empties_it() -> None:
    """The parts that a shorter text no longer needs do not go on showing old words."""
    async with production() as (sim, context):
        action = PostMessage(context)
        posted = await carried_out(action, message="VS-1", text=LONG)
        assert thread_text(sim, posted.after.ts) == LONG
        await carried_out(action, message="VS-1", text="It is over.")
        assert "INVESTIGATING" not in str(messages(sim))
        assert block_text(messages(sim)[0]) == "It is over."


async def test_a_long_post_that_was_interrupted_is_completed() -> None:
    """The message without its thread does not count as posted; the next try adds what is missing and posts once."""
    async with production() as (sim, context):
        action = PostMessage(context)
        params = MessageParams(message="VS-1", text=LONG)
        before = await action.observe(params)
        change = action.plan(params, before)
        await action.slack.post("incidents", "head", {"key": "VS-1", "fingerprint": ""})
        assert not action.target_reached(change, await action.observe(params))
        done = await carried_out(action, message="VS-1", text=LONG)
        assert done.finding.verdict is Verdict.SUCCESS
        assert thread_text(sim, done.after.ts) == LONG
        assert len([message for message in messages(sim) if "thread_ts" not in message]) == 1


def remember(context: SimulatedContext, action: PostMessage, done: Any) -> None:  # noqa: ANN401 - what was carried out
    """Let the record hold what was seen after an act, as the journal does."""
    record = FakeRecord()
    record.states[action.resource(done.params)] = done.after.model_dump(mode="json")
    context.record = record


async def test_a_message_is_found_by_its_ts_among_a_thousand_others() -> None:
    """The channel is not searched, so nothing is posted a second time."""
    async with production() as (sim, context):
        action = PostMessage(context)
        first = await carried_out(action, message="VS-1", text="Investigating")
        remember(context, action, first)
        channel = sim.world.workspace.channels[0]
        for number in range(1_001):
            sim.world.workspace.post(channel, {"text": f"chatter {number}"})
        again = await carried_out(action, message="VS-1", text="Contained")
        assert again.after.ts == first.after.ts
        assert [message["text"] for message in messages(sim) if "metadata" in message] == ["Contained"]


async def test_a_message_that_a_person_deleted_is_posted_again() -> None:
    """The record's ts leads nowhere then."""
    async with production() as (sim, context):
        action = PostMessage(context)
        first = await carried_out(action, message="VS-1", text="Investigating")
        remember(context, action, first)
        messages(sim).clear()
        again = await carried_out(action, message="VS-1", text="Contained")
        assert again.after.ts != first.after.ts
        assert block_text(messages(sim)[0]) == "Contained"


async def test_a_strangers_words_are_plain_text() -> None:
    """No link, no markup, no mention and no unfurling, in a new message and after an edit."""
    words = "*Pay* <https://evil.test|here> ```rm``` <!channel> :fire:"
    async with production() as (sim, context):
        action = PostMessage(context)
        for text in (words, f"{words} again"):
            await carried_out(action, message="VS-1", text=text)
            (message,) = messages(sim)
            assert [block["text"] for block in message["blocks"]] == [
                {"type": "plain_text", "text": text, "emoji": False}
            ]
            assert "<" not in message["text"]
        post, edit = recorded(sim, "write", api="slack")
        assert (post["parse"], post["mrkdwn"], post["unfurl_links"], post["unfurl_media"]) == (
            "none",
            False,
            False,
            False,
        )
        assert edit["parse"] == "none"


async def test_an_edit_that_slack_refuses_fails_and_says_why() -> None:
    """The message keeps its old text; nothing counts as sent."""
    async with production() as (sim, context):
        action = PostMessage(context)
        await carried_out(action, message="VS-1", text="Investigating")
        await fault(sim, "slack", "chat.update", "login_page")
        with pytest.raises(AnswerLost, match="it answered 200 with a web page"):
            await carried_out(action, message="VS-1", text="Contained")
        assert recorded(sim, "write", api="slack", method="chat.update", result="done") == []
