"""What the end-to-end tests share: the command line in processes of its own, as a user runs it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

OWN = ("ALLCLEAR_", "PREFECT_")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without anything that would aim allclear elsewhere, and with `more`."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    tools = f"{Path(sys.executable).parent}{os.pathsep}{bare.get('PATH', '')}"
    return {**bare, "PATH": tools, "COLUMNS": "160", **more}


def allclear(*words: str, timeout: float = 240, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `allclear` with `words` from the repository's root and returns how it ended."""
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "allclear", *words],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def make(*words: str) -> list[str]:
    """Return the command line of `make`, with this interpreter's environment as the one that it sets up."""
    return ["make", "--silent", "--no-print-directory", f"VENV={Path(sys.executable).parents[1]}", *words]


def drill(scenario: str, home: Path) -> dict[str, Any]:
    """Play a drill by `make drill` and returns what `--json` says of it; fails with what it printed otherwise."""
    words = make("drill", f"SCENARIO={scenario}", f"ARGS=--json --home {home}")
    done = subprocess.run(  # noqa: S603 - our own program
        words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    start = done.stdout.find("{\n")
    assert start >= 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout[start:])
