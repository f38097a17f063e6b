"""Sends a person's commands: to the responder if there is a token and it answers, else directly to the journal."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from typing_extensions import override

from allclear.cli.responder_client import NoResponder, ResponderClient, find_responder, is_there
from allclear.cli.root import acting_person, deliver, missing_journal, no_journal, print_line, run
from allclear.commands.base import Command
from allclear.commands.company import Declare
from allclear.commands.previews import ChangeView, PreviewAct, PreviewUndo
from allclear.commands.questions import IncidentNow, incident_now
from allclear.domain.errors import MissingText, NotFound
from allclear.domain.records import By
from allclear.settings import Settings, load_settings

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Sender(ABC):
    """Where a person's commands go, and where the person reads what they are about."""

    @abstractmethod
    async def carry_out(self, command: Command, incident: str) -> str:
        """Have a command carried out, and return the sentence about it. Raises AllclearError."""

    @abstractmethod
    async def preview_act(self, asked: PreviewAct) -> ChangeView:
        """Return what an action would change now. Raises AllclearError."""

    @abstractmethod
    async def preview_undo(self, asked: PreviewUndo, incident: str) -> ChangeView:
        """Return what an undo would change now. Raises AllclearError."""

    @abstractmethod
    async def incident(self, incident: str) -> IncidentNow:
        """Return an incident as it is now. Raises AllclearError."""

    @abstractmethod
    async def waiting(self) -> list[str]:
        """Return the ids of the open incidents in which a question may wait. Raises AllclearError."""

    @abstractmethod
    def has_responder(self) -> bool:
        """Return whether a responder answers, which carries out what is approved."""


class ToResponder(Sender):
    """Sends over HTTP, with the person's token."""

    def __init__(self, responder: ResponderClient) -> None:
        self._responder = responder

    @override
    async def carry_out(self, command: Command, incident: str) -> str:
        path = f"{_path(incident)}/{command.name}" if command.of_incident else f"/{command.name}"
        return str(self._responder.send(path, command)["sentence"])

    @override
    async def preview_act(self, asked: PreviewAct) -> ChangeView:
        return ChangeView.model_validate(self._responder.send("/preview-act", asked))

    @override
    async def preview_undo(self, asked: PreviewUndo, incident: str) -> ChangeView:
        return ChangeView.model_validate(self._responder.send(f"{_path(incident)}/preview-undo", asked))

    @override
    async def incident(self, incident: str) -> IncidentNow:
        return IncidentNow.model_validate(self._responder.get(_path(incident)))

    @override
    async def waiting(self) -> list[str]:
        return [str(row["id"]) for row in self._responder.get("/incidents?open=true&limit=200") if row["open_asks"]]

    @override
    def has_responder(self) -> bool:
        return True


class ToJournal(Sender):
    """Writes the journal directly, and hands Prefect what is for it."""

    def __init__(self, engine: Engine, name: str | None, role: str | None) -> None:
        self._engine = engine
        self._name = name
        self._role = role
        self.claimed = ""
        """Why the name in what was written is only claimed; empty if it is proven, or nothing was written."""

    @override
    async def carry_out(self, command: Command, incident: str) -> str:
        by, why = self._author()
        sentence = await command.carry_out(self._engine, incident, by)
        self.claimed = why
        await deliver(self._engine)
        return sentence

    @override
    async def preview_act(self, asked: PreviewAct) -> ChangeView:
        return await asked.show(self._engine)

    @override
    async def preview_undo(self, asked: PreviewUndo, incident: str) -> ChangeView:
        return await asked.show(self._engine, incident, self._author()[0])

    @override
    async def incident(self, incident: str) -> IncidentNow:
        engine, now = self._engine, self._engine.conductor.incident(incident)
        entries, checking = engine.journal.entries(incident), engine.conductor.running_check(now)
        return incident_now(now, entries, engine.company.plan, checking)

    @override
    async def waiting(self) -> list[str]:
        return [incident.id for incident in self._engine.conductor.incidents()]

    @override
    def has_responder(self) -> bool:
        return is_there(self._engine.settings.responder_url)

    def _author(self) -> tuple[By, str]:
        """Return who gives a command, and why the name is only claimed; empty if a token proves it.

        Raises NotAllowed without a name, or for a token that is another person's, forged, expired or revoked.
        """
        engine, token = self._engine, self._engine.settings.token
        if token is not None and engine.settings.link_keys:
            statement = engine.tokens.read(token.get_secret_value().strip())
            return engine.tokens.author(statement, "cli", name=self._name or "", role=self._role or ""), ""
        if token is None:
            why = "ALLCLEAR_TOKEN is not set, so the journal is written directly. `allclear token NAME` makes one"
        else:
            why = "ALLCLEAR_LINK_KEY is not set here, so ALLCLEAR_TOKEN cannot be read without the responder"
        try:
            return acting_person(engine, self._name, self._role), why
        except MissingText as error:
            raise MissingText(f"{error.message.rstrip('.')}: {why}.", error.next_step) if token else error from None


@asynccontextmanager
async def sender(
    name: str | None, role: str | None, settings: Settings | None = None, *, creates: bool = False
) -> AsyncGenerator[Sender]:
    """Yield where a person's commands go. The remark that a name is only claimed follows what is printed within it.

    `creates` says that the first command may make a new journal. `settings` are by default those of the environment.
    Raises NotFound if there is neither a responder nor a journal.
    """
    from allclear.bootstrap import open_engine  # noqa: PLC0415 - the engine takes a second to import

    settings = settings or load_settings()
    responder = responder_or_none(name, role, settings, creates=creates)
    if responder is not None:
        yield ToResponder(responder)
        return
    async with open_engine(settings) as engine:
        direct = ToJournal(engine, name, role)
        yield direct
        if direct.claimed:
            print(f"Your name is only claimed: {direct.claimed}.", file=sys.stderr)  # noqa: T201 - a remark


def give(command: Command, incident: str, name: str | None, role: str | None) -> None:
    """Carry out a command in a person's name, and print the sentence about it. Raises AllclearError."""

    async def work() -> None:
        async with sender(name, role, creates=isinstance(command, Declare)) as to:
            print_line(await to.carry_out(command, incident))

    run(work())


def responder_or_none(
    name: str | None, role: str | None, settings: Settings, *, reads: bool = False, creates: bool = False
) -> ResponderClient | None:
    """Return the responder that carries out what a person says, or None if the journal is used directly.

    If there is a token and no responder of ours answers, a line on standard error says so, and why. `reads` says that
    nothing is written. Raises NotFound if there is no journal here either; only a command without a token that
    `creates` one may make it.
    """
    found = find_responder(settings, name, role) if settings.token else None
    if isinstance(found, ResponderClient):
        return found
    missing = missing_journal(settings)
    if missing is not None and not (creates and found is None):
        raise _nothing_here(missing, found)
    if found is not None:
        used = f"the journal is {'read' if reads else 'written'} directly"
        print(f"{found.why}; {used}. {found.mismatch}".rstrip(), file=sys.stderr)  # noqa: T201 - a remark
    return None


def _nothing_here(missing: Path, responder: NoResponder | None) -> NotFound:
    """Return the error that there is no journal here, and no responder that could be used instead."""
    if responder is None:
        return no_journal(missing, ", or set ALLCLEAR_TOKEN to your personal token to use the responder")
    return NotFound(
        f"{responder.why}, and there is no journal at {missing}, so nothing was done.",
        f"{responder.mismatch or responder.check} Meanwhile, use the incident's page.",
    )


def _path(incident: str) -> str:
    return f"/incidents/{quote(incident, safe='')}"
