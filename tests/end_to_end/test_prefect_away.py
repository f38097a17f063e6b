"""Prefect is down while alerts arrive, and a runner is killed: real processes, and a real Prefect that starts late."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from allclear.bootstrap import Engine, make_engine
from allclear.domain.incident import Incident
from allclear.domain.records import By
from allclear.engine.flow_runs import QUESTION
from allclear.engine.outbox import OutboxDelivery
from allclear.engine.people.declare import Declaration
from allclear.own_secrets import ALERT_TOKEN
from allclear.prefect_api import PrefectApi
from allclear.responder.workers.run_recovery import RunRecovery
from allclear.stack import Ports, Stack, empty_prefect, prepare
from tests.end_to_end.stack_support import LIMIT, OWN, ROOT, allclear, patient_companies, until

pytestmark = pytest.mark.slow

SCENARIO = "payment-processing-down"
BEN = By(actor="Ben", role="on_call", via="test")


class Parts:
    """The parts of a stack, each started and killed when a test says so."""

    def __init__(self, home: Path) -> None:
        self.stack = Stack("vintstreet", home, Ports.free(), SCENARIO)
        self._home = home
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *module: str) -> None:
        """Start a part in a process group of its own."""
        with (self._home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env=self.stack.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill a part and all of its children at once, as a power cut does."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=LIMIT)

    def stop(self) -> None:
        """End everything."""
        for name in list(self._running):
            self.kill(name)

    def wait_for_line(self, name: str, start: str) -> str:
        """Wait for the first line of a part's log that starts with `start`, and return it."""

        def check() -> str | None:
            lines = (self._home / f"{name}.log").read_text(errors="replace").splitlines(keepends=True)
            return next((line for line in lines if line.startswith(start) and line.endswith("\n")), None)

        return until(check, lambda: f"{name} did not print {start!r}.")


class Production:
    """The state of a response: its journal, Prefect's runs, and the production's own log."""

    def __init__(self, parts: Parts, engine: Engine) -> None:
        self.parts = parts
        self.engine = engine
        self.api = parts.stack.environment["PREFECT_API_URL"]

    def incident(self, incident: str) -> Incident:
        """Return an incident, replayed from the journal."""
        return self.engine.conductor.incident(incident)

    def alert(self) -> str:
        """Send an alert, and return the incident that it opens."""
        token = {"Authorization": f"Bearer {self.parts.stack.own_secrets[ALERT_TOKEN]}"}
        where = f"{self.parts.stack.environment['ALLCLEAR_RESPONDER_URL']}/alerts"
        body = {"key": "payments", "title": "Payments fail", "labels": {"alertname": "PaymentProcessingFailures"}}
        delivery = httpx.post(f"{where}/json", json=body, headers=token, timeout=LIMIT).json()["id"]

        def opened() -> str | None:
            return httpx.get(f"{where}/{delivery}", headers=token, timeout=LIMIT).json()["incident"]

        return until(opened, lambda: "an incident")

    def answer(self, ask: str, *, yes: bool) -> None:
        """Answer a question as soon as it is open, in a role that may answer."""
        incident = ask.partition("/")[0]
        until(lambda: ask in self.incident(incident).asks, lambda: ask)
        role = self.incident(incident).asks[ask].ask.policy.roles[0]
        self.engine.people.answer(ask, By(actor=f"The {role}", role=role, via="test"), yes=yes, reason="for the test")

    def runs(self, incident: str) -> list[dict[str, Any]]:
        """Return Prefect's runs for an incident, oldest first."""
        body = {"flow_runs": {"tags": {"all_": [incident]}}, "sort": "EXPECTED_START_TIME_ASC"}
        return httpx.post(f"{self.api}/flow_runs/filter", json=body, timeout=LIMIT).json()

    def flows(self, incident: str) -> dict[str, int]:
        """Return the number of runs that Prefect has for an incident, by flow; those of questions are left out."""
        runs = [run for run in self.runs(incident) if QUESTION not in run["tags"]]
        return dict(Counter(run["name"].partition(" ")[2] for run in runs))

    def writes(self) -> dict[str, int]:
        """Return the number of writes to each system, except Slack, whose message is updated after every change."""
        log = httpx.get(f"{self.parts.stack.simulation.control}/log", timeout=LIMIT).json()
        return dict(Counter(line["api"] for line in log if line["kind"] == "write" and line["api"] != "slack"))


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """A simulated production that breaks, and a responder; Prefect is not started yet."""
    home = tmp_path_factory.mktemp("away")
    companies = patient_companies(home)
    changed = pytest.MonkeyPatch()
    changed.setenv("ALLCLEAR_RUNBOOKS", str(companies))
    parts = Parts(home)
    path = companies / "vintstreet" / "drills" / f"{SCENARIO}.yaml"
    try:
        parts.start("production", "allclear.simulator", str(path))
        (home / "simulation.json").write_text(parts.wait_for_line("production", "{"))
        parts.start("responder", "allclear.responder")
        url = parts.stack.environment["ALLCLEAR_RESPONDER_URL"]
        until(lambda: _answers(f"{url}/healthz"), lambda: "the responder")
        engine = make_engine(parts.stack.settings, environ={})
        yield Production(parts, engine)
        engine.journal.close()
    finally:
        parts.stop()
        changed.undo()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=LIMIT).is_success
    except httpx.HTTPError:
        return False


def test_production_is_contained_without_prefect_and_one_run_of_each_phase_adopts_it(production: Production) -> None:
    """People are paged, an approval from the command line is carried out, and runs that start late find it done."""
    first = production.alert()
    until(lambda: production.incident(first).ask_of("contain", "roll-back"), lambda: "the question")
    variables = {k: v for k, v in production.parts.stack.environment.items() if k.startswith(OWN)}
    words = ("approve", f"{first}/contain/roll-back", "--as", "Ana", "--role", "on_call", "--reason", "go")
    done = allclear(*words, **variables)
    assert done.returncode == 0, done.stderr
    until(lambda: production.incident(first).contained, lambda: "containment")
    production.answer(f"{first}/contain/status-page", yes=False)
    until(lambda: "contain" in production.incident(first).left, lambda: "the end of the phase")
    second = production.engine.people.declare(
        Declaration(title="Slow", severity="P1", service="storefront", runbook="broken-feature"), BEN
    ).incident
    production.answer(f"{second}/detect/verify", yes=True)
    until(lambda: production.incident(second).over, lambda: "a false alarm")
    until(lambda: production.writes()["pagerduty"] == 2, lambda: "the pager to learn that somebody has taken the page")
    before = production.writes()
    assert before["cloud_run"] == 1

    asyncio.run(_prefect_comes_back(production))
    until(lambda: "investigate" in production.incident(first).runs, lambda: "the next phase's run")
    until(lambda: len(production.flows(first)) == 4 and production.flows(second), lambda: "all runs")
    until(
        lambda: all(run["state_type"] not in {"SCHEDULED", "PENDING"} for run in production.runs(first)),
        lambda: "all begun",
    )
    assert production.flows(first) == {"respond": 1, "detect": 1, "contain": 1, "investigate": 1}
    assert production.flows(second) == {"respond": 1}
    assert production.writes() == before


async def _prefect_comes_back(production: Production) -> None:
    """Start Prefect's server, and then the runner with its flows; the first run follows."""
    parts = production.parts
    if not empty_prefect().exists():
        await prepare()
    parts.stack.lay_out_prefect()
    parts.start("prefect", "deployments.server", str(parts.stack.ports.prefect))
    until(lambda: _answers(f"{production.api}/health"), lambda: "Prefect")
    parts.start("runner", "deployments.runner")
    parts.wait_for_line("runner", "serving ")
    until(lambda: production.runs("VS-1"), lambda: "the first run")


async def test_one_key_is_one_run_in_a_real_prefect(production: Production) -> None:
    """The same outbox message, delivered twenty times at once, is one run with one id."""
    client = PrefectApi(production.api, "vintstreet")
    try:
        words: Any = ({"incident": "VS-2"}, "VS-2/again and again")
        starts = [client.start("respond", *words, name="VS-2 respond", tags=["VS-2"]) for _ in range(20)]
        assert len(set(await asyncio.gather(*starts))) == 1
    finally:
        await client.close()
    assert production.flows("VS-2") == {"respond": 2}


async def test_a_run_that_was_killed_with_its_runner_is_started_again(production: Production) -> None:
    """A runner is killed in the middle of a phase: Prefect learns that the run crashed, and the phase has a new one.

    The responder is stopped before, so that only the flow carries the phase out, however busy the machine is.
    """
    production.parts.kill("responder")
    third = production.engine.people.declare(
        Declaration(title="Slow", severity="P1", service="storefront", runbook="broken-feature"), BEN
    ).incident
    client = PrefectApi(production.api, "vintstreet")
    try:
        await OutboxDelivery(production.engine.journal, client, production.engine.company).deliver(third)
        until(lambda: "detect" in production.incident(third).runs, lambda: "a run of the first phase")
        production.parts.kill("runner")
        [dead] = [run for run in production.runs(third) if run["name"] == f"{third} detect"]
        assert dead["state_type"] == "RUNNING", json.dumps(dead)
        production.parts.start("runner", "deployments.runner")
        recovery = RunRecovery(production.engine, client)
        # On a busy machine the kernel may need a moment to end the killed processes and to release their locks.
        for _ in range(3000):
            if f"{third} detect" in await recovery.check():
                break
            await asyncio.sleep(0.2)
    finally:
        await client.close()
    [again] = [run for run in production.runs(third) if run["idempotency_key"].startswith(f"{third}/detect/again-1 ")]
    until(lambda: production.incident(third).runs["detect"] == again["id"], lambda: "the new run's first line")
    states = {run["id"]: run["state_type"] for run in production.runs(third)}
    assert states[dead["id"]] == "CRASHED"
    assert production.flows(third)["detect"] == 2
