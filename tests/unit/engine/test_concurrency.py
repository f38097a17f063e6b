"""Concurrency slots, keyed tasks and the sweep over incidents."""

from __future__ import annotations

import asyncio
import logging

import pytest

from allclear.domain.errors import ConcurrentWrite, Refused
from allclear.engine.concurrency import ConcurrencySlots, KeyedTasks, Sweep, sleep_without_slot, slot_released


class Counter:
    """How many tasks work at the same time, now and at most."""

    now = most = 0

    async def work(self) -> None:
        """Work for a few ticks of the event loop."""
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(3):
            await asyncio.sleep(0)
        self.now -= 1


# --- slots ---------------------------------------------------------------------------------------


async def test_no_more_tasks_than_slots_work_at_once() -> None:
    """Of eight tasks two work at a time, although each sleeps in between."""
    slots, counter = ConcurrencySlots(2), Counter()

    async def task() -> None:
        async with slots.slot():
            await counter.work()
            await sleep_without_slot(0)
            await counter.work()

    await asyncio.gather(*(task() for _ in range(8)))
    assert counter.most == 2


async def test_a_sleeping_task_gives_its_slot_to_another() -> None:
    """With one slot, the second task is finished while the first waits."""
    slots, order, finished = ConcurrencySlots(1), list[str](), asyncio.Event()

    async def waits() -> None:
        async with slots.slot():
            async with slot_released():
                await finished.wait()
            order.append("waited")

    async def works() -> None:
        async with slots.slot():
            order.append("worked")
            finished.set()

    await asyncio.gather(waits(), works())
    assert order == ["worked", "waited"]


async def test_tasks_started_by_a_task_without_its_slot_take_their_own() -> None:
    """Three acts of one incident share two slots, and the incident has its slot back afterwards."""
    slots, counter = ConcurrencySlots(2), Counter()

    async def act() -> None:
        async with slots.slot():
            await counter.work()
            await sleep_without_slot(0)

    async def incident() -> None:
        async with slots.slot():
            async with slot_released():
                await asyncio.gather(*(act() for _ in range(3)))
            await counter.work()

    await incident()
    assert counter.most == 2


async def test_a_cancelled_task_neither_keeps_nor_adds_a_slot() -> None:
    """Tasks are cancelled while they work, sleep or wait for a slot; afterwards all three slots are free."""
    slots, counter = ConcurrencySlots(3), Counter()

    async def task(ticks: int) -> None:
        async with slots.slot():
            for _ in range(ticks):
                await asyncio.sleep(0)
            await sleep_without_slot(0)

    tasks = [asyncio.create_task(task(number)) for number in range(20)]
    for _ in range(10):
        await asyncio.sleep(0)
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    async def later() -> None:
        async with slots.slot():
            await counter.work()

    await asyncio.gather(*(later() for _ in range(10)))
    assert counter.most == 3


async def test_a_task_without_a_slot_just_sleeps() -> None:
    """Flows and commands have no slot to give to another task; an error inside the block is passed on."""
    await sleep_without_slot(0)
    with pytest.raises(RuntimeError):
        async with slot_released():
            raise RuntimeError


# --- keyed tasks ---------------------------------------------------------------------------------


async def test_a_running_key_is_not_started_again_and_its_end_is_reported() -> None:
    """The end is reported after success, failure and cancellation; tasks with other keys run beside it."""
    ended, go, started = list[str](), asyncio.Event(), list[str]()

    async def work(key: str, *, fails: bool = False) -> None:
        started.append(key)
        await go.wait()
        if fails:
            raise asyncio.CancelledError

    tasks = KeyedTasks(ended.append)
    assert tasks.start("a 1", lambda: work("a 1"))
    assert tasks.start("a 2", lambda: work("a 2", fails=True))
    assert tasks.start("b 1", lambda: work("b 1"))
    assert not tasks.start("a 1", lambda: pytest.fail("this key is running already"))
    await tasks.wait("a ", within=0.01)
    assert (sorted(started), "a 1" in tasks, ended) == (["a 1", "a 2", "b 1"], True, [])
    go.set()
    await tasks.wait("a ")
    await tasks.wait()
    assert (sorted(ended), "a 1" in tasks) == (["a 1", "a 2", "b 1"], False)
    assert tasks.start("a 1", lambda: work("a 1"))
    tasks.cancel()
    await tasks.wait()
    assert ended[-1] == "a 1"


# --- the sweep -----------------------------------------------------------------------------------

log = logging.getLogger("allclear.test")


async def test_a_slow_or_failing_visit_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """VS-1 ends only after VS-4; the failures are logged with their incident, and each visit counts as progress."""
    last, visits = asyncio.Event(), list[None]()

    async def visit(number: int) -> None:
        if number == 1:
            await last.wait()
        elif number == 2:
            raise ZeroDivisionError
        elif number == 3:
            raise Refused("The service is away.", "Try again.")
        elif number == 4:
            last.set()
        else:
            raise ConcurrentWrite("Another process wrote first.", "Read again.")

    items = [(f"VS-{number}", number) for number in range(1, 6)]
    done = await Sweep(log, "check", 5).visit_all(items, visit, lambda: visits.append(None))
    assert (done, len(visits)) == (["VS-1", "VS-4"], 5)
    assert [record.getMessage() for record in caplog.records] == [
        "Could not check VS-2; will retry.",
        "Could not check VS-3; will retry. The service is away. Try again.",
    ]


async def test_a_sweep_limits_how_many_visits_work_at_once() -> None:
    """Of ten visits three work at a time."""
    counter = Counter()

    async def visit(_number: int) -> None:
        await counter.work()

    await Sweep(log, "check", 3).visit_all(((str(number), number) for number in range(10)), visit, lambda: None)
    assert counter.most == 3


async def test_a_started_visit_is_repeated_until_it_succeeds() -> None:
    """One visit per incident runs at a time, and its end is reported once."""
    ended, tries = list[str](), list[int]()

    async def visit() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise Refused("The service is away.", "Try again.")

    sweep = Sweep(log, "carry on", 1, retry_after=0, on_end=ended.append)
    assert sweep.start("VS-1", visit)
    assert not sweep.start("VS-1", visit)
    assert "VS-1" in sweep
    await sweep.wait()
    assert (tries, ended, "VS-1" in sweep) == ([0, 1, 2], ["VS-1"], False)


async def test_without_retry_a_failed_visit_ends() -> None:
    """The next round may start it again."""
    tries = list[int]()

    async def visit() -> None:
        tries.append(1)
        raise Refused("The service is away.", "Try again.")

    sweep = Sweep(log, "send what is due in", 1)
    for _ in range(2):
        assert sweep.start("VS-1", visit)
        await sweep.wait()
    assert len(tries) == 2
