"""A command that people wait for imports its own module only."""

from __future__ import annotations

import subprocess
import sys

import pytest

from allclear.cli import _MODULES  # pyright: ignore[reportPrivateUsage]
from tests.contract.simulator_support import REPOSITORY

CODE = """
from importlib import import_module
import allclear.cli as cli
seen = set()
for module, commands in cli._MODULES.items():
    import_module(f"allclear.cli.{module}")
    added = {one.name or one.callback.__name__.replace("_", "-") for one in cli.app.registered_commands}
    added |= {group.name for group in cli.app.registered_groups}
    assert added - seen == set(commands), (module, (added - seen) ^ set(commands))
    seen = added
print("each in its module")
"""
"""Imports the modules one after the other, and compares the commands that each adds with those of the table."""

USAGE = """
import sys
from allclear import cli
sys.argv = ["allclear", sys.argv[1], "--help"]
cli.main()
"""

IMPORTS = """
import sys
from allclear import cli
sys.argv = ["allclear", "up", "--help"]
try:
    cli.main()
except SystemExit:
    print(sorted(name for name in sys.modules if name in {"allclear.cli.drills", "google.cloud.run_v2"}))
"""


def test_each_command_is_in_its_module() -> None:
    """No command is missing: `main` finds the module of the command that is typed."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", CODE], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stdout == "each in its module\n", done.stderr


def test_a_command_imports_nothing_of_the_others() -> None:
    """`allclear up` starts without the drills and the simulated production, which import the vendors' libraries."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", IMPORTS], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("[]\n"), done.stderr


@pytest.mark.parametrize("command", [words[0] for words in _MODULES.values() if len(words) == 1])
def test_a_command_that_is_alone_in_its_module_has_its_name(command: str) -> None:
    """Otherwise its name would be read as its first argument."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", USAGE, command], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert f"Usage: allclear {command} " in done.stdout, done.stdout + done.stderr
