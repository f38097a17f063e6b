"""Commands for personal tokens and links: make one, and refuse what was signed before."""

from __future__ import annotations

from typing import Annotated

import typer

from allclear.bootstrap import open_engine
from allclear.cli.root import (
    PREPARE,
    As,
    IncidentId,
    Reason,
    Role,
    acting_person,
    app,
    missing_journal,
    print_line,
    run,
)
from allclear.cli.send import give
from allclear.commands.company import RevokeLinks
from allclear.domain.errors import NotFound
from allclear.domain.links import LinkTo
from allclear.domain.privacy import is_not_for, may_read
from allclear.settings import load_settings


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


@app.command(rich_help_panel=PREPARE)
def link(incident: IncidentId, name: As = None, role: Role = None) -> None:
    """Make your personal link to the page of an incident, and print it. It opens the page as you, for 24 hours.

    It needs the key of personal links. `allclear revoke-links` refuses it again.
    """
    missing = missing_journal(load_settings())
    if missing is not None:
        raise NotFound(
            f"There is no journal at {missing}, so no link can be signed here.",
            "Open the incident's page with the link in a message, or give this command where the responder runs.",
        )

    async def work() -> str:
        async with open_engine() as engine:
            state, by = engine.conductor.incident(incident), acting_person(engine, name, role)
            if not may_read(engine.company.plan, state, by.actor):
                raise is_not_for(state, by.actor)
            engine.links.require_key()
            return engine.links.href(LinkTo(incident=incident, person=by.actor, role=by.role or ""))

    print_line(run(work()))


@app.command(rich_help_panel=PREPARE)
def revoke_links(
    person: Annotated[str, typer.Option("--person", help="Whose links. Default: everyone's.")] = "",
    incident: Annotated[str, typer.Option("--incident", help="To which incident. Default: all.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Everyone's links to all incidents.")] = False,
    reason: Reason = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Refuse from now on the links, sign-ins and tokens of a person, or those to an incident, that were made before."""
    given = RevokeLinks(person=person, incident=incident, everything=everything, reason=reason)
    give(given, "", name, role)
