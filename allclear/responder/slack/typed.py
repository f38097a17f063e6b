"""What people type after `/incident`: the command of `allclear.commands` that it means."""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic import ValidationError

from allclear.commands.base import Command
from allclear.commands.catalog import COMMANDS
from allclear.domain.errors import NotAllowed
from allclear.domain.text import plain

_SHORT = {"ack": "acknowledge", "handover": "hand-over"}
"""Words that people type -> the name of the command."""
_BY_NAME = {command.name: command for command in COMMANDS if command.typed is not None}
_NOT_TYPED = {command.name: command for command in COMMANDS if command.typed is None}
_INCIDENT = re.compile(r"[A-Za-z]{1,10}-\d{1,9}")
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_CHANNEL = re.compile(r"<#[A-Z0-9]+\|([^>]*)>")
_LINK = re.compile(r"<(https?://[^|>]+)(?:\|[^>]*)?>")

USAGE = (
    "To declare an incident: /incident, or /incident declare TITLE. In an incident: "
    "/incident ack VS-3, /incident note VS-3 TEXT, /incident hold VS-3 REASON, "
    "/incident hand-over VS-3 ROLE @PERSON."
)


class Declare(NamedTuple):
    """An incident is to be declared: a form opens."""

    title: str = ""


class Given(NamedTuple):
    """A command for one incident."""

    command: Command
    incident: str


def words_of(text: str, people: dict[str, str]) -> str:
    """Return a text as its author sees it: mentions by the names in `people`, links and channels without markup."""
    text = _MENTION.sub(lambda found: people.get(found.group(1), f"@{found.group(1)}"), text)
    text = _LINK.sub(r"\1", _CHANNEL.sub(r"#\1", text))
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def meaning(text: str, people: dict[str, str]) -> Declare | Given:
    """Return what a person means who types `/incident` and `text`. Raises NotAllowed, which says what can be typed.

    `people` are names by Slack's user ids.
    """
    word, _, rest = text.strip().partition(" ")
    name = _SHORT.get(word.lower(), word.lower())
    if name in {"", "declare"}:
        return Declare(words_of(rest, people))
    kind = _BY_NAME.get(name)
    if name in _NOT_TYPED:
        raise NotAllowed(f"{plain(name, 40)} is not typed in Slack.", "Do it on the incident's page.")
    if kind is None:
        raise NotAllowed(f'"{plain(word, 40)}" is no command.', _usage())
    incident, _, said = rest.strip().partition(" ")
    if not _INCIDENT.fullmatch(incident):
        raise NotAllowed(f"Which incident? {_example(name, kind)}", "Nothing was done.")
    return Given(_command(name, kind, said.strip(), people), incident.upper())


def _command(name: str, kind: type[Command], said: str, people: dict[str, str]) -> Command:
    """Return the command whose fields are the words in order; the last field takes the rest."""
    fields = kind.typed or ()
    words = said.split(maxsplit=max(len(fields) - 1, 0)) if fields else []
    values = {field: words_of(word, people).removeprefix("@") for field, word in zip(fields, words, strict=False)}
    if said and not fields:
        raise NotAllowed(f"{name} takes nothing more than the incident.", _example(name, kind))
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        missing = ", ".join(str(one["loc"][0]).replace("_", " ") for one in error.errors())
        raise NotAllowed(
            f"Nothing was done, because this is missing or does not fit: {missing}.", _example(name, kind)
        ) from error


def _example(name: str, kind: type[Command]) -> str:
    words = " ".join(field.upper().replace("_", " ") for field in kind.typed or ())
    return f"Type: /incident {name} VS-3 {words}".strip() + "."


def _usage() -> str:
    return f"{USAGE} Commands: {', '.join(sorted(_BY_NAME))}."
