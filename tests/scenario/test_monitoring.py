"""The monitoring of the responder: its metrics, its readiness, its background loops, and its heartbeat."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr, ValidationError

from allclear.bootstrap import Engine
from allclear.responder.app import make_app
from allclear.responder.limits import Limits
from allclear.responder.readiness import ReadinessCheck
from allclear.responder.workers.heartbeat import Heartbeat, heartbeat_of
from allclear.responder.workers.supervisor import Supervisor, report_progress
from allclear.settings import Settings
from tests.patience import HUNG, until, wait_until
from tests.unit.responder.responder_support import AUTH, PAYMENTS, TOKEN, engine_in, running_responder, send

JOURNAL_SECONDS = 1.0
"""The responder's limit for the journal in tests in which the journal hangs."""


def file_of(engine: Engine) -> str:
    """Return the path of the journal."""
    return engine.settings.journal_url.removeprefix("sqlite:///")


@contextmanager
def write_locked(engine: Engine) -> Generator[None]:
    """Hold the journal's write lock inside the block; the journal can still be read."""
    with closing(sqlite3.connect(file_of(engine), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


# --- metrics ---------------------------------------------------------------------------------------------

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def metrics(client: TestClient) -> Samples:
    """Return every sample of /metrics by its name and labels."""
    response = client.get("/metrics", headers=AUTH)
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_the_metrics_count_alerts_responses_and_incidents(client: TestClient) -> None:
    """Alerts, responses, deliveries, incidents and outbox messages are counted; no label holds text from a request."""
    send(client, {**PAYMENTS, "title": "Zitronenfalter"})
    client.post("/alerts/json", json=PAYMENTS)
    client.post("/alerts/Zitronenfalter", json=PAYMENTS)
    client.post("/alerts/json", content=b"x" * (1024 * 1024 + 1), headers=AUTH)
    samples = metrics(client)

    def value(name: str, **labels: str) -> float:
        return samples[name, tuple(sorted(labels.items()))]

    assert value("allclear_alerts_received_total", source="json") == 3
    assert value("allclear_alerts_received_total", source="other") == 1
    for status, times in {"202": 1, "401": 1, "413": 1}.items():
        assert value("allclear_alerts_answered_total", source="json", status=status) == times
    assert value("allclear_alerts_answered_total", source="other", status="404") == 1
    assert value("allclear_alert_answer_seconds_count") == 4
    assert value("allclear_journal_append_seconds_count") == 1
    assert value("allclear_deliveries", state="opened") == 1
    assert value("allclear_deliveries", state="quarantined") == 0
    assert value("allclear_open_incidents", severity="P0") == 1
    assert value("allclear_outbox_messages") == 1
    assert value("allclear_oldest_outbox_message_age_seconds") == 0  # measured from the first scrape
    assert metrics(client)["allclear_oldest_outbox_message_age_seconds", ()] > 0
    assert value("allclear_oldest_unread_delivery_age_seconds") == 0
    assert value("allclear_open_questions") == 0
    assert value("allclear_acts_total", status="verified") == 0
    assert value("allclear_loop_last_progress_age_seconds", loop="inbox") >= 0
    assert value("allclear_loop_restarts_total", loop="outbox") == 0
    assert value("allclear_journal_up") == 1
    assert any(name == "allclear_build_info" for name, _ in samples)
    assert "Zitronenfalter" not in client.get("/metrics", headers=AUTH).text


def test_the_names_of_metrics_follow_prometheus_rules(client: TestClient) -> None:
    """Names are in snake case with base units, only counters end in `_total`, and each metric has a help text."""
    families = list(text_string_to_metric_families(client.get("/metrics", headers=AUTH).text))
    ours = [family for family in families if family.name.startswith("allclear_")]
    assert len(ours) >= 17
    for family in ours:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert family.documentation
        assert not re.search(r"_(ms|millis|minutes|mb|kb)(_|$)", family.name)
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total"), sample.name


def test_the_metrics_need_the_token_from_everyone(client: TestClient) -> None:
    """A request on this machine needs it too, because a proxy may forward it for another without saying so."""
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/metrics", headers=AUTH).status_code == 200
    remote = TestClient(client.app, client=("203.0.113.7", 5))
    assert remote.get("/metrics").status_code == 401
    assert remote.get("/metrics", headers=AUTH).status_code == 200


def test_a_setting_opens_the_metrics(tmp_path: Path) -> None:
    """With ALLCLEAR_METRICS_OPEN they need no token; everything else still needs it."""
    engine = engine_in(tmp_path, metrics_open=True)
    with running_responder(engine) as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/incidents").status_code == 401
    engine.journal.close()


def test_the_metrics_report_a_journal_that_cannot_be_read(client: TestClient, engine: Engine) -> None:
    """While the journal cannot be read, the metrics of the process are still returned."""
    send(client, PAYMENTS)
    with closing(sqlite3.connect(file_of(engine))) as connection:
        connection.execute("ALTER TABLE inbox RENAME TO lost")
    samples = metrics(client)
    assert samples["allclear_journal_up", ()] == 0
    assert samples["allclear_alerts_received_total", (("source", "json"),)] == 1
    assert ("allclear_outbox_messages", ()) not in samples


# --- readiness -------------------------------------------------------------------------------------------


def test_the_responder_is_not_ready_if_the_journal_can_only_be_read(tmp_path: Path) -> None:
    """If reads work and writes do not, /readyz answers 503. The answer names no file, because it needs no token."""
    engine = engine_in(tmp_path)
    limits = Limits(journal_seconds=JOURNAL_SECONDS)
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False, limits=limits)) as client:
        wait_until(lambda: client.get("/readyz").json()["status"] == "ready")
        with write_locked(engine):

            def not_ready() -> bool:
                return client.get("/readyz").status_code == 503

            wait_until(not_ready)
            response = client.get("/readyz")
            assert response.json() == {
                "status": "not ready",
                "problems": ["The journal cannot be written."],
                "warnings": [],
            }
            assert response.headers["Retry-After"]
            assert engine.journal.counts().deliveries == {}
        wait_until(lambda: client.get("/readyz").status_code == 200)
    engine.journal.close()


async def test_a_loop_that_ends_is_reported_and_restarted(caplog: pytest.LogCaptureFixture) -> None:
    """A loop that raises or returns is down until it reports progress again; the restart is logged and counted."""
    runs: list[int] = []
    repaired = asyncio.Event()

    async def loop() -> None:
        runs.append(1)
        if len(runs) == 1:
            msg = "broken"
            raise RuntimeError(msg)
        if len(runs) == 2:
            return
        await repaired.wait()
        while True:
            report_progress()
            await asyncio.sleep(0.01)

    loops = Supervisor(pauses=(0.01,))
    loops.start("outbox", loop, stuck_after=HUNG)
    await until(lambda: len(runs) == 3)
    assert loops.problems() == ["The outbox loop ended and is being restarted."]
    assert loops.restarts() == {"outbox": 2}
    repaired.set()
    await until(lambda: not loops.problems())
    await loops.stop()
    assert "The outbox loop failed" in caplog.text


async def test_a_loop_that_hangs_is_reported() -> None:
    """A loop that reports no progress in time counts as stuck; a thread that works for a loop can report progress."""
    may_report, reported = asyncio.Event(), asyncio.Event()

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def works() -> None:
        await may_report.wait()
        await asyncio.to_thread(report_progress)
        reported.set()
        await asyncio.Event().wait()

    loops = Supervisor()
    loops.start("works", works, stuck_after=HUNG)
    loops.start("hangs", hangs, stuck_after=0.1)
    (problem,) = await until(loops.problems)
    assert problem.startswith("The hangs loop has made no progress")
    may_report.set()
    await reported.wait()
    ages = loops.ages()
    assert ages["works"] < ages["hangs"]  # `works` was started first, and has reported progress since
    await loops.stop()


async def test_the_responder_is_not_ready_while_a_loop_is_stuck(engine: Engine) -> None:
    """A stuck loop makes the responder not ready, even if the journal is writable."""
    loops = Supervisor()

    async def outbox() -> None:
        await asyncio.Event().wait()

    loops.start("outbox", outbox, stuck_after=0.05)
    await until(loops.problems)
    ready = ReadinessCheck(engine.journal, loops, Limits(journal_seconds=HUNG))
    (problem,) = await ready.problems()
    assert "outbox" in problem
    ready.close()
    await loops.stop()


# --- the heartbeat ---------------------------------------------------------------------------------------


class Switch(BaseHTTPRequestHandler):
    """A dead-man's switch that records its calls."""

    calls: list[str]
    status: int = 200

    def do_GET(self) -> None:
        """Record a call."""
        type(self).calls.append(self.path)
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Log nothing."""


@contextmanager
def switch() -> Generator[tuple[type[Switch], str]]:
    """Yield a switch and its address."""
    handler = type("OwnSwitch", (Switch,), {"calls": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield handler, f"http://127.0.0.1:{server.server_address[1]}/ping/a-secret-number"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_heartbeat_is_sent_while_the_responder_is_ready(tmp_path: Path) -> None:
    """The responder calls the configured switch repeatedly."""
    with switch() as (handler, url):
        engine = engine_in(tmp_path, heartbeat_url=url, heartbeat_seconds=1)
        with running_responder(engine):
            wait_until(lambda: len(handler.calls) >= 2)
        assert set(handler.calls) == {"/ping/a-secret-number"}
        engine.journal.close()


async def test_no_heartbeat_is_sent_while_the_journal_cannot_be_written(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Two beats during the outage call nothing and are logged once; the next beat after it calls the switch again."""
    limits = Limits(journal_seconds=JOURNAL_SECONDS)
    with switch() as (handler, url), caplog.at_level(logging.WARNING):
        ready = ReadinessCheck(engine.journal, Supervisor(), limits)
        heartbeat = Heartbeat(url, 30, ready)
        with write_locked(engine):
            for _ in range(2):
                await heartbeat.beat()
            assert handler.calls == []
        for _ in range(1000):
            await heartbeat.beat()
            if handler.calls:
                break
            await asyncio.sleep(0.05)
        await heartbeat.close()
    assert handler.calls == ["/ping/a-secret-number"]
    messages = [record.getMessage() for record in caplog.records if "heartbeat" in record.getMessage()]
    assert messages == [
        "The heartbeat is not sent, because the responder is not ready: The journal cannot be written.",
        "The heartbeat is sent again.",
    ]


async def test_an_outage_of_the_switch_is_logged_once(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """Failing calls raise nothing. The outage is one log line without the address's secret, and its end another."""
    ready = ReadinessCheck(engine.journal, Supervisor(), Limits(journal_seconds=HUNG))
    with caplog.at_level(logging.WARNING), switch() as (handler, url):
        heartbeat = Heartbeat(url, 30, ready)
        handler.status = 500
        for _ in range(3):
            await heartbeat.beat()
        handler.status = 200
        await heartbeat.beat()
        await heartbeat.close()
        unreachable = Heartbeat("http://127.0.0.1:9/a-secret-number", 30, ready)
        for _ in range(3):
            await unreachable.beat()
        await unreachable.close()
    ready.close()
    assert [record.getMessage() for record in caplog.records if record.name == "allclear.responder"] == [
        "The heartbeat call to 127.0.0.1 failed (HTTP 500); will retry in 30 s.",
        "The heartbeat is sent again.",
        "The heartbeat call to 127.0.0.1 failed (ConnectError); will retry in 30 s.",
    ]


def test_a_simulated_responder_has_no_heartbeat(tmp_path: Path, engine: Engine) -> None:
    """A responder with a simulated production never calls, because that would hide that the real one is down."""
    simulation = tmp_path / "simulation.json"
    simulation.write_text('{"endpoints": {}, "control": "", "secrets": {}}')
    ready = ReadinessCheck(engine.journal, Supervisor(), Limits())
    url = "https://switch.example/a-secret-number"
    assert heartbeat_of(Settings(heartbeat_url=SecretStr(url)), ready) is not None
    assert heartbeat_of(Settings(heartbeat_url=SecretStr(url), simulation=simulation), ready) is None
    assert heartbeat_of(Settings(heartbeat_url=SecretStr(" ")), ready) is None
    assert "a-secret-number" not in repr(Settings(heartbeat_url=SecretStr(url)))
    with pytest.raises(ValidationError, match="not an address"):
        Settings(heartbeat_url=SecretStr("switch.example"))
    ready.close()
