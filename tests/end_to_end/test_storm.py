"""A storm of alerts against a real responder: every one is answered and kept, and people see few incidents.

`ALLCLEAR_STORM=10000 ALLCLEAR_STORM_RATE=170 pytest -s tests/end_to_end/test_storm.py` is the storm of a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from allclear.domain.records import AlertJoined, AlertsCollapsed
from allclear.domain.scope import Scope
from allclear.journal.sql_journal import SqlJournal
from tests.end_to_end.stack_support import ROOT, environment, free_port

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("ALLCLEAR_STORM", "1500"))
RATE = float(os.environ.get("ALLCLEAR_STORM_RATE", "0"))
"""Alerts a second; 0 is as fast as it goes."""

SERVICES, CONNECTIONS = 40, 8
TOKEN = "a-long-secret-token"

Request = tuple[str, bytes]
"""A source, and a body."""


def company(root: Path) -> None:
    """Write VintStreet with forty services, every address of which is this machine's, where nobody listens.

    Its smoke test is short: what is measured is how alerts are taken in.
    """
    folder = root / "storm"
    shutil.copytree(ROOT / "runbooks" / "vintstreet", folder)
    names = [f"shop-{number}" for number in range(SERVICES)]
    yaml: Any = YAML(typ="safe", pure=True)
    real = (folder / "systems.yaml").read_text()
    systems = yaml.load(re.sub(r"https://[^\s]+|run\.googleapis\.com:443", "http://127.0.0.1:9", real))
    plan = yaml.load(folder / "plan.yaml")
    (service,) = systems["services"].values()
    service["smoke"]["requests"] = 2
    systems["services"] = {name: deepcopy(service) for name in names}
    plan["routes"] = [
        {"name": name, "match": {"service": name}, "service": name, "severity": "P1", "runbook": "bad-deployment"}
        for name in names
    ]
    yaml.dump(systems, folder / "systems.yaml")
    yaml.dump(plan, folder / "plan.yaml")


@contextmanager
def responder(folder: Path) -> Generator[tuple[int, SqlJournal]]:
    """Yield the port of a responder in a process of its own, and its journal."""
    company(folder / "runbooks")
    port, url = free_port(), f"sqlite:///{folder}/journal.db"
    more = {
        "ALLCLEAR_RUNBOOKS": str(folder / "runbooks"),
        "ALLCLEAR_COMPANY": "storm",
        "ALLCLEAR_JOURNAL_URL": url,
        "ALLCLEAR_RESPONDER_URL": f"http://127.0.0.1:{port}",
        "ALLCLEAR_ALERT_TOKEN": TOKEN,
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }
    process = subprocess.Popen([sys.executable, "-m", "allclear.responder"], cwd=ROOT, env=environment(**more))
    try:
        _until_up(port)
        journal = SqlJournal(url, Scope("storm", simulated=False))
        yield port, journal
        journal.close()
    finally:
        before = getrusage(RUSAGE_CHILDREN)
        process.terminate()
        process.wait(30)
        after = getrusage(RUSAGE_CHILDREN)
        print(f"The responder worked for {after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime:.1f} s.")  # noqa: T201 - as above


def _until_up(port: int) -> None:
    for _ in range(900):
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the responder does not answer")


async def _send(port: int, requests: Sequence[Request], began: float, first: int) -> list[list[float]]:
    """Send requests over one connection, each at its time, and returns how long each answer took.

    What is answered 503 is sent again, as senders do it, until it is taken.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took: list[list[float]] = []
    for number, (source, body) in enumerate(requests):
        if RATE:
            await asyncio.sleep(max(0.0, began + (first + number * CONNECTIONS) / RATE - time.monotonic()))
        head = (
            f"POST /alerts/{source} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        took.append([])
        answer = b"HTTP/1.1 503"
        while answer.startswith(b"HTTP/1.1 503"):
            start = time.monotonic()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            took[-1].append(time.monotonic() - start)
        assert answer.startswith(b"HTTP/1.1 202"), answer
    writer.close()
    await writer.wait_closed()
    return took


def send(port: int, requests: Sequence[Request], journal: SqlJournal) -> int:
    """Send them all, waits until each has become something, and prints how fast; returns how many more were sent."""

    async def all_of_them() -> list[list[float]]:
        began = time.monotonic()
        parts = (_send(port, requests[first::CONNECTIONS], began, first) for first in range(CONNECTIONS))
        return [took for part in await asyncio.gather(*parts) for took in part]

    began = time.monotonic()
    each = asyncio.run(all_of_them())
    took, sent = sorted(one for tries in each for one in tries), time.monotonic() - began
    while journal.deliveries(state="new", limit=1):
        time.sleep(0.1)
    done = time.monotonic() - began
    p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
    again = len(took) - len(requests)
    print(  # noqa: T201 - whoever measures reads it
        f"\n{len(requests)} requests in {sent:.1f} s ({len(requests) / sent:.0f}/s), "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {took[-1] * 1000:.0f} ms; "
        f"{again} sent again after 503; taken in {done - sent:.1f} s after the last"
    )
    return again


def alert(key: str, state: str = "firing", title: str = "Down", service: int = 0) -> Request:
    """Return an alert."""
    labels = {"service": f"shop-{service}"}
    return "json", json.dumps({"key": key, "title": title, "status": state, "labels": labels}).encode()


def group(name: str, count: int) -> Request:
    """Return Alertmanager's notification of so many different alerts."""
    alerts = [
        {
            "status": "firing",
            "fingerprint": f"{name}-{number}",
            "labels": {"alertname": name, "service": f"shop-{number % SERVICES}"},
        }
        for number in range(count)
    ]
    return "alertmanager", json.dumps({"status": "firing", "alerts": alerts}).encode()


def test_duplicates_are_one_incident_and_each_is_counted(tmp_path: Path) -> None:
    """Half of them are the same request, half say the same in other words: one incident, and none is forgotten."""
    bodies = [alert("k", title=f"Down, {number}" if number % 2 else "Down") for number in range(COUNT)]
    with responder(tmp_path) as (port, journal):
        again = send(port, bodies, journal)
        assert len(journal.incidents()) == 1
        (incident,) = journal.incidents()
        deliveries = journal.deliveries(limit=COUNT)
        assert COUNT <= sum(delivery.count for delivery in deliveries) <= COUNT + again
        assert COUNT // 2 <= max(delivery.count for delivery in deliveries) <= COUNT // 2 + again
        assert {delivery.state for delivery in deliveries} <= {"opened", "repeat"}
        joined = [entry for entry in journal.entries(incident.id) if isinstance(entry.record, AlertJoined)]
        assert len(joined) == 1


def test_a_storm_of_different_alerts_is_gathered_and_none_is_lost(tmp_path: Path) -> None:
    """Each stands among what was heard and is known by its key; every end is told; there is one incident for most."""
    firing = [alert(f"k{number}", service=number % SERVICES) for number in range(COUNT)]
    ends = [alert(f"k{number}", "resolved", service=number % SERVICES) for number in range(0, COUNT, 10)]
    with responder(tmp_path) as (port, journal):
        send(port, firing, journal)
        send(port, ends, journal)
        rows = journal.incidents()
        assert journal.open_with_key("storm") is not None
        assert 20 <= len(rows) <= SERVICES + 1
        heard = [one for one in journal.decisions(limit=3 * COUNT) if one.state == "firing"]
        decision = Counter(one.decision for one in heard)
        assert {one.key for one in heard} == {f"json:k{number}" for number in range(COUNT)}
        assert set(decision) <= {"opened", "joined", "collapsed", "repeat"}  # the last where a 503 came too late
        known = [one for row in rows for one in journal.alerts_of(row.id)]
        assert len(known) == COUNT
        assert sum(one.state == "resolved" for one in known) == len(ends)
        time.sleep(0.1)
        records = [entry.record for row in rows for entry in journal.entries(row.id)]
        joined = Counter(record.state for record in records if isinstance(record, AlertJoined))
        assert joined["resolved"] == len(ends)
        assert joined["firing"] == COUNT - decision["collapsed"]
        assert any(isinstance(record, AlertsCollapsed) for record in records)


def test_alerts_that_come_in_large_groups_hold_up_no_other_sender(tmp_path: Path) -> None:
    """Hundreds in one body, again and again: others are answered at once and taken in beside them; none is lost."""
    large, small = max(3, COUNT // 1000), COUNT // 10
    requests = [alert(f"k{number}", service=number % SERVICES) for number in range(small)]
    for number in range(large):
        requests.insert(number * small // large, group(f"g{number}", 1000))
    with responder(tmp_path) as (port, journal):
        assert send(port, requests, journal) == 0
        heard = journal.decisions(limit=large * 1000 + small + 1)
        assert Counter(one.source for one in heard) == {"alertmanager": large * 1000, "json": small}
        assert all(one.count == 1 for one in heard)
        last = max(one.number for one in heard if one.source == "json")
        assert sum(one.number > last for one in heard if one.source == "alertmanager") > large * 500
