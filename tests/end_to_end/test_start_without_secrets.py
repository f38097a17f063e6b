"""`allclear up` on a machine without any secret: the start, /readyz, the doctor, the log and Prefect say so.

The stack is then stopped as a closed terminal stops it.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from allclear.domain.incident import Incident
from allclear.domain.replay import replay
from allclear.journal.sql_journal import SqlJournal
from allclear.stack import free_ports
from tests.end_to_end.stack_support import LIMIT, ROOT, allclear, environment, processes_of, until
from tests.missing_secrets import VARIABLES, environment_without_secrets
from tests.scopes import REAL

pytestmark = pytest.mark.slow

NO_WAY = "NO WAY IS LEFT TO TELL PEOPLE"


@dataclass
class Started:
    """A stack that was started without secrets."""

    process: subprocess.Popen[bytes]
    home: Path
    printed: Path
    variables: dict[str, str]

    @property
    def address(self) -> str:
        """Return the responder's address."""
        return self.variables["ALLCLEAR_RESPONDER_URL"]

    def incident(self) -> Incident | None:
        """Return the incident VS-1, or None if it is not there yet."""
        journal = SqlJournal(self.variables["ALLCLEAR_JOURNAL_URL"], REAL)
        try:
            return replay(journal.entries("VS-1")) if journal.incidents() else None
        finally:
            journal.close()

    def failed_runs(self) -> list[dict[str, Any]]:
        """Return the failed runs on Prefect's dashboard."""
        body = {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}
        return httpx.post(f"{self.variables['PREFECT_API_URL']}/flow_runs/filter", json=body, timeout=LIMIT).json()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """`allclear up` for a company whose secrets are all missing, until it has tested the systems."""
    folder = tmp_path_factory.mktemp("bare")
    home, printed = folder / "home", folder / "printed"
    ports = free_ports(2)
    bare = environment_without_secrets(folder)
    with printed.open("w") as out:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [
                *(sys.executable, "-m", "allclear", "up", "--home", str(home)),
                *("--port", str(ports[0]), "--responder-port", str(ports[1])),
            ],
            cwd=ROOT,
            env=without(environment(**bare)),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    variables = {
        **bare,
        "ALLCLEAR_RESPONDER_URL": f"http://127.0.0.1:{ports[1]}",
        "ALLCLEAR_JOURNAL_URL": f"sqlite:///{home}/journal.db",
        "PREFECT_API_URL": f"http://127.0.0.1:{ports[0]}/api",
    }
    try:
        until(lambda: process.poll() is not None or "Test again" in printed.read_text(), printed.read_text)
        yield Started(process, home, printed, variables)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=LIMIT)


def without(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables without any secret of the company."""
    return {name: value for name, value in variables.items() if name not in VARIABLES.values()}


def test_the_start_names_every_missing_secret(started: Started) -> None:
    """What is missing is printed with what to do, and nothing secret is printed."""
    printed = started.printed.read_text()
    assert "NOT READY for an incident" in printed
    for variable in VARIABLES.values():
        assert f"{variable} is not set" in printed
        assert f"Set {variable} in the environment" in printed
    assert (started.home / "alert-token").read_text().strip() not in printed


def test_readyz_and_the_doctor_say_so_too(started: Started) -> None:
    """/readyz answers 503 with each variable; the doctor ends with 1."""
    answer = httpx.get(f"{started.address}/readyz", timeout=LIMIT)
    assert answer.status_code == 503
    done = allclear("doctor", **without(started.variables))
    assert done.returncode == 1, done.stderr
    for variable in VARIABLES.values():
        assert variable in answer.text
        assert f"{variable} is not set" in done.stdout


def test_a_page_that_fails_is_told_by_what_is_left(started: Started) -> None:
    """The timeline, the responder's log and Prefect's dashboard say that no way is left."""
    token = (started.home / "alert-token").read_text().strip()
    alert = {"key": "payments", "title": "Payments fail", "labels": {"alertname": "PaymentProcessingFailures"}}
    headers = {"Authorization": f"Bearer {token}"}
    httpx.post(f"{started.address}/alerts/json", json=alert, headers=headers, timeout=LIMIT).raise_for_status()
    log = started.home / "logs" / "responder.log"

    def no_way_is_left() -> bool:
        incident = started.incident()
        return incident is not None and any(topic.startswith("no-way-left:") for topic in incident.reminders)

    until(no_way_is_left, log.read_text)
    assert "VS-1: NO WAY IS LEFT to tell people" in log.read_text()
    until(lambda: [run for run in started.failed_runs() if NO_WAY in run["name"]], log.read_text)
    shown = allclear("show", "VS-1", **without(started.variables)).stdout
    assert "The page did not get through" in shown
    assert "NO WAY IS LEFT to tell people" in shown


def test_what_the_stack_writes_is_for_its_owner_alone(started: Started) -> None:
    """The journal, the logs, Prefect's database and the token have no mode for others."""
    files = [path for path in started.home.rglob("*") if path.is_file()]
    assert {"journal.db", "alert-token", "responder.log", "prefect.db"} <= {path.name for path in files}
    open_to_others = [str(path) for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []
    assert stat.S_IMODE(started.home.stat().st_mode) == 0o700


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc, to see which processes are running")
def test_up_stops_everything_when_its_terminal_is_closed(started: Started) -> None:
    """SIGHUP, and SIGTERM right after it, stop `up` as Ctrl-C does; no process is left. It is the last test here."""
    assert len(processes_of(started.home)) > 3
    started.process.send_signal(signal.SIGHUP)
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(timeout=LIMIT) == 0
    assert "Stopping" in started.printed.read_text()
    try:
        until(lambda: not processes_of(started.home), lambda: processes_of(started.home))
    finally:
        for left in processes_of(started.home):
            os.kill(left, signal.SIGKILL)
