"""What is started: each deployment's module can be imported, and a port that is taken is said first."""

from __future__ import annotations

import socket
import subprocess
import sys

from tests.end_to_end.stack_support import LIMIT, ROOT, allclear, environment


def test_every_entry_point_loads() -> None:
    """Each deployment's module can be imported as the runner does it, without Prefect's placeholder."""
    code = (
        "from allclear.company import find_company; from deployments.catalog import deployments_of; "
        "from allclear.engine.actions.registry import Registry; "
        "from prefect.flows import load_flow_from_entrypoint as load\n"
        "for spec in deployments_of(find_company('vintstreet'), Registry.installed()):\n"
        "    load(f'{spec.flow.fn.__module__}.{spec.flow.fn.__name__}', use_placeholder_flow=False)\n"
        "print('all')"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.stdout.strip() == "all", done.stderr


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    """It comes before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = allclear("up", "--simulated", "--port", str(server.getsockname()[1]))
    assert done.returncode == 3
    assert "is taken" in done.stderr
