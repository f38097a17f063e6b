"""The real Alertmanager, configured as the README says, opens an incident, and the approval contains it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from allclear.domain.approval import AskKind
from allclear.domain.incident import Incident
from allclear.stack import free_ports
from tests.end_to_end.responder_support import TOKEN, Alone, alone
from tests.end_to_end.stack_support import LIMIT, ROOT, allclear

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ALERTMANAGER is None, reason="Alertmanager is not installed"),
]


def readme_example() -> tuple[dict[str, Any], str]:
    """Return the configuration in the README, and the command that creates the token's file."""
    found = re.search(r"```yaml\n(route:\n.*?)```.*?```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return YAML(typ="safe", pure=True).load(found[1]), found[2]


@pytest.fixture(scope="module")
def responder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """Yield a responder without Prefect; payments fail in its simulated production."""
    with alone(tmp_path_factory.mktemp("alone")) as running:
        yield running


@pytest.fixture(scope="module")
def address(responder: Alone) -> Iterator[str]:
    """Yield the address of an Alertmanager with the README's configuration; paths, group and port are changed."""
    home, (configuration, token_command) = responder.home / "alertmanager", readme_example()
    home.mkdir()
    hook = configuration["receivers"][0]["webhook_configs"][0]
    hook["url"] = hook["url"].replace("http://127.0.0.1:8077", responder.address)
    token = hook["http_config"]["authorization"]["credentials_file"]
    command = token_command.replace(token, str(home / "token")).replace("-g prometheus", f"-g {os.getgid()}")
    variables = {**os.environ, "ALLCLEAR_ALERT_TOKEN": TOKEN}
    subprocess.run(command, shell=True, env=variables, check=True)  # noqa: S602 - the README's command
    assert stat.S_IMODE((home / "token").stat().st_mode) == 0o640
    hook["http_config"]["authorization"]["credentials_file"] = str(home / "token")
    with (home / "alertmanager.yml").open("w") as file:
        YAML().dump(configuration, file)
    port = free_ports(1)[0]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - the distribution's own program
            [
                str(ALERTMANAGER),
                f"--config.file={home}/alertmanager.yml",
                f"--storage.path={home}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        responder.until(lambda: httpx.get(f"http://127.0.0.1:{port}/-/ready").is_success)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=LIMIT)


def send_to_alertmanager(address: str, *, resolved: bool = False) -> None:
    """Send an alert to Alertmanager as Prometheus does."""
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": "PaymentProcessingFailures", "severity": "critical"},
        "annotations": {"summary": "Payment processing fails"},
        "startsAt": (now - timedelta(minutes=2)).isoformat(),
        "endsAt": (now - timedelta(seconds=1) if resolved else now + timedelta(hours=1)).isoformat(),
    }
    httpx.post(f"{address}/api/v2/alerts", json=[alert], timeout=LIMIT).raise_for_status()


def test_an_alert_opens_an_incident_and_an_approval_contains_it(responder: Alone, address: str) -> None:
    """From Alertmanager's alert to a rolled back service, with one approval on the command line and no Prefect."""
    send_to_alertmanager(address)
    ask = "VS-1/contain/roll-back"
    responder.until(lambda: (incident := responder.incident("VS-1")) and ask in incident.asks)
    contained = responder.until(lambda: contained_after_answers(responder))
    assert contained.paged_at is not None
    assert contained.opened.reported == "alert from alertmanager"
    act = contained.acts["contain/roll-back"]
    assert act.outcome is not None
    assert act.outcome.good


def contained_after_answers(responder: Alone) -> Incident | None:
    """Approve each measure that is asked for, and return the incident once it is contained.

    The plan also wants answers within 500 ms. On a busy machine the first measure may miss that, and the next is asked.
    """
    incident = responder.incident("VS-1")
    for state in incident.open_asks if incident else ():
        if "on_call" in state.ask.policy.roles and state.ask.kind is AskKind.APPROVAL:
            reason = ("--reason", "It is needed.")
            done = allclear("approve", state.ask.id, *reason, "--as", "Ana", "--role", "on_call", **responder.variables)
            assert done.returncode == 0, done.stderr
    return incident if incident and incident.contained else None


def test_repeats_and_the_resolution_join_the_same_incident(responder: Alone, address: str) -> None:
    """Alertmanager's repeat opens no incident, and the resolution is recorded in the incident of the alert."""
    send_to_alertmanager(address)
    send_to_alertmanager(address, resolved=True)
    responder.until(
        lambda: (
            (incident := responder.incident("VS-1"))
            and [alert.state for alert in incident.alerts.values()] == ["resolved"]
        )
    )
    assert responder.incident("VS-2") is None
