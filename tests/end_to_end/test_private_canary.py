"""A private incident on a running stack: its canary is in no Prefect object, log, channel, list or outsider's page.

The stack is then killed.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from allclear.domain.records import RunStarted
from tests.end_to_end.stack_support import LIMIT, allclear, patient_companies, processes_of, until
from tests.end_to_end.up_support import Up, running_up, start

pytestmark = pytest.mark.slow

CANARY = "canary-4711"
ENDED = {"COMPLETED", "FAILED", "CRASHED"}
SERVICE = ("--severity", "P0", "--service", "storefront", "--runbook", "bad-deployment")


def company_of_the_test(folder: Path) -> Path:
    """Copy VintStreet with outages that only the CTO may read, and a canary in the title of each step."""
    copy = patient_companies(folder) / "vintstreet"
    plan = copy / "plan.yaml"
    text = plan.read_text()
    text = text.replace("outage: {title: Service outage}", "outage: {title: Service outage, private_for: [cto]}")
    text = text.replace('- name: "[Name]"\n    roles: [cto]', "- name: Ben\n    roles: [cto]")
    plan.write_text(text)
    for book in (copy / "common-steps.yaml", *(copy / "runbooks").glob("*.yaml")):
        book.write_text(
            re.sub(r"^(\s+(?:- )?title: )([^\n{\"'#]+)$", rf"\1\2 {CANARY}", book.read_text(), flags=re.MULTILINE)
        )
    return copy.parent


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`make up SIMULATED=1` for that company."""
    folder = tmp_path_factory.mktemp("private")
    runbooks = str(company_of_the_test(folder))
    with running_up(folder / "home", ALLCLEAR_RUNBOOKS=runbooks) as up:
        up.variables["ALLCLEAR_RUNBOOKS"] = runbooks
        yield up


def post(up: Up, path: str, body: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return what Prefect's API answers."""
    return httpx.post(f"{up.variables['PREFECT_API_URL']}/{path}", json=body, timeout=LIMIT).json()


def everything_in_prefect(up: Up) -> dict[str, str]:
    """Return the objects of Prefect, each kind as text: runs with names, tags and parameters, logs, states ..."""
    found = {
        kind: json.dumps(post(up, f"{kind}/filter", {"limit": 200}))
        for kind in ("flow_runs", "task_runs", "artifacts", "logs")
    }
    url = up.variables["PREFECT_API_URL"]
    for run in post(up, "flow_runs/filter", {"limit": 200}):
        states = httpx.get(f"{url}/flow_run_states/", params={"flow_run_id": run["id"]}, timeout=LIMIT).text
        inputs = json.dumps(post(up, f"flow_runs/{run['id']}/input/filter", {"prefix": "", "limit": 200}))
        found[f"states of {run['name']}"], found[f"inputs of {run['name']}"] = states, inputs
    for task in post(up, "task_runs/filter", {"limit": 200}):
        states = httpx.get(f"{url}/task_run_states/", params={"task_run_id": task["id"]}, timeout=LIMIT).text
        found[f"states of task {task['id']}"] = states
    return found


def token(up: Up, name: str, role: str) -> dict[str, str]:
    """Return the environment of a person with a token."""
    made = allclear("token", name, "--role", role, **up.variables)
    assert made.returncode == 0, made.stderr
    return {**up.variables, "ALLCLEAR_TOKEN": made.stdout.split()[0]}


def done(*words: str, env: dict[str, str]) -> str:
    """Run `allclear`, which must succeed, and return what it printed."""
    result = allclear(*words, **env)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def in_prefect(up: Up, flow: str, name: str, values: dict[str, Any]) -> str:
    """Fill in a form of Prefect, and return the message of the state in which its run ended."""
    url = f"{up.variables['PREFECT_API_URL']}/deployments/name/vintstreet-{flow}/{name}"
    run = start(up, httpx.get(url, timeout=LIMIT).json(), values).json()["id"]
    url = f"{up.variables['PREFECT_API_URL']}/flow_runs/{run}"
    state = until(lambda: (now := httpx.get(url, timeout=LIMIT).json()["state"])["type"] in ENDED and now)
    return str(state["message"])


def test_the_canary_is_found_nowhere(up: Up) -> None:
    """Title, alert, note, decision, reason and step texts have it; Ben reads all of them, and no one else any."""
    ben, ana = token(up, "Ben", "cto"), token(up, "Ana", "on_call")
    incident = done("respond", f"Keys copied {CANARY}", *SERVICE, "--as", "Ben", "--role", "cto", env=ben).split()[0]
    done("note", incident, f"It was {CANARY}", env=ben)
    done("decide", incident, f"We stop {CANARY}", "--reason", CANARY, env=ben)
    done("hold", incident, "--reason", CANARY, env=ben)
    done("release", incident, "--reason", CANARY, env=ben)
    until(lambda: [state for state in up.incident(incident).open_asks if state.ask.act])
    until(lambda: " asks question-" in json.dumps(post(up, "flow_runs/filter", {"limit": 200})))
    ask = next(state.ask for state in up.incident(incident).open_asks if state.ask.act)
    assert CANARY in json.dumps(
        [state.ask.title for state in up.incident(incident).asks.values()] + [ask.title, ask.text]
    )

    mallory = {"name": "Mallory", "role": "scribe"}
    said = [
        in_prefect(up, "note", "Add a note", {"incident": incident, "text": CANARY, **mallory}),
        in_prefect(up, "acknowledge", "Acknowledge an incident", {"incident": incident, **mallory}),
        in_prefect(
            up, "answer", "Answer a question", {"ask": ask.id, "decision": "approve", "reason": CANARY, **mallory}
        ),
        in_prefect(up, "decide", "Record a decision", {"incident": incident, "text": CANARY, **mallory}),
    ]
    assert f"{incident} is private, and your name is only claimed" in said[0]
    assert not up.incident(incident).over
    done("deny", ask.id, "--reason", CANARY, "--as", "Ben", "--role", "cto", env=ben)
    until(lambda: not up.incident(incident).asks[ask.id].open)

    for person in (ana, {**ana, "ALLCLEAR_TOKEN": token(up, "Mallory", "scribe")["ALLCLEAR_TOKEN"]}):
        shown = allclear("show", incident, **person)
        listed = allclear("list", **person)
        for printed in (shown, listed):
            assert CANARY not in printed.stdout + printed.stderr
    responder = up.variables["ALLCLEAR_RESPONDER_URL"]
    shared = {"Authorization": f"Bearer {up.variables['ALLCLEAR_ALERT_TOKEN']}"}
    outsider = {"Authorization": f"Bearer {ana['ALLCLEAR_TOKEN']}"}
    for path in ("/incidents", f"/incidents/{incident}", "/alerts", "/metrics", "/healthz"):
        assert CANARY not in httpx.get(responder + path, headers=shared, timeout=LIMIT).text, path
    for path in ("/i", f"/i/{incident}", f"/incidents/{incident}", f"/i/{incident}/chart.svg"):
        assert CANARY not in httpx.get(responder + path, headers=outsider, timeout=LIMIT).text, path
    reader = {"Authorization": f"Bearer {ben['ALLCLEAR_TOKEN']}"}
    assert CANARY in httpx.get(f"{responder}/i/{incident}", headers=reader, timeout=LIMIT).text

    home = Path(up.variables["ALLCLEAR_JOURNAL_URL"].removeprefix("sqlite:///")).parent
    logs = [
        path for path in home.rglob("*") if path.is_file() and (path.suffix == ".log" or path.name == "printed.txt")
    ]
    assert logs
    for path in logs:
        assert CANARY not in path.read_text(errors="replace"), path
    for path in home.rglob("events*.jsonl"):  # what the simulated vendors were sent
        assert CANARY not in path.read_text(errors="replace"), path

    def hidden() -> bool:
        return not [name for name, text in everything_in_prefect(up).items() if CANARY in text or "roll-back" in text]

    until(hidden, lambda: [name for name, text in everything_in_prefect(up).items() if CANARY in text])


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc, to see which processes are running")
def test_a_stack_that_is_killed_leaves_no_process_behind(up: Up) -> None:
    """While a flow run is under way: Prefect, runner, runs, responder and production end. It is the last test here."""
    ana = ("--as", "Ana", "--role", "on_call")
    words = ("respond", "Slow", "--severity", "P1", "--service", "storefront", "--runbook", "broken-feature", *ana)
    incident = done(*words, env=up.variables).split()[0]
    until(lambda: any(isinstance(entry.record, RunStarted) for entry in up.entries(incident)))
    running = processes_of(up.home)
    assert len(running) > 4
    [pid] = [pid for pid, command in running.items() if "allclear up " in command]
    os.kill(pid, signal.SIGKILL)
    assert up.process.wait(timeout=LIMIT) != 0
    try:
        until(lambda: not processes_of(up.home), lambda: processes_of(up.home))
    finally:
        for left in processes_of(up.home):
            os.kill(left, signal.SIGKILL)
