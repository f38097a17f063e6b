"""A drill that is stopped leaves no process behind, and a responder that hangs can be stopped.

The stack of test_private_canary.py is killed there, and that of test_start_without_secrets.py stopped as a closed
terminal stops it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from allclear.journal.sql_journal import SqlJournal
from allclear.stack import free_ports
from tests.end_to_end.stack_support import LIMIT, ROOT, environment, processes_of, until
from tests.scopes import DRILL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc, to see which processes are running"),
]


def run_started(home: Path) -> bool:
    """Return whether a flow run has reached its first line."""
    if not (home / "journal.db").exists():
        return False
    journal = SqlJournal(f"sqlite:///{home / 'journal.db'}", DRILL)
    try:
        rows = journal.incidents()
        return any(entry.record.kind == "run.started" for row in rows for entry in journal.entries(row.id))
    finally:
        journal.close()


def start(home: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start `allclear` with these words, in a session of its own."""
    with (home.parent / "out").open("wb") as out:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "allclear", *words, "--home", str(home)],
            cwd=ROOT,
            env=environment(),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def test_a_drill_that_is_ended_in_the_middle_leaves_no_process_behind(tmp_path: Path) -> None:
    """While a flow run is under way, the drill ends with Prefect, runner, runs, responder and production."""
    home = tmp_path / "home"
    process = start(home, "drill", "vintstreet/payment-processing-down")
    try:
        until(lambda: run_started(home), (tmp_path / "out").read_text)
        assert len(processes_of(home)) > 4
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=LIMIT) == 128 + signal.SIGTERM
        until(lambda: not processes_of(home), lambda: processes_of(home))
    finally:
        for pid in (process.pid, *processes_of(home)):
            if process.poll() is None or pid != process.pid:
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGINT])
def test_a_responder_whose_journal_hangs_can_be_stopped(tmp_path: Path, word: signal.Signals) -> None:
    """Another process holds the journal's lock."""
    home, port = tmp_path, free_ports(1)[0]
    more = {
        "ALLCLEAR_COMPANY": "vintstreet",
        "ALLCLEAR_JOURNAL_URL": f"sqlite:///{home}/journal.db",
        "ALLCLEAR_RESPONDER_URL": f"http://127.0.0.1:{port}",
        "ALLCLEAR_ALERT_TOKEN": "a-long-secret-token",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }
    child = subprocess.Popen([sys.executable, "-m", "allclear.responder"], cwd=ROOT, env=environment(**more))
    try:
        until(lambda: is_up(port), lambda: "it does not answer")
        with (home / "journal.db.turn").open("r+") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            alert = {"key": "a", "title": "b", "labels": {"alertname": "PaymentProcessingFailures"}}
            token = {"Authorization": "Bearer a-long-secret-token"}
            answer = httpx.post(f"http://127.0.0.1:{port}/alerts/json", json=alert, headers=token, timeout=LIMIT)
            assert answer.status_code == 503
            child.send_signal(word)
            assert child.wait(LIMIT) == 0
    finally:
        child.kill()
        child.wait()


def is_up(port: int) -> bool:
    """Return whether a responder answers at `port`."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=LIMIT).is_success
    except httpx.HTTPError:
        return False
