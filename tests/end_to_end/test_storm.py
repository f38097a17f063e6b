"""An alert storm against a real responder: every alert is answered and stored, and people see few incidents.

`ALLCLEAR_STORM=10000 ALLCLEAR_STORM_RATE=170 pytest -s tests/end_to_end/test_storm.py` is a storm of one minute.
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
from allclear.stack import free_ports
from tests.end_to_end.stack_support import LIMIT, ROOT, environment, until

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("ALLCLEAR_STORM", "600"))
"""Alerts of a storm: twice as many as the plan has recorded one by one in five minutes, the others are counted."""
GROUP = 400
"""Alerts of one large request: taking them in takes many transactions."""
RATE = float(os.environ.get("ALLCLEAR_STORM_RATE", "0"))
"""Alerts a second; 0 is as fast as possible."""

SERVICES, CONNECTIONS = 40, 8
TOKEN = "a-long-secret-token"

Request = tuple[str, bytes]
"""A source and a body."""


def company(root: Path) -> None:
    """Write VintStreet with forty services; all their addresses are on this machine, and nothing answers there.

    The smoke test is short, because only the intake of alerts is measured.
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
    port, url = free_ports(1)[0], f"sqlite:///{folder}/journal.db"
    variables = {
        "ALLCLEAR_RUNBOOKS": str(folder / "runbooks"),
        "ALLCLEAR_COMPANY": "storm",
        "ALLCLEAR_JOURNAL_URL": url,
        "ALLCLEAR_RESPONDER_URL": f"http://127.0.0.1:{port}",
        "ALLCLEAR_ALERT_TOKEN": TOKEN,
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }
    process = subprocess.Popen([sys.executable, "-m", "allclear.responder"], cwd=ROOT, env=environment(**variables))
    try:
        until(
            lambda: httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=LIMIT).is_success,
            lambda: f"the responder's exit code is {process.poll()}",
        )
        journal = SqlJournal(url, Scope("storm", simulated=False))
        yield port, journal
        journal.close()
    finally:
        before = getrusage(RUSAGE_CHILDREN)
        process.terminate()
        process.wait(LIMIT)
        after = getrusage(RUSAGE_CHILDREN)
        used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        print(f"The responder used {used:.1f} s of processor time.")  # noqa: T201 - read when measuring


async def _send(port: int, requests: Sequence[Request], began: float, first: int) -> list[list[float]]:
    """Send requests over one connection at RATE, and return the duration of each try in seconds.

    A request that is answered 503 is sent again until it is accepted, as senders do.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    durations: list[list[float]] = []
    for number, (source, body) in enumerate(requests):
        if RATE:
            await asyncio.sleep(max(0.0, began + (first + number * CONNECTIONS) / RATE - time.monotonic()))
        head = (
            f"POST /alerts/{source} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        durations.append([])
        answer = b"HTTP/1.1 503"
        while answer.startswith(b"HTTP/1.1 503"):
            start = time.monotonic()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            durations[-1].append(time.monotonic() - start)
        assert answer.startswith(b"HTTP/1.1 202"), answer
    writer.close()
    await writer.wait_closed()
    return durations


def send(port: int, requests: Sequence[Request], journal: SqlJournal) -> int:
    """Send all requests, wait for their decisions, print the durations, and return the number of retries."""

    async def send_all() -> list[list[float]]:
        began = time.monotonic()
        parts = (_send(port, requests[first::CONNECTIONS], began, first) for first in range(CONNECTIONS))
        return [tries for part in await asyncio.gather(*parts) for tries in part]

    began = time.monotonic()
    durations = sorted(duration for tries in asyncio.run(send_all()) for duration in tries)
    sent = time.monotonic() - began
    until(lambda: not journal.deliveries(state="new", limit=1), lambda: "deliveries without a decision are left")
    done = time.monotonic() - began
    p50, p99 = (durations[int(len(durations) * share)] * 1000 for share in (0.5, 0.99))
    retries = len(durations) - len(requests)
    print(  # noqa: T201 - read when measuring
        f"\n{len(requests)} requests in {sent:.1f} s ({len(requests) / sent:.0f}/s), "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {durations[-1] * 1000:.0f} ms; "
        f"{retries} retries after 503; decided {done - sent:.1f} s after the last response"
    )
    return retries


def alert(key: str, state: str = "firing", title: str = "Down", service: int = 0) -> Request:
    """Return a request with one alert."""
    labels = {"service": f"shop-{service}"}
    return "json", json.dumps({"key": key, "title": title, "status": state, "labels": labels}).encode()


def group(name: str, count: int) -> Request:
    """Return Alertmanager's request with `count` different alerts."""
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
    """Half of the requests are identical, half have other titles for the same alert: one incident counts them all."""
    bodies = [alert("k", title=f"Down, {number}" if number % 2 else "Down") for number in range(COUNT)]
    with responder(tmp_path) as (port, journal):
        retries = send(port, bodies, journal)
        assert len(journal.incidents()) == 1
        (incident,) = journal.incidents()
        deliveries = journal.deliveries(limit=COUNT)
        assert COUNT <= sum(delivery.count for delivery in deliveries) <= COUNT + retries
        assert COUNT // 2 <= max(delivery.count for delivery in deliveries) <= COUNT // 2 + retries
        assert {delivery.state for delivery in deliveries} <= {"opened", "repeat"}
        joined = [entry for entry in journal.entries(incident.id) if isinstance(entry.record, AlertJoined)]
        assert len(joined) == 1


def test_a_storm_of_different_alerts_is_grouped_and_none_is_lost(tmp_path: Path) -> None:
    """Every alert has its decision, every resolution is recorded, and one incident gathers most alerts."""
    firing = [alert(f"k{number}", service=number % SERVICES) for number in range(COUNT)]
    resolutions = [alert(f"k{number}", "resolved", service=number % SERVICES) for number in range(0, COUNT, 10)]
    with responder(tmp_path) as (port, journal):
        send(port, firing, journal)
        send(port, resolutions, journal)
        rows = journal.incidents()
        assert journal.open_with_key("storm") is not None
        assert 20 <= len(rows) <= SERVICES + 1
        fired = [decision for decision in journal.decisions(limit=3 * COUNT) if decision.state == "firing"]
        decisions = Counter(decision.decision for decision in fired)
        assert {decision.key for decision in fired} == {f"json:k{number}" for number in range(COUNT)}
        # A retry after a 503 is a repeat if the journal had stored the alert after all.
        assert set(decisions) <= {"opened", "joined", "collapsed", "repeat"}
        alerts = [state for row in rows for state in journal.alerts_of(row.id)]
        assert len(alerts) == COUNT
        assert sum(state.state == "resolved" for state in alerts) == len(resolutions)

        def collapsed() -> bool:  # the summary is written every ten seconds
            entries = (entry for row in rows for entry in journal.entries(row.id))
            return any(isinstance(entry.record, AlertsCollapsed) for entry in entries)

        until(collapsed)
        records = [entry.record for row in rows for entry in journal.entries(row.id)]
        joined = Counter(record.state for record in records if isinstance(record, AlertJoined))
        assert joined["resolved"] == len(resolutions)
        assert joined["firing"] == COUNT - decisions["collapsed"]


def test_large_groups_do_not_delay_other_senders(tmp_path: Path) -> None:
    """While groups of hundreds of alerts are taken in, single alerts are accepted and decided; none is lost."""
    large, small = max(3, COUNT // 1000), COUNT // 10
    requests = [alert(f"k{number}", service=number % SERVICES) for number in range(small)]
    for number in range(large):
        requests.insert(number * small // large, group(f"g{number}", GROUP))
    with responder(tmp_path) as (port, journal):
        retries = send(port, requests, journal)
        decisions = journal.decisions(limit=large * GROUP + small + retries + 1)
        assert Counter(decision.source for decision in decisions) == {"alertmanager": large * GROUP, "json": small}
        assert sum(decision.count - 1 for decision in decisions) <= GROUP * retries
        last = max(decision.number for decision in decisions if decision.source == "json")
        assert sum(decision.number > last for decision in decisions if decision.source != "json") > large * GROUP / 2
