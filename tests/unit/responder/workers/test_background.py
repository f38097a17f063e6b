"""The background workers have their own loop and thread, so that they never delay an HTTP endpoint."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from allclear.journal.sql_journal import SqlJournal
from allclear.responder.app import make_app
from allclear.responder.workers.background import BackgroundLoop
from tests.scenario.response_support import engine_on, new_journal
from tests.scopes import REAL
from tests.unit.responder.responder_support import AUTH, PAYMENTS, TOKEN, served


async def test_the_background_loop_has_its_own_thread_until_it_stops() -> None:
    """Work on it returns its result or raises its error. After the end, work is refused and a call is ignored."""
    background, called = BackgroundLoop(), threading.Event()

    async def thread_and_loop() -> tuple[str, bool]:
        await asyncio.sleep(0)
        return threading.current_thread().name, asyncio.get_running_loop() is test_loop

    async def fails() -> None:
        raise LookupError

    test_loop = asyncio.get_running_loop()
    for _ in range(2):  # it can be entered again
        async with background.running():
            assert await background.run(thread_and_loop) == ("background", False)
            with pytest.raises(LookupError):
                await background.run(fails)
            background.call_soon(called.set)
            assert await asyncio.to_thread(called.wait, 60)
    background.call_soon(called.clear)
    assert called.is_set()
    with pytest.raises(RuntimeError):
        await background.run(thread_and_loop)
    assert "background" not in {thread.name for thread in threading.enumerate()}


async def test_every_other_task_has_ended_before_the_last_work_closes_what_they_use() -> None:
    """One that went on would open a connection that no one closes. The loop itself goes on until its block ends."""
    background, order, running = BackgroundLoop(), list[str](), list[asyncio.Task[None]]()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            order.append("ended")

    async def start() -> None:
        running.append(asyncio.create_task(hangs()))
        await asyncio.sleep(0)

    async def last() -> None:
        await background.end_tasks()
        order.append("closed")

    async with background.running():
        await background.run(start)
        await background.run(last)  # `run_last` gives up after a time that a busy machine may need
        assert order == ["ended", "closed"]
        await background.run(start)
    assert order == ["ended", "closed", "ended"]


class Blocked:
    """A journal (the port `Journal`, by delegation) in which writing an incident's next entry waits for `released`."""

    def __init__(self, inner: SqlJournal) -> None:
        self.inner = inner
        self.writing = threading.Event()
        self.released = threading.Event()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the journal's own
        """Return the attribute of the journal."""
        return getattr(self.inner, name)

    def append(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the journal's own
        """Append once the test allows it."""
        self.writing.set()
        assert self.released.wait(60)
        return self.inner.append(*args, **more)


def test_a_move_that_waits_for_the_disk_delays_no_endpoint(tmp_path: Path) -> None:
    """The endpoints answer while the first move of an incident is still blocked in the journal."""
    url = new_journal(tmp_path)
    journal: Any = Blocked(SqlJournal(url, REAL))
    engine = engine_on(url, None, journal)
    with (
        served(make_app(engine, SecretStr(TOKEN))) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client,
    ):
        try:
            assert client.post("/alerts/json", json=PAYMENTS, headers=AUTH).status_code == 202
            assert journal.writing.wait(60)
            assert client.get("/healthz").status_code == 200
            assert not journal.released.is_set()
        finally:
            journal.released.set()
    engine.journal.close()
