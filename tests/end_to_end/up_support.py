"""`make up SIMULATED=1` for end-to-end tests: the running stack, its journal and its Prefect."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from allclear.domain.incident import Incident
from allclear.domain.records import Entry
from allclear.domain.replay import replay
from allclear.journal.sql_journal import SqlJournal
from allclear.stack import free_ports
from tests.end_to_end.stack_support import LIMIT, ROOT, allclear, environment, make, patient_companies, until
from tests.scopes import DRILL

ROLLBACK = "cloud_run.rollback_traffic"


class Up:
    """A running stack: its process, the environment that it prints, and its journal."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, printed: Path) -> None:
        self.process = process
        self.home = home
        self.printed = printed
        self.variables = exported(printed.read_text())

    def incidents(self) -> set[str]:
        """Return the ids of all incidents."""
        journal = SqlJournal(self.variables["ALLCLEAR_JOURNAL_URL"], DRILL)
        try:
            return {row.id for row in journal.incidents()}
        finally:
            journal.close()

    def incident(self, incident_id: str) -> Incident:
        """Return an incident, replayed from the journal."""
        incident = replay(self.entries(incident_id))
        assert incident is not None
        return incident

    def entries(self, incident_id: str) -> list[Entry]:
        """Return the entries of an incident's record."""
        journal = SqlJournal(self.variables["ALLCLEAR_JOURNAL_URL"], DRILL)
        try:
            return journal.entries(incident_id)
        finally:
            journal.close()

    def runs(self, incident_id: str, flow: str) -> list[dict[str, Any]]:
        """Return Prefect's runs of a flow for an incident."""
        body = {"flow_runs": {"name": {"any_": [f"{incident_id} {flow}"]}}}
        return httpx.post(f"{self.variables['PREFECT_API_URL']}/flow_runs/filter", json=body, timeout=LIMIT).json()


@contextmanager
def running_up(home: Path, **more: str) -> Generator[Up]:
    """`make up SIMULATED=1` on free ports, with its files in `home`. One Ctrl-C at the end must stop everything.

    `more` are variables of its environment. Its company is VintStreet, with patience, unless they name another folder.
    """
    home.mkdir(parents=True, exist_ok=True)
    if "ALLCLEAR_RUNBOOKS" not in more:
        more["ALLCLEAR_RUNBOOKS"] = str(patient_companies(home))
    printed = home / "printed.txt"
    prefect, responder = free_ports(2)
    ports = f"--port {prefect} --responder-port {responder}"
    with printed.open("w") as out:
        process = subprocess.Popen(  # noqa: S603 - our own program
            make("up", "SIMULATED=1", f"ARGS={ports} --home {home}"),
            cwd=ROOT,
            env=environment(**more),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        until(lambda: _is_up(process, printed), printed.read_text)
        yield Up(process, home, printed)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=LIMIT)


def exported(printed: str) -> dict[str, str]:
    """Return the variables that another terminal has after it ran the printed `source` line."""
    (line,) = [line.strip() for line in printed.splitlines() if line.strip().startswith("source ")]
    names = re.findall(r"^export (\w+)=", Path(shlex.split(line)[1]).read_text(encoding="utf-8"), re.MULTILINE)
    script = "\n".join([line, *(f'echo "{name}=${name}"' for name in names)])
    told = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - our line
    return dict(line.split("=", 1) for line in told.stdout.splitlines())


def _is_up(process: subprocess.Popen[bytes], printed: Path) -> bool:
    assert process.poll() is None, printed.read_text()
    return "Ctrl-C stops everything" in printed.read_text()


def end_all(up: Up, known: set[str]) -> None:
    """End the incidents of earlier tests, so that an alert opens a new one; the latest revision fails again."""
    by = ("--reason", "the next test", "--as", "Ben", "--role", "tech_lead")
    for incident_id in sorted(known):
        incident = up.incident(incident_id)
        if incident.over:
            continue
        for act in incident.in_place:
            if act.proposed.action == ROLLBACK:  # its undo is refused as long as the latest revision is the failing one
                succeed(up, "act", "vintstreet", "cloud_run.restore_latest", "service=storefront", "--yes", *by)
            elif not act.proposed.pages:
                succeed(up, "undo", incident_id, act.id, "--yes", *by)
        succeed(up, "false-alarm", incident_id, *by, otherwise=lambda one=incident_id: up.incident(one).over)


def succeed(up: Up, *words: str, otherwise: Callable[[], bool] = lambda: False) -> None:
    """Run `allclear` with `words` until it succeeds or `otherwise` is true; else the test fails with its output."""
    printed = ""

    def done() -> bool:
        nonlocal printed
        result = allclear(*words, **up.variables)
        printed = f"{result.stdout}\n{result.stderr}"
        return result.returncode == 0 or otherwise()

    until(done, lambda: printed)


def start(up: Up, deployment: dict[str, Any], parameters: dict[str, Any]) -> httpx.Response:
    """Run a deployment with the values that a person filled in."""
    body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
    url = f"{up.variables['PREFECT_API_URL']}/deployments/{deployment['id']}/create_flow_run"
    return httpx.post(url, json=body, timeout=LIMIT)
