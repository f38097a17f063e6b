"""The environment of a stack as `export` lines, for commands that people give in another terminal."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from allclear.company.load import RUNBOOKS_VARIABLE, companies_root, in_clone
from allclear.journal.url import has_secrets
from allclear.own_secrets import ALERT_TOKEN, LINK_KEY, OwnSecret
from allclear.stack import Stack, private_file

FILE = "environment.sh"
"""The file in the folder of a stack or a drill that holds these lines."""

CONTROL = "ALLCLEAR_CONTROL"
"""Names the address at which a person breaks and changes the simulated production. Only people and scripts read it."""

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
    """Return one line of shell for each variable. Raises ConfigError if the simulated production has not started."""
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
    if stack.scenario:
        lines.append(f"export {CONTROL}={shlex.quote(stack.simulation.control)}")
    return lines


def _runbooks_line() -> list[str]:
    """Return the line that names the folder of companies, if it is not the one of this repository."""
    root = companies_root().resolve()
    return [] if in_clone(root) else [f"export {RUNBOOKS_VARIABLE}={shlex.quote(str(root))}"]


def not_exported(stack: Stack) -> list[str]:
    """Return a comment for each variable that the file leaves out, because its value is a secret of this terminal."""
    return [line for line in export_lines(stack) if line.startswith("#")]


def source_line(path: Path) -> str:
    """Return what a person types in another terminal, so that it has the variables of the file."""
    return f"source {shlex.quote(str(path))}"


def write_exports(stack: Stack) -> Path:
    """Write the lines into a file that a terminal reads with `source`, and return its path.

    Its reader's `PATH` is not known, so the file always extends it.
    """
    file, folder = stack.home / FILE, shlex.quote(str(Path(sys.executable).parent))
    lines = [*export_lines(stack), f'export PATH={folder}:"$PATH"']
    with private_file(file) as written:
        written.write("".join(f"{line}\n" for line in lines).encode())
    return file


def _secret_line(stack: Stack, secret: OwnSecret) -> str:
    """Return the line that gives one of our secrets to another terminal. The secret itself is not printed."""
    if os.environ.get(secret.variable, "").strip():
        return f"# {secret.variable} as in this terminal: it is a secret"
    return f'export {secret.variable}="$(cat {shlex.quote(str(secret.file(stack.home)))})"'
