"""So many things at once, and whoever merely waits is in nobody's way."""

from __future__ import annotations

import asyncio

import pytest

from allclear.engine.concurrency import ConcurrencySlots, lent, rest


class Counter:
    """How many work at the same time, now and at most."""

    now = most = 0

    async def work(self) -> None:
        """Works for a moment."""
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1


async def test_no_more_than_the_places_work_at_once() -> None:
    """Of eight with two places, also where each rests in between."""
    places, counter = ConcurrencySlots(2), Counter()

    async def one() -> None:
        async with places.place():
            await counter.work()
            await rest(0.01)
            await counter.work()

    await asyncio.gather(*(one() for _ in range(8)))
    assert counter.most == 2


async def test_whoever_rests_lets_another_work() -> None:
    """With one place: the second is through while the first waits."""
    places, order = ConcurrencySlots(1), list[str]()

    async def waits() -> None:
        async with places.place():
            await rest(0.1)
            order.append("waited")

    async def works() -> None:
        async with places.place():
            order.append("worked")

    await asyncio.gather(waits(), works())
    assert order == ["worked", "waited"]


async def test_tasks_of_one_that_lends_its_place_take_their_own() -> None:
    """Three acts of one incident with two places: two at once, and the place is whole again afterwards."""
    places, counter = ConcurrencySlots(2), Counter()

    async def act() -> None:
        async with places.place():
            await counter.work()
            await rest(0.001)

    async def incident() -> None:
        async with places.place():
            async with lent():
                await asyncio.gather(*(act() for _ in range(3)))
            await counter.work()

    await incident()
    assert counter.most == 2


async def test_whoever_is_cancelled_takes_no_place_along_and_adds_none() -> None:
    """At work, at rest or in the queue."""
    places, counter = ConcurrencySlots(3), Counter()

    async def one(busy: float) -> None:
        async with places.place():
            await asyncio.sleep(busy)
            await rest(0.02)

    tasks = [asyncio.create_task(one(number * 0.003)) for number in range(20)]
    await asyncio.sleep(0.03)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    async def again() -> None:
        async with places.place():
            await counter.work()

    await asyncio.gather(*(again() for _ in range(10)))
    assert counter.most == 3


async def test_without_a_place_it_is_an_ordinary_wait() -> None:
    """Flows and commands have none to lend; an error inside is passed on."""
    await rest(0)
    with pytest.raises(RuntimeError):
        async with lent():
            raise RuntimeError
