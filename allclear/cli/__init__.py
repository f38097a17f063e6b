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

_MODULES = {
    "overview": (),
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
        "answer",
        "not-known-yet",
        "try-again",
        "go-on",
        "real",
        "false-alarm",
    ),
    "response": (
        "respond",
        "ack",
        "note",
        "decide",
        "told",
        "severity",
        "assess",
        "hand-over",
        "take-role",
        "resolve",
        "hold",
        "release",
        "follow-up",
        "follow-up-done",
    ),
    "incidents": ("incidents", "show", "verify", "in-place", "postmortem"),
    "act": ("actions", "act"),
    "ledger": ("undo", "supersede"),
    "meetings": ("move-meeting", "cancel-meeting", "meeting-people"),
    "on_call": ("on-call", "take-over"),
    "tokens": ("token", "link", "revoke-links"),
    "alerts": ("alert",),
    "channels": ("test-channels",),
    "drills": ("drill",),
    "company": ("check", "show-plan", "show-runbook", "schema", "init", "lines"),
    "doctor": ("doctor",),
    "start": ("responder", "simulate", "prepare", "up"),
}
"""Module → its commands, in the order of `allclear --help`.

Importing a module adds its commands. Only the module of the command that is typed is imported: people wait for it.
"""


def main() -> None:
    """Run the command line; an error becomes one sentence, the next step and its exit code."""
    typed = sys.argv[1] if sys.argv[1:] else ""
    for name in [module for module, commands in _MODULES.items() if typed in commands] or _MODULES:
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
