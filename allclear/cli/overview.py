"""`allclear` without a command: the open incidents, and which question waits for whom."""

from __future__ import annotations

import typer

from allclear.cli.read import read
from allclear.cli.root import app
from allclear.reports.overview import Overview


@app.callback(invoke_without_command=True)
def overview(context: typer.Context) -> None:
    """List the open incidents, and what waits for whom, if no command is given."""
    if context.invoked_subcommand is None:
        read(Overview())
