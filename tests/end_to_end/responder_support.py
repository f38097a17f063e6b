"""A simulated production and the responder in processes of their own, and no Prefect anywhere."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from allclear.domain.incident import Incident
from allclear.domain.replay import replay
from allclear.journal.entries import SqlJournal
from allclear.settings import Simulation
from tests.end_to_end.stack_support import ROOT, environment, free_port
from tests.scopes import DRILL

TOKEN = "a-long-secret-of-this-test"


@dataclass
class Alone:
    """The responder, its environment, and the simulated production that it watches over."""

    home: Path
    variables: dict[str, str]
    simulation: Simulation
    processes: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    @property
    def address(self) -> str:
        """Return where the responder listens."""
        return self.variables["ALLCLEAR_RESPONDER_URL"]

    def incident(self, incident_id: str) -> Incident | None:
        """Return how an incident stands, or None where there is none."""
        journal = SqlJournal(self.variables["ALLCLEAR_JOURNAL_URL"], DRILL)
        try:
            known = {row.id for row in journal.incidents()}
            return replay(journal.entries(incident_id)) if incident_id in known else None
        finally:
            journal.close()

    def until(self, true: Callable[[], Any], seconds: float = 60) -> Any:  # noqa: ANN401 - what it waits for
        """Return what `true` gives as soon as that is something; fails after `seconds`, with the responder's log."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(httpx.TransportError):
                if found := true():
                    return found
            time.sleep(0.1)
        raise AssertionError(f"nothing within {seconds} s\n{(self.home / 'responder.log').read_text()}")

    def start(self) -> None:
        """Start the responder and waits until it is ready."""
        with (self.home / "responder.log").open("a") as log:
            self._run(log, "-m", "allclear.responder", **self.variables)
        self.until(lambda: httpx.get(f"{self.address}/readyz", timeout=5).is_success)

    def kill(self) -> None:
        """Kills the responder as a power cut would."""
        self.processes[-1].kill()
        self.processes.pop().wait(timeout=10)

    def _run(self, log: IO[str], *words: str, **more: str) -> None:
        self.processes.append(
            subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *words], cwd=ROOT, env=environment(**more), stdout=log, stderr=log, text=True
            )
        )

    def simulated(self, path: str) -> Any:  # noqa: ANN401 - the control face's JSON
        """Return what the simulated production's control face says at `path`."""
        return httpx.get(f"{self.simulation.control.rstrip('/')}/{path}", timeout=10).raise_for_status().json()


@contextmanager
def alone(home: Path, scenario: str = "vintstreet/payment-processing-down", **more: str) -> Iterator[Alone]:
    """Yield a responder in front of the simulated production `scenario`; ends both afterwards."""
    words = [sys.executable, "-m", "allclear", "simulate", scenario, "--json"]
    with (home / "simulator.log").open("w") as log:
        simulator = subprocess.Popen(  # noqa: S603 - our own program
            words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert simulator.stdout is not None
    announced = home / "simulation.json"
    announced.write_text(simulator.stdout.readline())
    variables = {
        "ALLCLEAR_COMPANY": scenario.partition("/")[0],
        "ALLCLEAR_JOURNAL_URL": f"sqlite:///{home}/journal.db",
        "ALLCLEAR_RESPONDER_URL": f"http://127.0.0.1:{free_port()}",
        "ALLCLEAR_ALERT_TOKEN": TOKEN,
        "ALLCLEAR_SIMULATION": str(announced),
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        **more,
    }
    here = Alone(home, variables, Simulation.load(announced), [simulator])
    try:
        here.start()
        yield here
    finally:
        for process in reversed(here.processes):
            process.terminate()
            process.wait(timeout=20)
        simulator.stdout.close()
