"""The environment that a drill and `allclear up` hand to another terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from allclear.environment_file import write_exports
from allclear.settings import Settings, Simulation
from allclear.stack import Ports, Stack


def sourced(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment of a shell that has read the file, started without any of ours."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = subprocess.run(  # noqa: S603 - our own file
        ["/bin/sh", "-c", '. "$1"; command -v allclear; env', "sh", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return {"allclear": lines[0]} | dict(line.split("=", 1) for line in lines[1:] if "=" in line)


def test_a_terminal_that_reads_a_drill_s_file_works_on_that_drill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the drill's company, journal, simulation, responder and Prefect, and finds the program itself."""
    monkeypatch.delenv("ALLCLEAR_ALERT_TOKEN", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    home = tmp_path / "a folder's"
    stack = Stack("vintstreet", home, Ports(4299, 8099), "healthy")
    (home / "simulation.json").write_text('{"endpoints": {}, "control": "http://127.0.0.1:1", "secrets": {}}')
    found = sourced(write_exports(stack), monkeypatch)
    assert found["allclear"] == str(Path(sys.executable).parent / "allclear")
    assert found["ALLCLEAR_COMPANY"] == "vintstreet"
    assert found["ALLCLEAR_JOURNAL_URL"] == f"sqlite:///{home / 'journal.db'}"
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4299/api"
    assert found["ALLCLEAR_RESPONDER_URL"] == "http://127.0.0.1:8099"
    assert found["ALLCLEAR_ALERT_TOKEN"] == (home / "alert-token").read_text().strip()
    assert Simulation.load(Path(found["ALLCLEAR_SIMULATION"])).control == "http://127.0.0.1:1"
    assert found["ALLCLEAR_CONTROL"] == "http://127.0.0.1:1"
    assert Settings(simulation=Path(found["ALLCLEAR_SIMULATION"])).simulated is not None
