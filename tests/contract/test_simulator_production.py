"""The simulated production: its users, its control, its faults, and its process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from allclear.domain.errors import ConfigError
from allclear.environment_file import CONTROL
from allclear.simulator.apis.drill_control import ControlApi
from allclear.simulator.scenario import load_scenario
from tests.contract.simulator_support import BAD, DRILLS, GOOD, REPOSITORY, Simulated, control, fault, quick, recorded
from tests.patience import until


async def _share_failed(simulation: Simulated, path: str, requests: int = 50) -> float:
    async with httpx.AsyncClient(base_url=simulation.endpoints["storefront"]) as client:
        statuses = [(await client.get(path)).status_code for _ in range(requests)]
    return sum(status >= 500 for status in statuses) / requests


async def test_a_bad_deployment_fails_checkouts_at_its_rate() -> None:
    """The revision fails 60 % of checkouts and no other request."""
    async with Simulated(quick(users=quick().users.model_copy(update={"per_second": 0.0}))) as sim:
        assert 0.5 <= await _share_failed(sim, "/api/checkout") <= 0.7
        assert await _share_failed(sim, "/api/listings", 10) == 0


async def test_a_rollback_stops_the_errors_and_the_time_of_the_last_is_logged() -> None:
    """The event log has the time of the last failure."""
    async with Simulated(quick()) as sim:
        await until(lambda: recorded(sim, "errors_started"))
        await control(sim, "POST", "/traffic", {"traffic": [{"revision": GOOD, "percent": 100}]})
        stopped = (await until(lambda: recorded(sim, "errors_stopped")))[0]
        moved = recorded(sim, "traffic_changed")[0]
        assert stopped["last_failed_at"] <= moved["at"] < stopped["at"]
        assert await _share_failed(sim, "/api/checkout", 10) == 0


async def test_moving_traffic_to_another_bad_revision_does_not_help() -> None:
    """A newer deployment with the same fault fails, too."""
    async with Simulated(quick()) as sim:
        worse = {"revision": "vintstreet-00043-dud", "faults": {"/api/checkout": 1.0}}
        await control(sim, "POST", "/deploy", worse)
        assert await _share_failed(sim, "/api/checkout", 10) == 1


async def test_a_deployment_gets_no_traffic_while_traffic_is_pinned() -> None:
    """After a rollback to a named revision, a new one becomes the latest and serves no user."""
    async with Simulated(quick()) as sim:
        await control(sim, "POST", "/traffic", {"traffic": [{"revision": GOOD, "percent": 100}]})
        await control(sim, "POST", "/deploy", {"revision": "vintstreet-00043-fix"})
        state = await control(sim, "GET", "/state")
        assert state["serving"] == {GOOD: 100}
        assert state["latest_ready"] == "vintstreet-00043-fix"


async def test_the_maintenance_flag_closes_every_page_except_the_health_check() -> None:
    """Pages answer 503 with the headers of maintenance, and users are counted as such."""
    async with Simulated(quick()) as sim:
        await control(sim, "POST", "/flags", {"name": "maintenance_mode", "enabled": True})
        async with httpx.AsyncClient(base_url=sim.endpoints["storefront"]) as client:
            closed = await client.post("/api/checkout")
            assert closed.status_code == 503
            assert closed.headers["x-maintenance"] == "on"
            assert int(closed.headers["retry-after"]) > 0
            assert (await client.get("/healthz")).status_code == 200
        await until(lambda: sim.world.users.totals["maintenance"] > 0)


async def test_the_maintenance_revision_serves_the_maintenance_page() -> None:
    """All traffic on this revision closes the shop in the same way."""
    async with Simulated(quick()) as sim:
        target = [{"revision": "vintstreet-00030-mnt", "percent": 100}]
        await control(sim, "POST", "/traffic", {"traffic": target})
        async with httpx.AsyncClient(base_url=sim.endpoints["storefront"]) as client:
            closed = await client.get("/")
        assert (closed.status_code, closed.headers["x-maintenance"]) == (503, "on")


async def test_split_traffic_reaches_both_revisions_in_proportion() -> None:
    """A quarter of the traffic is a quarter of the requests."""
    async with Simulated(quick("healthy")) as sim:
        split = [
            {"revision": GOOD, "percent": 75},
            {"revision": "vintstreet-00040-kip", "percent": 25},
        ]
        await control(sim, "POST", "/traffic", {"traffic": split})
        async with httpx.AsyncClient(base_url=sim.endpoints["storefront"]) as client:
            served = [(await client.get("/")).headers["x-revision"] for _ in range(60)]
        assert 9 <= served.count("vintstreet-00040-kip") <= 21


async def test_a_broken_feature_stops_failing_when_its_flag_is_off() -> None:
    """The fault belongs to the flag, and to no revision."""
    async with Simulated(quick("broken-feature")) as sim:
        assert await _share_failed(sim, "/api/streams", 10) > 0.5
        await control(sim, "POST", "/flags", {"name": "live_streams", "enabled": False})
        assert await _share_failed(sim, "/api/streams", 10) == 0


async def test_a_scenario_breaks_at_its_time_or_on_command() -> None:
    """A scenario without a time breaks once, on the command."""
    async with Simulated(quick(breaks_after=None)) as sim:
        assert sim.world.serving() == {GOOD: 100}
        await control(sim, "POST", "/break")
        assert sim.world.serving() == {BAD: 100}
        async with httpx.AsyncClient() as client:
            assert (await client.post(f"{sim.control}/break")).status_code == 422


async def test_the_event_log_is_numbered_and_can_be_read_from_an_entry() -> None:
    """Entries have seq and aware UTC times, and ``after`` leaves out earlier ones."""
    async with Simulated(quick()) as sim:
        entries: list[dict[str, Any]] = await control(sim, "GET", "/log")
        assert [e["seq"] for e in entries] == list(range(len(entries)))
        assert [e["kind"] for e in entries[:3]] == ["world_started", "trouble_started", "deployed"]
        assert all(e["at"].endswith("+00:00") for e in entries)
        rest = await control(sim, "GET", "/log?after=1")
        assert rest[0]["seq"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"api": "cloud_run", "method": "Nonsense", "kind": "slow"},
        {"api": "slack", "method": "chat.update", "kind": "stale_etag"},
        {"api": "cloud_run", "kind": "slow", "times": 0},
        {"api": "nobody", "kind": "slow"},
        ["not", "an", "object"],
    ],
)
async def test_an_invalid_fault_is_refused(body: object) -> None:
    """Otherwise a misspelt fault would never happen."""
    async with Simulated(quick("healthy")) as sim, httpx.AsyncClient() as client:
        answer = await client.post(f"{sim.control}/faults", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]


async def test_a_fault_of_the_storefront_affects_its_number_of_calls() -> None:
    """After that it is gone."""
    async with Simulated(quick("healthy")) as sim:
        await fault(sim, "storefront", "/", "server_error")
        async with httpx.AsyncClient(base_url=sim.endpoints["storefront"]) as client:
            assert (await client.get("/api/listings")).status_code == 200
            assert (await client.get("/")).status_code == 500
            assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("production: {", "YAML"),
        ("title: no production here", "production"),
        ("production: 7", "production"),
        ("production:\n  region: 12", "production.region"),
        ("production:\n  a: 1\n  a: 2", "a"),
        ("- just\n- a list", "production"),
        ("", "production"),
        ("production: &a\n  flags: [*a]", "production"),
        ("\x00", "YAML"),
    ],
)
def test_a_malformed_scenario_is_one_clear_error(text: str, names: str, tmp_path: Path) -> None:
    """It is a ConfigError that names the file and the field."""
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    assert str(path) in caught.value.message
    assert names in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("percent: 100", "percent: 90", "100 percent"),
        ("error_rate: 0.6", "error_rate: 6", "error_rate"),
        ("400ms", "soon", "operation_takes"),
        ("revision: latest", "revision: vintstreet-00041-zul", "not ready"),
        ("path: /api/checkout\n          error", "path: /api/chekout\n          error", "chekout"),
        ("maintenance: true\n    - name", "maintenence: true\n    - name", "maintenence"),
    ],
)
def test_an_inconsistent_scenario_is_refused(old: str, new: str, says: str, tmp_path: Path) -> None:
    """Its parts contradict each other."""
    good = (DRILLS / "payment-processing-down.yaml").read_text(encoding="utf-8")
    assert old in good
    path = tmp_path / "broken.yaml"
    path.write_text(good.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load_scenario(path)


def test_a_missing_scenario_is_one_clear_error(tmp_path: Path) -> None:
    """It is a ConfigError, too."""
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load_scenario(tmp_path / "absent.yaml")


async def _process(*parent: str) -> asyncio.subprocess.Process:
    program = (
        "import sys; from pathlib import Path; from allclear.simulator.serve import run; "
        "run(Path(sys.argv[1]), as_json=True, parent=int(sys.argv[2]) if sys.argv[2:] else None)"
    )
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        str(DRILLS / "healthy.yaml"),
        *parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_process_prints_its_addresses_and_ends_on_sigterm() -> None:
    """The first line is one JSON object. SIGTERM ends the process without an error."""
    process = await _process()
    assert process.stdout is not None
    said = json.loads(await process.stdout.readline())
    assert set(said) == {"endpoints", "control", "secrets", "options", "id"}
    async with httpx.AsyncClient() as client:
        assert (await client.get(said["endpoints"]["storefront"] + "/healthz")).is_success
    process.send_signal(signal.SIGTERM)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_the_process_ends_with_the_process_that_it_watches() -> None:
    """The watched process has ended."""
    watched = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    process = await _process(str(watched.pid))
    assert process.stdout is not None
    await process.stdout.readline()
    assert os.getpid() != watched.pid
    watched.kill()
    await watched.wait()
    _, err = await asyncio.wait_for(process.communicate(), 600)
    assert (process.returncode, err) == (0, b"")


async def test_the_documentation_of_the_control_is_complete() -> None:
    """The first snippet of docs/reference/simulator.md works unchanged, and its table has every route."""
    page = (REPOSITORY / "docs" / "reference" / "simulator.md").read_text(encoding="utf-8")
    snippet = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)[0]
    async with Simulated(quick()) as sim:
        environment = {**os.environ, CONTROL: sim.announcement()["control"], "NO_PROXY": "127.0.0.1"}
        curls = snippet.replace("curl -sS", "curl -sSf")  # an answer that says no is a failure here
        child = await asyncio.create_subprocess_exec("bash", "-euc", curls, env=environment)
        assert await child.wait() == 0
        assert [one["fault"] for one in recorded(sim, "fault_set")] == ["unavailable"]
        doors = ControlApi(sim.world).app().routes
    there = {f"{method} {route.path}" for route in doors if isinstance(route, Route) for method in route.methods or ()}
    assert set(re.findall(r"`((?:GET|POST|DELETE) /[a-z/]+)`", page)) == there - {
        one for one in there if one.startswith("HEAD")
    }
