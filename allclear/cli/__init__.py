"""The command line: `allclear --help`.

Exit codes: 0 done; 1 a check found something, or a drill fell short; 2 wrong usage; 3 to 8 as listed at the top of
`allclear.domain.errors`; 130 interrupted.
"""

from __future__ import annotations

import sys
from importlib import import_module

from allclear.cli.root import app
from allclear.domain.errors import AllclearError, Refused
from allclear.domain.text import printable

_MODULES = (
    "overview",
    "answers",
    "response",
    "incidents",
    "act",
    "ledger",
    "meetings",
    "on_call",
    "tokens",
    "alerts",
    "drills",
    "company",
    "channels",
    "doctor",
    "start",
)
"""Each module adds its commands when it is imported."""

_ALONE = {
    "answers": (
        "approve",
        "deny",
        "done",
        "not-done",
        "contained",
        "not-contained",
        "close",
        "keep-open",
        "choose",
        "none-of-them",
        "try-again",
        "go-on",
        "real",
        "false-alarm",
    ),
    "incidents": ("incidents", "show", "verify", "in-place", "postmortem"),
    "act": ("actions", "act"),
    "ledger": ("undo", "supersede"),
    "company": ("check", "init", "schema"),
}
"""Module → commands that are typed often, while people wait: only their module is imported, which saves a third."""


def main() -> None:
    """Run the command line; an error becomes one sentence, the next step and its exit code."""
    alone = next((module for module, commands in _ALONE.items() if sys.argv[1:2] and sys.argv[1] in commands), None)
    for name in (alone,) if alone else _MODULES:
        import_module(f"allclear.cli.{name}")
    try:
        app()
    except AllclearError as error:
        candidates = error.candidates if isinstance(error, Refused) else ()
        listed = "".join(f"\n  {candidate.name}: {candidate.reason}" for candidate in candidates)
        print(printable(f"{error.message}{listed}\n→ {error.next_step}"), file=sys.stderr)  # noqa: T201 - the error's sentence
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
