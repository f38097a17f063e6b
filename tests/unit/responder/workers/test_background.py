"""What goes on behind the doors never holds up the doors."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from allclear.journal.entries import SqlJournal
from allclear.responder.app import make_app
from allclear.responder.workers.background import Behind
from tests.scenario.response_support import engine_on, new_journal
from tests.unit.responder.responder_support import AUTH, PAYMENTS, TOKEN, served


async def test_it_has_a_thread_and_a_loop_of_its_own_until_it_is_left() -> None:
    """Work runs there and its result or error comes back; afterwards nothing runs, and a call does nothing."""
    behind, heard = Behind(), threading.Event()

    async def where() -> tuple[str, bool]:
        await asyncio.sleep(0)
        return threading.current_thread().name, asyncio.get_running_loop() is here

    async def fails() -> None:
        raise LookupError

    here = asyncio.get_running_loop()
    for _ in range(2):  # it can be entered again
        async with behind.running():
            assert await behind.run(where) == ("behind", False)
            with pytest.raises(LookupError):
                await behind.run(fails)
            behind.soon(heard.set)
            assert await asyncio.to_thread(heard.wait, 5)
    behind.soon(heard.clear)
    assert heard.is_set()
    with pytest.raises(RuntimeError):
        await behind.run(where)
    assert "behind" not in {thread.name for thread in threading.enumerate()}


class Slow:
    """A journal (the port `Journal`, by delegation) in which an incident's next entry takes half a second."""

    def __init__(self, inner: SqlJournal) -> None:
        self.inner = inner
        self.under_way = threading.Event()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the journal's own
        """Return the journal's own."""
        return getattr(self.inner, name)

    def append(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the journal's own
        """Append, slowly."""
        self.under_way.set()
        time.sleep(0.5)
        return self.inner.append(*args, **more)


def test_a_move_that_waits_for_the_disk_keeps_nobody_waiting_at_the_doors(tmp_path: Path) -> None:
    """While the first move of an incident takes its time in the journal, the doors answer."""
    url = new_journal(tmp_path)
    journal: Any = Slow(SqlJournal(url))
    engine = engine_on(url, None, journal)
    with (
        served(make_app(engine, SecretStr(TOKEN))) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        assert client.post("/alerts/json", json=PAYMENTS, headers=AUTH).status_code == 202
        assert journal.under_way.wait(10)
        began = time.monotonic()
        assert client.get("/healthz").status_code == 200
        assert time.monotonic() - began < 0.4
    engine.journal.close()
