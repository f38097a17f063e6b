"""Commands for personal tokens and links: make a token, and refuse what was signed before."""

from __future__ import annotations

from typing import Annotated

import typer

from allclear.bootstrap import open_engine
from allclear.cli.root import PREPARE, app, print_line, run


@app.command(rich_help_panel=PREPARE)
def token(
    name: Annotated[str, typer.Argument(help="The person, as the plan writes the name.", show_default=False)] = "",
    role: Annotated[
        str | None, typer.Option("--role", help="The only role in which it acts. Default: each that the plan gives.")
    ] = None,
    program: Annotated[
        str, typer.Option("--program", metavar="NAME", help="A program instead: it reads and proposes, nothing else.")
    ] = "",
) -> None:
    """Make a personal token and print it once. It identifies one person, or one program, for 90 days.

    It needs the key of personal links. `allclear revoke-links` refuses it again.
    """
    if bool(name) == bool(program):
        raise typer.BadParameter("give a person's NAME, or --program NAME")
    if program and role:
        raise typer.BadParameter("a program has no role")

    async def work() -> str:
        async with open_engine() as engine:
            return engine.tokens.for_program(program) if program else engine.tokens.for_person(name, role)

    print_line(run(work()))
