"""A command that people wait for imports its own module only."""

from __future__ import annotations

import subprocess
import sys

from tests.contract.simulator_support import REPOSITORY

CODE = """
from importlib import import_module
import allclear.cli as cli
seen = {}
for module, commands in cli._ALONE.items():
    before = len(cli.app.registered_commands)
    import_module(f"allclear.cli.{module}")
    added = cli.app.registered_commands[before:]
    names = {one.name or one.callback.__name__.replace("_", "-") for one in added}
    assert set(commands) <= names, (module, set(commands) - names)
    assert {one.callback.__module__ for one in added} == {f"allclear.cli.{module}"}, module
print("each in its module")
"""


def test_each_command_that_is_imported_alone_is_in_its_module() -> None:
    """Importing the module alone adds the command."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", CODE], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stdout == "each in its module\n", done.stderr
