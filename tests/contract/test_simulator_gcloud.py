"""The simulated Cloud Run, used by the real gcloud. Each call takes some seconds.

What it asks for is asked by httpx in ``test_simulator_cloud_run_v1*.py``, also where there is no gcloud.
"""

# ruff: noqa: ANN401 - gcloud's answers can be anything

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from allclear.simulator.armor_policy import LAST
from allclear.simulator.scenario_schema import OtherServiceSpec, RevisionSpec
from allclear.vendors.cloud_armor import ArmorOptions, CloudArmor
from tests.contract.simulator_support import (
    BAD,
    GOOD,
    NOT_READY,
    REPOSITORY,
    SERVICE,
    Simulated,
    quick,
    recorded,
    run_client,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed"),
]

_OTHER_S = ("CLOUDSDK_", "GOOGLE_", "BOTO_")
_PATIENCE = 600
"""Seconds for a call. It only ends a test that would hang, on a busy machine, too."""


def _bare() -> dict[str, str]:
    """Return this process's environment without the variables that would point gcloud elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OTHER_S) and not name.lower().endswith("_proxy")
    }


def _environment(simulation: Simulated, home: Path) -> dict[str, str]:
    address = simulation.endpoints["cloud_run"]
    return {
        **_bare(),
        "http_proxy": address,
        # Every other request that gcloud might send ends here as well.
        "https_proxy": address,
        "no_proxy": "",
        "CLOUDSDK_CONFIG": str(home),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": "http://run.sim.test/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_PROJECT": "vintstreet-prod",
        "CLOUDSDK_RUN_REGION": "us-central1",
    }


async def _run(words: list[str], environment: dict[str, str]) -> tuple[int, str, str]:
    """Run a command, and return its exit code, output and errors, without colours."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=environment,
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        streams = await asyncio.wait_for(process.communicate(), _PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    out, errors = (re.sub(r"\x1b\[[0-9;]*m", "", stream.decode()) for stream in streams)
    return process.returncode or 0, out, errors


async def _gcloud(simulation: Simulated, home: Path, *words: str) -> Any:
    """Return the JSON that `gcloud run` prints. Fails with its errors."""
    command = ["gcloud", "run", *words, "--format=json"]
    code, out, errors = await _run(command, _environment(simulation, home))
    assert code == 0, errors
    return json.loads(out)


async def test_the_plan_s_own_command_rolls_back(tmp_path: Path) -> None:
    """``update-traffic --to-revisions=PREVIOUS_REVISION=100`` has the same effect as our action, and v2 shows it."""
    async with Simulated(quick()) as sim:
        before = await run_client(sim).get_service(name=SERVICE)
        pairs = await _gcloud(sim, tmp_path, "services", "update-traffic", "vintstreet", f"--to-revisions={GOOD}=100")
        assert {(pair["revisionName"], pair["statusPercent"]) for pair in pairs} == {
            (GOOD, "100"),
            ("vintstreet-00030-mnt", "0"),
        }
        assert [tag["tag"] for pair in pairs for tag in pair["tags"]] == ["maintenance"]
        after = await run_client(sim).get_service(name=SERVICE)
        assert (after.etag != before.etag, after.reconciling) == (True, False)
        assert sim.world.serving() == {GOOD: 100}
        [write] = recorded(sim, "write")
        assert (write["method"], write["result"], write["etag"]) == ("UpdateService", "done", before.etag)
        described = await _gcloud(sim, tmp_path, "services", "describe", "vintstreet")
        assert described["status"]["traffic"][0] == {"percent": 100, "revisionName": GOOD}
        assert described["status"]["url"] == sim.endpoints["storefront"]


async def test_a_rollback_to_a_revision_that_cannot_serve_fails(tmp_path: Path) -> None:
    """The command prints the operation's reason and the actual traffic, and the old revision still serves."""
    async with Simulated(quick()) as sim:
        command = ["gcloud", "run", "services", "update-traffic", "vintstreet", f"--to-revisions={NOT_READY}=100"]
        code, out, errors = await _run(command, _environment(sim, tmp_path))
        assert code == 1
        assert f"Revision '{NOT_READY}' is not ready and cannot serve traffic." in errors
        assert re.search(rf"\(currently 100%\)\s+LATEST \(currently {BAD}\)", out)
        assert sim.world.serving() == {BAD: 100}


async def test_a_service_in_another_region_is_listed_and_rolled_back_there(tmp_path: Path) -> None:
    """The list of all regions has both services, and ``--region`` changes only one of them."""
    there = OtherServiceSpec(
        region="europe-west1",
        service="vintstreet-eu",
        revisions=[RevisionSpec(name="vintstreet-eu-1", age="2d"), RevisionSpec(name="vintstreet-eu-2")],
    )
    async with Simulated(quick(other_services=[there])) as sim:
        home = {name: value for name, value in _environment(sim, tmp_path).items() if name != "CLOUDSDK_RUN_REGION"}
        code, out, errors = await _run(["gcloud", "run", "services", "list", "--format=json"], home)
        assert code == 0, errors
        assert {one["metadata"]["name"] for one in json.loads(out)} == {"vintstreet", "vintstreet-eu"}
        words = ["--region=europe-west1", "--to-revisions=vintstreet-eu-1=100"]
        await _gcloud(sim, tmp_path, "services", "update-traffic", "vintstreet-eu", *words)
        assert [site.serving() for site in sim.world.regional_services] == [{BAD: 100}, {"vintstreet-eu-1": 100}]


async def test_the_commands_in_the_documentation_work(tmp_path: Path) -> None:
    """The commands of docs/reference/simulator.md, unchanged, list the revisions and roll back.

    The newest is first. The columns show which one serves, which never started, and who deployed it when.
    """
    page = (REPOSITORY / "docs" / "reference" / "simulator.md").read_text(encoding="utf-8")
    _control, _address, snippet = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)
    async with Simulated(quick()) as sim:
        environment = {**_bare(), "CLOUD_RUN": sim.endpoints["cloud_run"], "TMPDIR": str(tmp_path)}
        code, out, errors = await _run(["bash", "-euc", snippet], environment)
        assert code == 0, errors
        assert sim.world.serving() == {GOOD: 100}
    table, _, rolled_back = out.partition("URL: ")
    assert GOOD in rolled_back
    head, *rows = table.splitlines()
    assert head.split() == ["REVISION", "ACTIVE", "SERVICE", "DEPLOYED", "DEPLOYED", "BY"]
    assert len(rows) == 6
    newest, failed = rows[0].split(), rows[1].split()
    assert newest[1:4] == [BAD, "yes", "vintstreet"]
    assert failed[:3] == ["X", NOT_READY, "vintstreet"]
    assert all("@" in row.split()[-1] for row in rows)
    assert "None" not in table


async def test_gcloud_and_our_client_read_each_others_rules_of_cloud_armor(tmp_path: Path) -> None:
    """What gcloud adds, our client reads; what our client adds, gcloud shows and removes, operations included."""
    async with Simulated(quick()) as sim:
        address = sim.endpoints["cloud_armor"]
        environment = _environment(sim, tmp_path) | {
            "http_proxy": address,
            "https_proxy": address,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": "http://compute.sim.test/compute/v1/",
        }

        async def rules(*words: str) -> Any:
            command = ["gcloud", "compute", "security-policies", "rules", *words, "--security-policy=your-policy"]
            code, out, errors = await _run([*command, "--format=json"], environment)
            assert code == 0, errors
            return json.loads(out)

        armor = CloudArmor(address, ArmorOptions(project="vintstreet-prod"))
        await rules("create", "1000", "--src-ip-ranges=203.0.113.7/32,198.51.100.0/24", "--action=deny-403")
        by_gcloud = (await armor.policy("your-policy")).rules[0]
        assert (by_gcloud.priority, by_gcloud.ranges) == (1000, ("203.0.113.7/32", "198.51.100.0/24"))
        assert by_gcloud.denies
        await armor.deny("your-policy", 1001, ["192.0.2.7/32"], "allclear VS-1")
        [shown] = await rules("describe", "1001")
        assert (shown["action"], shown["match"]["config"]["srcIpRanges"]) == (by_gcloud.action, ["192.0.2.7/32"])
        await rules("delete", "1001")
        assert [rule.priority for rule in (await armor.policy("your-policy")).rules] == [1000, LAST]
        await armor.close()
