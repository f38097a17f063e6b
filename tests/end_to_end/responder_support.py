"""A simulated production and the responder in processes of their own, without Prefect."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from allclear.domain.incident import Incident
from allclear.domain.replay import replay
from allclear.journal.sql_journal import SqlJournal
from allclear.settings import Simulation
from allclear.stack import free_ports
from tests.end_to_end.stack_support import LIMIT, ROOT, environment, until
from tests.scopes import DRILL

TOKEN = "a-long-secret-of-this-test"


@dataclass
class Alone:
    """A responder, its environment, and its simulated production."""

    home: Path
    variables: dict[str, str]
    simulation: Simulation
    processes: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    @property
    def address(self) -> str:
        """Return the responder's address."""
        return self.variables["ALLCLEAR_RESPONDER_URL"]

    def incident(self, incident_id: str) -> Incident | None:
        """Return an incident, replayed from the journal, or None if there is none."""
        journal = SqlJournal(self.variables["ALLCLEAR_JOURNAL_URL"], DRILL)
        try:
            known = {row.id for row in journal.incidents()}
            return replay(journal.entries(incident_id)) if incident_id in known else None
        finally:
            journal.close()

    def until(self, condition: Callable[[], Any]) -> Any:  # noqa: ANN401 - its value
        """Return the condition's value as soon as it is true; fails with the responder's log if it never is."""
        return until(condition, (self.home / "responder.log").read_text)

    def start(self) -> None:
        """Start the responder and wait until it is ready."""
        with (self.home / "responder.log").open("a") as log:
            self._run(log, "-m", "allclear.responder", **self.variables)
        self.until(lambda: httpx.get(f"{self.address}/readyz", timeout=LIMIT).is_success)

    def kill(self) -> None:
        """Kill the responder as a power cut would."""
        self.processes[-1].kill()
        self.processes.pop().wait(timeout=LIMIT)

    def _run(self, log: IO[str], *words: str, **more: str) -> None:
        self.processes.append(
            subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *words], cwd=ROOT, env=environment(**more), stdout=log, stderr=log, text=True
            )
        )

    def simulated(self, path: str) -> Any:  # noqa: ANN401 - the control face's JSON
        """Return the answer of the simulated production's control at `path`."""
        return httpx.get(f"{self.simulation.control.rstrip('/')}/{path}", timeout=LIMIT).raise_for_status().json()


@contextmanager
def alone(home: Path, scenario: str = "vintstreet/payment-processing-down", **more: str) -> Iterator[Alone]:
    """Yield a responder in front of the simulated production `scenario`; end both afterwards."""
    words = [sys.executable, "-m", "allclear", "simulate", scenario, "--json"]
    with (home / "simulator.log").open("w") as log:
        simulator = subprocess.Popen(  # noqa: S603 - our own program
            words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert simulator.stdout is not None
    announced = home / "simulation.json"
    announced.write_text(simulator.stdout.readline())
    port, nothing = free_ports(2)
    variables = {
        "ALLCLEAR_COMPANY": scenario.partition("/")[0],
        "ALLCLEAR_JOURNAL_URL": f"sqlite:///{home}/journal.db",
        "ALLCLEAR_RESPONDER_URL": f"http://127.0.0.1:{port}",
        "ALLCLEAR_ALERT_TOKEN": TOKEN,
        "ALLCLEAR_SIMULATION": str(announced),
        "PREFECT_API_URL": f"http://127.0.0.1:{nothing}/api",
        **more,
    }
    here = Alone(home, variables, Simulation.load(announced), [simulator])
    try:
        here.start()
        yield here
    finally:
        for process in reversed(here.processes):
            process.terminate()
            process.wait(timeout=LIMIT)
        simulator.stdout.close()
