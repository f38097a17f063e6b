"""Sends a person's command: to the responder if there is a token and it answers, and to the journal directly if not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

from allclear.cli.responder_client import ResponderClient, responder_for
from allclear.cli.root import acting_person, engine_with_delivery, print_line, run
from allclear.commands.base import Command
from allclear.domain.records import By
from allclear.settings import Settings, load_settings

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


def give(command: Command, incident: str, name: str | None, role: str | None) -> None:
    """Carry out a command in a person's name, and print the sentence about it. Raises AllclearError."""
    responder = responder_or_none(name, role)
    if responder is not None:
        print_line(over_http(responder, command, incident))
        return

    async def work() -> str:
        async with engine_with_delivery() as engine:
            return await command.carry_out(engine, incident, author(engine, name, role))

    print_line(run(work()))


def over_http(responder: ResponderClient, command: Command, incident: str) -> str:
    """Send a command to the responder and return the sentence that it answers. Raises AllclearError."""
    path = f"/incidents/{quote(incident, safe='')}/{command.name}" if command.of_incident else f"/{command.name}"
    return str(responder.send(path, command)["sentence"])


def responder_or_none(
    name: str | None,
    role: str | None,
    settings: Settings | None = None,
    instead: str = "the journal is written directly",
) -> ResponderClient | None:
    """Return the responder that is to carry out a command, or None if the journal is used directly.

    If there is a token and no responder answers, a line on standard error says so and what is done `instead`.
    `settings` are by default those of the environment.
    """
    settings = settings or load_settings()
    if settings.token is None:
        return None
    responder = responder_for(settings, settings.company, name, role)
    if responder is None:
        text = f"No responder of {settings.company} answers at ALLCLEAR_RESPONDER_URL; {instead}."
        print(text, file=sys.stderr)  # noqa: T201 - not among what the command prints
    return responder


def author(engine: Engine, name: str | None, role: str | None) -> By:
    """Return who gives a command that is written to the journal directly: proven if a token can be read here.

    If the name is only claimed, a line on standard error says so, and why. Raises NotAllowed without a name, or for a
    token that is another person's, forged, expired or revoked.
    """
    token = engine.settings.token
    if token is None or not engine.settings.link_keys:
        by = acting_person(engine, name, role)
        why = "the key of personal links is not set here, so ALLCLEAR_TOKEN cannot be read"
        if token is None:
            why = "ALLCLEAR_TOKEN is not set, so the journal is written directly. `allclear token NAME` makes one"
        print(f"Your name is only claimed: {why}.", file=sys.stderr)  # noqa: T201 - not among what the command prints
        return by
    statement = engine.tokens.read(token.get_secret_value().strip())
    return engine.tokens.author(statement, "cli", name=name or "", role=role or "")
