"""Searches of the same list at the same time share a read, and no search joins a read that began before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest

from allclear.domain.errors import VendorError
from allclear.vendors.shared_reads import SharedReads
from allclear.vendors.slack import EVENT, Slack, SlackOptions
from tests.patience import until

MANY = 50


@dataclass
class Channel:
    """A channel of two pages, and how often each was read. A read answers with the messages at its beginning."""

    pages: list[list[str]] = field(default_factory=lambda: [["b", "a"], ["old"]])
    read: list[str] = field(default_factory=list[str])
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False

    async def page(self, cursor: str) -> tuple[list[str], str]:
        """Return a page."""
        self.read.append(cursor or "first")
        found = list(self.pages[1 if cursor else 0])
        await self.answers.wait()
        if self.fails:
            raise VendorError("Slack is away.", "Wait.")
        return found, "" if cursor else "second"

    async def find(self, reads: SharedReads[str], key: str) -> bool:
        """Return whether the channel has a message."""
        async for found in reads.items("channel", self.page):
            if found == key:
                return True
        return False


def searches(channel: Channel, reads: SharedReads[str], key: str, count: int = MANY) -> list[asyncio.Task[bool]]:
    """Begin so many searches."""
    return [asyncio.create_task(channel.find(reads, key)) for _ in range(count)]


async def all_of(started: list[asyncio.Task[bool]]) -> set[bool]:
    """Return the different results."""
    return set(await asyncio.gather(*started))


async def test_searches_at_the_same_time_share_a_read() -> None:
    """Those that come while it is under way share the next one. A further page is read once, if a search needs it."""
    channel, reads = Channel(), SharedReads[str](5)
    started = searches(channel, reads, "a")
    await until(lambda: channel.read)
    later = searches(channel, reads, "b")
    await asyncio.sleep(0)
    channel.answers.set()
    assert await all_of(started + later) == {True}
    assert channel.read == ["first", "first"]
    assert await all_of(searches(channel, reads, "nothing")) == {False}
    assert channel.read[2:] == ["first", "second"]


async def test_a_search_finds_what_was_sent_before_it_began() -> None:
    """The read that is under way does not have it, so the late searches get the next one."""
    channel, reads = Channel(), SharedReads[str](5)
    early = searches(channel, reads, "new", 1)
    await until(lambda: channel.read)
    channel.pages[0].insert(0, "new")
    late = searches(channel, reads, "new")
    channel.answers.set()
    assert (await all_of(early), await all_of(late)) == ({False}, {True})


async def test_a_read_that_fails_fails_for_all_that_share_it() -> None:
    """They do not ask again one after another; a later search does."""
    channel, reads = Channel(fails=True), SharedReads[str](5)
    started = searches(channel, reads, "a")
    await until(lambda: channel.read)
    channel.answers.set()
    results = await asyncio.gather(*started, return_exceptions=True)
    assert {type(one) for one in results} == {VendorError}
    assert channel.read == ["first"]
    channel.fails = False
    assert await channel.find(reads, "a")


@pytest.mark.parametrize("cancelled", [0, 1], ids=["the first", "the second"])
async def test_a_search_that_is_cancelled_stops_no_other(cancelled: int) -> None:
    """The read that it began goes on for the others."""
    channel, reads = Channel(), SharedReads[str](5)
    started = searches(channel, reads, "a")
    await until(lambda: channel.read)
    await asyncio.sleep(0)
    stopped = started.pop(cancelled)
    stopped.cancel()
    with suppress(asyncio.CancelledError):
        await stopped
    channel.answers.set()
    assert await all_of(started) == {True}


async def test_three_hundred_searches_in_slack_are_a_few_requests() -> None:
    """The name of the channel is looked up once, and its newest messages are read once for all that search together."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        method = request.url.path.rpartition("/")[2]
        asked.append(method)
        message = {"ts": "1.0", "text": "x", "metadata": {"event_type": EVENT, "event_payload": {"key": "VS-1-7"}}}
        channels = {"channels": [{"name": "incidents", "id": "C0000001"}]}
        return httpx.Response(200, json={"ok": True} | (channels if "list" in method else {"messages": [message]}))

    slack = Slack("https://slack.com/api", "xoxb", SlackOptions(), transport=httpx.MockTransport(answer))
    keys = [f"VS-1-{number}" for number in range(300)]
    work: list[Awaitable[object]] = [slack.find("incidents", key) for key in keys]
    found = await asyncio.gather(*work)
    await slack.close()
    assert [number for number, one in enumerate(found) if one] == [7]
    assert asked == ["conversations.list", "conversations.history"]
