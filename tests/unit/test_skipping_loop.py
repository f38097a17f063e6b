"""The event loop of the unit tests skips pauses, and nothing else."""

from __future__ import annotations

import asyncio
import threading

import pytest

HOUR = 3600


async def test_a_pause_takes_no_time_and_is_counted() -> None:
    """Two tasks that sleep at once have waited as long as the longer one, in the order of their timers."""
    loop, woken = asyncio.get_running_loop(), list[str]()

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(name)

    await asyncio.gather(sleeper("long", 2 * HOUR), sleeper("short", HOUR))
    assert woken == ["short", "long"]
    assert loop.time() == pytest.approx(2 * HOUR)


async def test_a_time_limit_is_reached_when_nothing_else_is_left_to_do() -> None:
    """An event that never comes is given up after exactly the limit."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(HOUR):
            await asyncio.Event().wait()
    assert asyncio.get_running_loop().time() == pytest.approx(HOUR)


async def test_a_call_in_a_thread_is_waited_for() -> None:
    """The clock stands still until the thread has returned, so that the time limit is not reached."""
    release = threading.Event()
    call = asyncio.create_task(asyncio.to_thread(release.wait))
    asyncio.get_running_loop().call_soon(release.set)
    async with asyncio.timeout(HOUR):
        assert await call
    assert asyncio.get_running_loop().time() == 0
