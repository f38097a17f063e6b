"""`make up SIMULATED=1`, with every command of the README run against it.

VS-1 in the README is the first incident of a new stack.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from allclear.domain.action import ActStatus
from allclear.domain.approval import Ask, AskKind
from tests.end_to_end.stack_support import LIMIT, ROOT, allclear, environment, until
from tests.end_to_end.up_support import Up, end_all, start

pytestmark = [pytest.mark.slow]

README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """Return the commands of the README's shell blocks that end by themselves."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("make ")]


def test_every_command_of_the_readme_works(up: Up) -> None:
    """They are run in the order of the page. Other tests here run `make drill` and `make up`."""
    made = re.findall(
        r"^make .*", "\n".join(re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)), flags=re.MULTILINE
    )
    assert made == ["make drill", "make up SIMULATED=1"]
    written = ROOT / "VS-1.html"
    assert in_shell(commands()[0], up).returncode == 0  # as typed: the program `allclear` is found
    for command in commands():
        done = until(lambda command=command: answered(up, command))
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        if "/alerts/json" in command:
            until(lambda: "VS-1" in allclear("incidents", **up.variables).stdout)
    assert written.read_text().startswith("<!doctype html>")
    written.unlink()
    control = up.variables["ALLCLEAR_CONTROL"]
    revisions = httpx.get(f"{control}/state", timeout=LIMIT).json()["revisions"]
    assert "vintstreet-00043-fix" in [one["name"] for one in revisions]
    # The tests after this one need a production of which the latest revision fails.
    fails = {"revision": "vintstreet-00044-bad", "faults": {"/api/checkout": 0.6}}
    assert httpx.post(f"{control}/deploy", json=fails, timeout=LIMIT).is_success


def answered(up: Up, command: str) -> subprocess.CompletedProcess[str] | None:
    """Run a command, and return its result, or None if a system did not answer in time on a busy machine."""
    words = shlex.split(command)
    if words[0] == "allclear" and not set("|&;<>$`*~") & set(command):  # nothing but words, which the shell splits so
        done = allclear(*words[1:], **up.variables)
    else:
        done = in_shell(command, up)
    return None if done.returncode and "no answer within" in done.stderr else done


def in_shell(command: str, up: Up) -> subprocess.CompletedProcess[str]:
    """Run a command of the README in a shell."""
    return subprocess.run(  # noqa: S602 - a command of the README
        command,
        shell=True,
        cwd=ROOT,
        env=environment(**up.variables),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def test_the_readme_shows_commands_that_exist() -> None:
    """Every `allclear` command that the page mentions in its text is one that the command line knows."""
    told = set(re.findall(r"`(?:make )?allclear ([a-z-]+)", README))
    told |= {word for line in commands() for word in shlex.split(line)[1:2]}
    helped = allclear("--help").stdout
    assert {word for word in told if word.isalpha() and word not in helped and word != "-sS"} == set()


def test_the_readme_passes_options_that_make_up_takes(up: Up) -> None:
    """`ARGS` go to `allclear up`, as those with which this stack was started."""
    (given,) = re.findall(r'`make up SIMULATED=1 ARGS="([^"]+)"`', README)
    helped = allclear("up", "--help", **up.variables).stdout
    options = [word for word in given.split() if word.startswith("--")]
    assert options == ["--port", "--responder-port"]
    assert all(option in helped for option in options)


def measure_asked(up: Up, incident_id: str) -> Ask | None:
    """Return the open question whether a measure is carried out, which a tech lead may answer, or None."""
    asks = (state.ask for state in up.incident(incident_id).open_asks)
    return next((ask for ask in asks if ask.kind is AskKind.APPROVAL and "tech_lead" in ask.policy.roles), None)


def test_an_alert_becomes_one_run_and_an_approval_on_the_command_line_resumes_it(up: Up) -> None:
    """One alert, sent three times, is one incident and one `respond`; its suspended run is resumed by an approval."""
    alert = {"key": "streams", "title": "Errors", "labels": {"alertname": "ErrorRateHigh"}}
    token = {"Authorization": f"Bearer {up.variables['ALLCLEAR_ALERT_TOKEN']}"}
    known = {row["id"] for row in json.loads(allclear("incidents", "--json", **up.variables).stdout)}
    end_all(up, known)
    where = f"{up.variables['ALLCLEAR_RESPONDER_URL']}/alerts/json"
    ids = {httpx.post(where, json=alert, headers=token, timeout=LIMIT).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    delivery = f"{up.variables['ALLCLEAR_RESPONDER_URL']}/alerts/{ids.pop()}"
    incident_id = until(lambda: httpx.get(delivery, headers=token, timeout=LIMIT).json()["incident"])
    until(lambda: up.runs(incident_id, "contain"))
    assert len(up.runs(incident_id, "respond")) == 1
    ask = until(lambda: measure_asked(up, incident_id))
    until(lambda: up.runs(incident_id, ask.phase)[0]["state_type"] == "PAUSED")
    done = allclear("approve", ask.id, "--as", "Ben", "--role", "tech_lead", "--reason", "go", **up.variables)
    assert done.returncode == 0, done.stderr
    until(lambda: not up.incident(incident_id).open_asks or up.incident(incident_id).asks[ask.id].granted)
    act = ask.act
    if act:
        until(lambda: up.incident(incident_id).acts[act].outcome)
        assert up.incident(incident_id).acts[act].status is ActStatus.VERIFIED


def test_forms_offer_the_values_of_the_plan(up: Up) -> None:
    """In Prefect, the form offers the plan's severities, services and runbooks, and refuses others and blanks."""
    api = up.variables["PREFECT_API_URL"]
    deployment = httpx.get(f"{api}/deployments/name/vintstreet-respond/Start an incident", timeout=LIMIT).json()
    offered = deployment["parameter_openapi_schema"]["properties"]
    assert offered["severity"]["enum"] == ["P0", "P1", "P2", "P3"]
    books = ["bad-deployment", "bad-migration", "broken-feature", "database-down", "security-incident"]
    assert offered["runbook"]["enum"] == books
    assert "SIMULATED" in deployment["tags"]
    assert start(up, deployment, {"title": "Slow", "name": "Ana", "severity": "P9"}).status_code == 409
    assert start(up, deployment, {"title": "  ", "name": "Ana"}).status_code == 409
    assert start(up, deployment, {"title": "Slow"}).status_code == 409


def test_an_action_is_started_by_hand_in_prefect(up: Up) -> None:
    """*Switch a feature flag off* carries out its action in an incident, and the run shows the result."""
    api = up.variables["PREFECT_API_URL"]
    name = "vintstreet-manual-action/Switch a feature flag off"
    deployment = httpx.get(f"{api}/deployments/name/{name}", timeout=LIMIT).json()
    filled_in = {"params": {"flag": "live_streams"}, "reason": "a test", "name": "Ana"}
    assert start(up, deployment, {**filled_in, "params": {"flag": "no_such_flag"}}).status_code == 409
    run = start(up, deployment, filled_in).json()["id"]

    state = until(lambda: ended_state(up, run))
    assert state["type"] == "COMPLETED", state
    assert "feature-flag-disable" in state["message"]


def test_a_restore_that_is_started_in_prefect_is_refused_while_users_can_write(up: Up) -> None:
    """The run says what comes first. Nothing is asked of people, and nothing is sent to Supabase."""
    api = up.variables["PREFECT_API_URL"]
    name = "vintstreet-manual-action/Restore the database to a point in time (Supabase)"
    deployment = httpx.get(f"{api}/deployments/name/{name}", timeout=LIMIT).json()
    point = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%d %H:%M:%S} UTC"
    filled_in = {"params": {"service": "storefront", "to": point}, "reason": "a test", "name": "Ana"}
    run = start(up, deployment, filled_in).json()["id"]

    state = until(lambda: ended_state(up, run))
    assert "Put it into maintenance first" in state["message"]
    assert state["type"] == "FAILED", state


def test_a_deployment_that_a_person_deletes_or_pauses_in_prefect_still_runs(up: Up) -> None:
    """The runner registers a deleted one again. A paused one has no schedule; what is started runs all the same."""
    api = up.variables["PREFECT_API_URL"]
    place = f"{api}/deployments/name/vintstreet-note/Add a note"
    deleted = httpx.get(place, timeout=LIMIT).json()["id"]
    assert httpx.delete(f"{api}/deployments/{deleted}", timeout=LIMIT).is_success
    until(lambda: httpx.get(place, timeout=LIMIT).is_success)
    again = httpx.get(place, timeout=LIMIT).json()
    assert again["id"] != deleted
    assert "incident" in again["parameter_openapi_schema"]["required"]
    assert httpx.post(f"{api}/deployments/{again['id']}/pause_deployment", timeout=LIMIT).is_success
    note = {"incident": "VS-999", "text": "Hello", "name": "Ana", "role": "scribe"}
    run = start(up, again, note).json()["id"]
    state = until(lambda: ended_state(up, run))
    assert "VS-999" in state["message"], state


def ended_state(up: Up, run: str) -> dict[str, Any] | None:
    """Return the state of a run that has ended, or None."""
    state = httpx.get(f"{up.variables['PREFECT_API_URL']}/flow_runs/{run}", timeout=LIMIT).json()["state"]
    return state if state["type"] in {"COMPLETED", "FAILED", "CRASHED"} else None
