"""Who watches the responder: its figures, its readiness, its loops, and the heartbeat that goes out."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
import threading
import time
from collections.abc import Generator, Iterator
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
from tests.contract.simulator_support import until as patiently
from tests.unit.responder.responder_support import AUTH, PAYMENTS, TOKEN, engine_in, send, until


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a journal of its own; Prefect is away."""
    engine = engine_in(tmp_path)
    yield engine
    engine.journal.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """The responder, with its loops running, asked from this machine."""
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False), client=("127.0.0.1", 5)) as client:
        yield client


def file_of(engine: Engine) -> str:
    """Return the path of the journal."""
    return engine.settings.journal_url.removeprefix("sqlite:///")


@contextmanager
def held(engine: Engine) -> Generator[None]:
    """Keep everybody else from writing into the journal; it can still be read."""
    with closing(sqlite3.connect(file_of(engine), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


# --- figures ---------------------------------------------------------------------------------------------

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def figures(client: TestClient) -> Figures:
    """Return every sample of /metrics by its name and labels."""
    said = client.get("/metrics")
    assert said.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(said.text)
        for sample in family.samples
    }


def test_the_figures_follow_what_happens(client: TestClient) -> None:
    """Alerts, answers, deliveries, incidents and errands are counted, by names and labels of our own alone."""
    send(client, {**PAYMENTS, "title": "Zitronenfalter"})
    client.post("/alerts/json", json=PAYMENTS)
    client.post("/alerts/Zitronenfalter", json=PAYMENTS)
    client.post("/alerts/json", content=b"x" * (1024 * 1024 + 1), headers=AUTH)
    found = figures(client)

    def value(name: str, **labels: str) -> float:
        return found[name, tuple(sorted(labels.items()))]

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
    assert value("allclear_oldest_outbox_message_age_seconds") == 0  # it is counted from the first look
    assert 0 < figures(client)["allclear_oldest_outbox_message_age_seconds", ()] < 60
    assert value("allclear_oldest_unread_delivery_age_seconds") == 0
    assert value("allclear_open_questions") == 0
    assert value("allclear_acts_total", status="verified") == 0
    assert value("allclear_loop_last_progress_age_seconds", loop="inbox") < 20
    assert value("allclear_loop_restarts_total", loop="outbox") == 0
    assert value("allclear_journal_up") == 1
    assert any(name == "allclear_build_info" for name, _ in found)
    assert "Zitronenfalter" not in client.get("/metrics").text


def test_names_follow_prometheus_rules(client: TestClient) -> None:
    """Our names are in snake case with base units; counters, and counters alone, end in _total; each has its help."""
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    ours = [family for family in families if family.name.startswith("allclear_")]
    assert len(ours) >= 17
    for family in ours:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert family.documentation
        assert not re.search(r"_(ms|millis|minutes|mb|kb)(_|$)", family.name)
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total"), sample.name


def test_the_figures_are_open_to_this_machine_alone(engine: Engine) -> None:
    """From elsewhere, or through a proxy here, they need the token; so a stranger learns nothing of the company."""
    app = make_app(engine, SecretStr(TOKEN), drives=False)
    with TestClient(app, client=("127.0.0.1", 5)) as near:
        assert near.get("/metrics").status_code == 200
        for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
            assert near.get("/metrics", headers={header: "127.0.0.1"}).status_code == 401
        far = TestClient(app, client=("203.0.113.7", 5))
        assert far.get("/metrics").status_code == 401
        assert far.get("/metrics", headers=AUTH).status_code == 200


def test_the_figures_tell_that_the_journal_is_away(client: TestClient, engine: Engine) -> None:
    """While the journal cannot be read, the figures of the process still come."""
    send(client, PAYMENTS)
    with closing(sqlite3.connect(file_of(engine))) as connection:
        connection.execute("ALTER TABLE inbox RENAME TO lost")
    found = figures(client)
    assert found["allclear_journal_up", ()] == 0
    assert found["allclear_alerts_received_total", (("source", "json"),)] == 1
    assert ("allclear_outbox_messages", ()) not in found


# --- readiness -------------------------------------------------------------------------------------------


def test_a_journal_that_can_only_be_read_is_not_ready(tmp_path: Path) -> None:
    """Where every read still works but a write does not, /readyz is 503; it names no path to strangers."""
    engine = engine_in(tmp_path)
    with TestClient(make_app(engine, SecretStr(TOKEN), drives=False, limits=Limits(journal_seconds=0.3))) as client:
        assert client.get("/readyz").json()["status"] == "ready"
        with held(engine):

            def not_ready() -> bool:
                return client.get("/readyz").status_code == 503

            until(not_ready)
            said = client.get("/readyz")
            assert said.json() == {"status": "not ready", "problems": ["The journal cannot be written."]}
            assert said.headers["Retry-After"]
            assert engine.journal.counts().deliveries == {}
        until(lambda: client.get("/readyz").status_code == 200)
    engine.journal.close()


async def test_a_loop_that_dies_is_named_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    """A loop that raises, or simply ends, is down until it makes a round again; that is logged and counted."""
    runs: list[int] = []
    goes = asyncio.Event()

    async def loop() -> None:
        runs.append(1)
        if len(runs) == 1:
            msg = "broken"
            raise RuntimeError(msg)
        if len(runs) == 2:
            return
        await goes.wait()
        while True:
            report_progress()
            await asyncio.sleep(0.01)

    loops = Supervisor(pauses=(0.01,))
    loops.start("outbox", loop, stuck_after=5)
    await patiently(lambda: len(runs) == 3)
    assert loops.problems() == ["The outbox loop ended and is being restarted."]
    assert loops.restarts() == {"outbox": 2}
    goes.set()
    await patiently(lambda: not loops.problems())
    assert loops.ages()["outbox"] < 1
    await loops.stop()
    assert "The outbox loop failed" in caplog.text


async def test_a_loop_that_hangs_is_named() -> None:
    """Without a round for its time a loop counts as stuck; work in a thread for it counts as its round."""
    hold = asyncio.Event()

    async def hangs() -> None:
        await hold.wait()

    async def works() -> None:
        while True:
            await asyncio.to_thread(report_progress)
            await asyncio.sleep(0.01)

    loops = Supervisor()
    loops.start("hangs", hangs, stuck_after=0.1)
    loops.start("works", works, stuck_after=0.1)
    await asyncio.sleep(0.3)
    (trouble,) = loops.problems()
    assert trouble.startswith("The hangs loop has made no progress")
    await loops.stop()


async def test_a_stuck_loop_is_not_ready(engine: Engine) -> None:
    """What keeps a loop from its rounds keeps the responder from being ready, whatever the journal says."""
    loops = Supervisor()

    async def outbox() -> None:
        await asyncio.Event().wait()

    loops.start("outbox", outbox, stuck_after=0.05)
    await asyncio.sleep(0.1)
    ready = ReadinessCheck(engine.journal, loops, Limits())
    (trouble,) = await ready.problems()
    assert "outbox" in trouble
    ready.close()
    await loops.stop()


# --- the heartbeat ---------------------------------------------------------------------------------------


class Switch(BaseHTTPRequestHandler):
    """A dead-man's switch: notes when it is called."""

    calls: list[str]
    status: int = 200

    def do_GET(self) -> None:
        """Take a call."""
        type(self).calls.append(self.path)
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Says nothing."""


@contextmanager
def switch() -> Generator[tuple[type[Switch], str]]:
    """Yield a switch and its address."""
    mine = type("MySwitch", (Switch,), {"calls": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), mine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield mine, f"http://127.0.0.1:{server.server_address[1]}/ping/a-secret-number"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_heartbeat_goes_out_while_the_responder_is_ready(tmp_path: Path) -> None:
    """The switch is called again and again; while the journal cannot be written it is not, and then it is again."""
    with switch() as (calls, url):
        engine = engine_in(tmp_path, heartbeat_url=url, heartbeat_seconds=1)
        limits = Limits(journal_seconds=0.3)
        with TestClient(make_app(engine, SecretStr(TOKEN), drives=False, limits=limits)) as client:
            until(lambda: len(calls.calls) >= 2, 8)
            assert set(calls.calls) == {"/ping/a-secret-number"}
            with held(engine):
                until(lambda: client.get("/readyz").status_code == 503)
                time.sleep(0.2)
                before = len(calls.calls)
                time.sleep(2.2)
                assert len(calls.calls) == before
            until(lambda: len(calls.calls) > before, 8)
        engine.journal.close()


async def test_an_outage_of_the_switch_is_logged_once(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """Failing calls raise nothing; the outage is one line without the address's secret, and its end another."""
    ready = ReadinessCheck(engine.journal, Supervisor(), Limits())
    with caplog.at_level(logging.WARNING), switch() as (calls, url):
        heartbeat = Heartbeat(url, 30, ready)
        calls.status = 500
        for _ in range(3):
            await heartbeat.beat()
        calls.status = 200
        await heartbeat.beat()
        await heartbeat.close()
        gone = Heartbeat("http://127.0.0.1:9/a-secret-number", 30, ready)
        for _ in range(3):
            await gone.beat()
        await gone.close()
    ready.close()
    assert [record.getMessage() for record in caplog.records if record.name == "allclear.responder"] == [
        "The heartbeat was answered 500 by 127.0.0.1.",
        "The heartbeat goes out again.",
        "The heartbeat does not get through to 127.0.0.1 (ConnectError).",
    ]


def test_a_rehearsal_has_no_heartbeat(tmp_path: Path, engine: Engine) -> None:
    """With a simulated production behind it, a responder never calls: it would hide that the real one is gone."""
    described = tmp_path / "simulation.json"
    described.write_text('{"endpoints": {}, "control": "", "secrets": {}}')
    ready = ReadinessCheck(engine.journal, Supervisor(), Limits())
    url = "https://switch.example/a-secret-number"
    assert heartbeat_of(Settings(heartbeat_url=SecretStr(url)), ready) is not None
    assert heartbeat_of(Settings(heartbeat_url=SecretStr(url), simulation=described), ready) is None
    assert heartbeat_of(Settings(heartbeat_url=SecretStr(" ")), ready) is None
    assert "a-secret-number" not in repr(Settings(heartbeat_url=SecretStr(url)))
    with pytest.raises(ValidationError, match="no address"):
        Settings(heartbeat_url=SecretStr("switch.example"))
    ready.close()
