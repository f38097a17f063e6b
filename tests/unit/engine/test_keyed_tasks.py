"""One of a name at a time."""

from __future__ import annotations

import asyncio

import pytest

from allclear.engine.keyed_tasks import KeyedTasks


async def test_what_goes_on_is_not_begun_again_and_its_end_is_told() -> None:
    """However it ends; another name goes on beside it."""
    ended, go, begun = list[str](), asyncio.Event(), list[str]()

    async def work(name: str, *, fails: bool = False) -> None:
        begun.append(name)
        await go.wait()
        if fails:
            raise asyncio.CancelledError

    under_way = KeyedTasks(ended.append)
    assert under_way.begin("a 1", lambda: work("a 1"))
    assert under_way.begin("a 2", lambda: work("a 2", fails=True))
    assert under_way.begin("b 1", lambda: work("b 1"))
    assert not under_way.begin("a 1", lambda: pytest.fail("it goes on already"))
    await under_way.settled("a ", within=0.01)
    assert (sorted(begun), "a 1" in under_way, ended) == (["a 1", "a 2", "b 1"], True, [])
    go.set()
    await under_way.settled("a ")
    await under_way.settled()
    assert (sorted(ended), "a 1" in under_way) == (["a 1", "a 2", "b 1"], False)
    assert under_way.begin("a 1", lambda: work("a 1"))
    under_way.cancel()
    await under_way.settled()
    assert ended[-1] == "a 1"
