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

from tests.end_to_end.responder_support import TOKEN, Alone, alone
from tests.end_to_end.stack_support import LIMIT, ROOT, allclear, free_port

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ALERTMANAGER is None, reason="Alertmanager is not installed"),
]


def shown() -> tuple[dict[str, Any], str]:
    """Return the configuration that the README shows, and the command that makes the token's file."""
    there = re.search(r"```yaml\n(route:\n.*?)```.*?```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert there is not None
    return YAML(typ="safe", pure=True).load(there[1]), there[2]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """Yield a responder, without Prefect, over a production whose payments fail."""
    with alone(tmp_path_factory.mktemp("alone")) as one:
        yield one


@pytest.fixture(scope="module")
def address(here: Alone) -> Iterator[str]:
    """Yield the address of an Alertmanager that sends to the responder: only paths, group and port are the test's."""
    home, (wanted, makes_token) = here.home / "alertmanager", shown()
    home.mkdir()
    hook = wanted["receivers"][0]["webhook_configs"][0]
    hook["url"] = hook["url"].replace("http://127.0.0.1:8077", here.address)
    token = hook["http_config"]["authorization"]["credentials_file"]
    command = makes_token.replace(token, str(home / "token")).replace("-g prometheus", f"-g {os.getgid()}")
    told = {**os.environ, "ALLCLEAR_ALERT_TOKEN": TOKEN}
    subprocess.run(command, shell=True, env=told, check=True)  # noqa: S602 - the README's own words
    assert stat.S_IMODE((home / "token").stat().st_mode) == 0o640
    hook["http_config"]["authorization"]["credentials_file"] = str(home / "token")
    with (home / "alertmanager.yml").open("w") as file:
        YAML().dump(wanted, file)
    port = free_port()
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
        here.until(lambda: httpx.get(f"http://127.0.0.1:{port}/-/ready").is_success)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=LIMIT)


def fire(address: str, *, over: bool = False) -> None:
    """Tell Alertmanager what Prometheus would."""
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": "PaymentProcessingFailures", "severity": "critical"},
        "annotations": {"summary": "Payment processing fails"},
        "startsAt": (now - timedelta(minutes=2)).isoformat(),
        "endsAt": (now - timedelta(seconds=1) if over else now + timedelta(hours=1)).isoformat(),
    }
    httpx.post(f"{address}/api/v2/alerts", json=[alert], timeout=LIMIT).raise_for_status()


def test_it_opens_an_incident_and_the_approval_contains_it(here: Alone, address: str) -> None:
    """From Alertmanager's alert to a rolled back service, with one approval on the command line and no Prefect."""
    fire(address)
    ask = "VS-1/contain/roll-back"
    here.until(lambda: (it := here.incident("VS-1")) and ask in it.asks)
    said = allclear("approve", ask, "--as", "Ana", "--role", "on_call", **here.variables)
    assert said.returncode == 0, said.stderr
    contained = here.until(lambda: (it := here.incident("VS-1")) and it.contained and it)
    assert contained.paged_at is not None
    assert contained.opened.reported == "alert from alertmanager"
    act = contained.acts["contain/roll-back"]
    assert act.outcome is not None
    assert act.outcome.good


def test_its_repeats_and_its_end_join_that_incident(here: Alone, address: str) -> None:
    """The group that Alertmanager sends again opens nothing; the end of the alert is noted where it belongs."""
    fire(address)
    fire(address, over=True)
    noted = here.until(
        lambda: (it := here.incident("VS-1")) and [one.state for one in it.alerts.values()] == ["resolved"]
    )
    assert noted
    assert here.incident("VS-2") is None
