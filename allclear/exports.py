"""The environment of a stack as `export` lines, for commands that people give in another terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from allclear.company.load import RUNBOOKS_VARIABLE, companies_root, in_clone
from allclear.journal.url import has_secrets
from allclear.own_secrets import ALERT_TOKEN, LINK_KEY, OwnSecret
from allclear.stack import Stack, private_file

FILE = "environment.sh"
"""The file in a drill's folder that holds these lines."""

_EXPORTED = (
    "ALLCLEAR_COMPANY",
    RUNBOOKS_VARIABLE,
    "ALLCLEAR_JOURNAL_URL",
    "ALLCLEAR_RESPONDER_URL",
    ALERT_TOKEN.variable,
    LINK_KEY.variable,
    "ALLCLEAR_SIMULATION",
    "PREFECT_API_URL",
)

_SECRETS = {secret.variable: secret for secret in (ALERT_TOKEN, LINK_KEY)}
"""Our own secrets among them, which are read from their files."""


def export_lines(stack: Stack) -> list[str]:
    """Return one line of shell for each variable."""
    environment = stack.environment
    lines = list[str]()
    for name in _EXPORTED:
        if name == "ALLCLEAR_JOURNAL_URL" and has_secrets(environment[name]):
            lines.append(f"# {name} as in this terminal: it holds a password")
        elif name in _SECRETS:
            lines.append(_secret_line(stack, _SECRETS[name]))
        elif name == RUNBOOKS_VARIABLE:
            lines += _runbooks_line()
        elif name in environment:
            lines.append(f"export {name}={shlex.quote(environment[name])}")
    return lines


def _runbooks_line() -> list[str]:
    """Return the line that names the folder of companies, if it is not the one of this repository."""
    root = companies_root().resolve()
    return [] if in_clone(root) else [f"export {RUNBOOKS_VARIABLE}={shlex.quote(str(root))}"]


def path_lines() -> list[str]:
    """Return the line of shell by which `allclear` is found without its folder; nothing if it is found already."""
    folder = Path(sys.executable).parent
    found = shutil.which("allclear")
    if found and Path(found).parent == folder:
        return []
    return [_path_line()]


def _path_line() -> str:
    return f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'


def write_exports(stack: Stack) -> Path:
    """Write the lines into a file that a terminal can read with `.`, and return its path.

    Its reader's `PATH` is not known, so the file always extends it.
    """
    path = stack.home / FILE
    with private_file(path) as file:
        file.write("".join(f"{line}\n" for line in [*export_lines(stack), _path_line()]).encode())
    return path


def _secret_line(stack: Stack, secret: OwnSecret) -> str:
    """Return the line that gives one of our secrets to another terminal. The secret itself is not printed."""
    if os.environ.get(secret.variable, "").strip():
        return f"# {secret.variable} as in this terminal: it is a secret"
    return f'export {secret.variable}="$(cat {shlex.quote(str(secret.file(stack.home)))})"'
