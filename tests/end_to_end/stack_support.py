"""Shared by the end-to-end tests: the command line in other processes, as a user runs it, and waiting."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests import command_line
from tests.command_line import ROOT
from tests.patience import HUNG, wait_until

OWN = ("ALLCLEAR_", "PREFECT_")

LIMIT = HUNG
"""Seconds after which a wait fails. It only ends a test that would hang, on a busy machine, too."""


PATIENCE = "9m"
"""The limit of a drill in a test, for `--within`. It only ends a drill that would hang, on a busy machine, too."""


def until(condition: Callable[[], Any], otherwise: Callable[[], object] = lambda: "") -> Any:  # noqa: ANN401 - its value
    """Return the condition's value as soon as it is true; a system that does not answer makes it false.

    If it stays false, the test fails with what `otherwise` returns, as a log.
    """

    def answered() -> Any:  # noqa: ANN401 - as above
        with suppress(httpx.TransportError):
            return condition()
        return None

    return wait_until(answered, otherwise, pause=0.2)


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment and `more`, without the settings of another allclear or Prefect."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    tools = f"{Path(sys.executable).parent}{os.pathsep}{bare.get('PATH', '')}"
    return {**bare, "PATH": tools, "COLUMNS": "160", **more}


def processes_of(home: Path) -> dict[int, str]:
    """Return the processes of the stack in `home`, found by their environment."""
    found: dict[int, str] = {}
    for one in Path("/proc").iterdir():
        try:
            if one.name.isdigit() and str(home).encode() in (one / "environ").read_bytes():
                found[int(one.name)] = (one / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return {pid: words for pid, words in found.items() if words}  # without those that have ended already


def allclear(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `allclear` with `words` from the repository's root, and return its result.

    Its process is forked from one that has imported the command line.
    """
    return command_line.run(words, environment(**more), Path(os.devnull))


def allclear_that_reads(typed: Path, /, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Do the same as `allclear`, with a file or a terminal as its standard input."""
    return command_line.run(words, environment(**more), typed)


def allclear_as_new_program(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Do the same as `allclear` in a new Python, which reads PYTHONPATH and what is installed there."""
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "allclear", *words],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def patient_companies(folder: Path, root: Path = ROOT / "runbooks") -> Path:
    """Copy the folder of companies into `folder`, and return the copy: its smoke tests take slow answers as healthy.

    Otherwise a production that a busy machine slows down is a broken one: the response then undoes its own fix.
    """
    copy = folder / "companies"
    shutil.copytree(root, copy)
    for systems in copy.glob("*/systems.yaml"):
        limits = re.sub(
            r"^(\s+(?:p95|timeout): )[\d.]+s$", rf"\g<1>{HUNG:.0f}s", systems.read_text(), flags=re.MULTILINE
        )
        systems.write_text(limits)
    return copy


def make(*words: str) -> list[str]:
    """Return the command line of `make`, with this interpreter's environment in place of the one it sets up."""
    return ["make", "--silent", "--no-print-directory", f"VENV={Path(sys.executable).parents[1]}", *words]


def drill(scenario: str, home: Path) -> dict[str, Any]:
    """Run a drill by `make drill`, and return its result; `misses` are the shortcomings of the response.

    Its own limit is replaced by PATIENCE, and its company is patient. Fails with what it printed if it has no result.
    """
    companies = {"ALLCLEAR_RUNBOOKS": str(patient_companies(home.parent))}
    words = make("drill", f"SCENARIO={scenario}", f"ARGS=--json --home {home} --within {PATIENCE}")
    done = subprocess.run(  # noqa: S603 - our own program
        words, cwd=ROOT, env=environment(**companies), capture_output=True, text=True, timeout=LIMIT, check=False
    )
    start = done.stdout.find("{\n")
    assert start >= 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout[start:])
