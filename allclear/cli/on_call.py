"""Commands about the rota: who is on duty, and taking a shift over."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from allclear.cli.read import read
from allclear.cli.root import READ, RESPOND, As, app
from allclear.cli.send import give
from allclear.commands.company import TakeOver
from allclear.reports.incidents import OnCall


@app.command("on-call", rich_help_panel=READ)
def on_call(
    at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M"], help="A time in the plan's time zone. Default: now.")
    ] = None,
) -> None:
    """Show who is on duty by the plan's rotas, until when, and who is next."""
    read(OnCall(at=at))


@app.command("take-over", rich_help_panel=RESPOND)
def take_over(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="A role with a rota, as on_call.")],
    name: As = None,
) -> None:
    """Take over the current shift of a rota: you are on duty from now on."""
    give(TakeOver(role=role), "", name, role)
