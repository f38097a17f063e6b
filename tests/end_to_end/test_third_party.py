"""The example of a third party's package: installed beside allclear, its action and its alert source work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from tests.end_to_end.responder_support import Alone, alone
from tests.end_to_end.stack_support import LIMIT, ROOT, allclear, allclear_as_new_program, environment

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "third_party"
UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
SECRET = "the-monitors-secret"


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the example into a folder of its own, and return the environment of an allclear that has it."""
    home = tmp_path_factory.mktemp("third_party")
    # A copy, so that the build leaves nothing in the repository.
    source = shutil.copytree(EXAMPLE, home / "source")
    words = ["--python", sys.executable, "--offline", "--no-deps", "--no-build-isolation", "--target"]
    done = subprocess.run(  # noqa: S603 - our own package
        [str(UV), "pip", "install", *words, str(home / "installed"), str(source)],
        env=environment(UV_CACHE_DIR=str(home / "cache")),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shutil.copytree(ROOT / "runbooks", home / "runbooks")
    use_it(home / "runbooks" / "vintstreet")
    return {
        "PYTHONPATH": str(home / "installed"),
        "ALLCLEAR_RUNBOOKS": str(home / "runbooks"),
        "ACME_MONITOR_SECRET": SECRET,
    }


def use_it(company: Path) -> None:
    """Add the snippets of the example's README to a company's folder."""
    blocks = re.findall(r"```yaml\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    for file, block in zip(("systems.yaml", "plan.yaml", "runbooks/bad-deployment.yaml"), blocks, strict=True):
        yaml = YAML()
        whole: Any = yaml.load(company / file)
        for key, part in YAML(typ="safe", pure=True).load(block).items():
            whole[key].extend(part) if isinstance(part, list) else whole[key].update(part)
        yaml.dump(whole, company / file)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]) -> Iterator[Alone]:
    """Yield a responder, without Prefect, that has the example installed."""
    with alone(tmp_path_factory.mktemp("alone"), **variables) as one:
        yield one


def test_its_action_is_listed(variables: dict[str, str]) -> None:
    """`allclear actions` shows it beside ours, with its parameters."""
    listed = allclear_as_new_program("actions", **variables).stdout
    assert "cloud_run.rollback_traffic" in listed
    assert re.search(r"acme\.pause_queue +Pause a queue +\(queue\)", listed)
    assert "acme.pause_queue" not in allclear("actions").stdout


def test_check_accepts_a_folder_that_uses_both(variables: dict[str, str]) -> None:
    """Without the package the same folder has errors, which name what is unknown."""
    done = allclear_as_new_program("check", "vintstreet", **variables)
    assert done.returncode == 0, done.stdout
    without = allclear("check", "vintstreet", ALLCLEAR_RUNBOOKS=variables["ALLCLEAR_RUNBOOKS"])
    assert without.returncode == 1
    assert "acme" in without.stdout


def test_an_alert_of_its_source_opens_an_incident(here: Alone) -> None:
    """The responder verifies the shared secret, and the source parses the alert."""
    where = f"{here.address}/alerts/acme-monitor"
    body = {"check": "checkout", "state": "down", "since": datetime.now(UTC).isoformat()}
    assert httpx.post(where, json=body, headers={"Authorization": "Bearer wrong"}, timeout=LIMIT).status_code == 401
    sent = httpx.post(where, json=body, headers={"Authorization": f"Bearer {SECRET}"}, timeout=LIMIT)
    assert sent.status_code == 202, sent.text
    incident = here.until(lambda: here.incident("VS-1"))
    assert incident.opened.reported == "alert from acme-monitor"
    assert incident.title == "checkout is down"
