"""The forms of the commands: built from what each command asks for, so that a new command needs no template.

Most commands are one form within a fold. Those whose effect a person must see first (`confirm`) have a page of
their own: it asks for what the effect depends on, then shows the effect, and only then offers the button.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from allclear.bootstrap import Engine
from allclear.commands.base import Command, Section
from allclear.commands.catalog import PAGE_COMMANDS
from allclear.commands.effects import Effect
from allclear.commands.inputs import FormContext, Input, inputs_of
from allclear.commands.notes import Note
from allclear.domain.errors import NotFound
from allclear.domain.incident import Incident
from allclear.domain.records import By


@dataclass(frozen=True)
class CommandForm:
    """The form of one command."""

    name: str
    title: str
    about: str
    inputs: tuple[Input, ...]
    confirm: str
    known: tuple[tuple[str, str], ...] = ()
    """Fields that were asked before, which the form sends along."""
    said: tuple[tuple[str, str], ...] = ()
    """The same as a person reads it: label and words."""
    effect: Effect | None = None
    asks_on: bool = False
    """Whether more is asked after it, so that it only leads on and sends nothing."""


def forms_of(engine: Engine, incident: Incident) -> dict[Section, list[CommandForm]]:
    """Return the forms that make sense now, by their section of the page."""
    found: dict[Section, list[CommandForm]] = {section: [] for section in get_args(Section)}
    for command in PAGE_COMMANDS:
        if command.offered(incident) and (command is Note or not incident.opened.ticket):
            inputs = [] if command.confirm else inputs_of(command, FormContext(engine, incident))
            found[command.section].append(_form(command, inputs))
    return found


def company_form(kind: type[Command], engine: Engine, typed: Mapping[str, str]) -> CommandForm:
    """Return the form of a command that belongs to no incident, with what was typed already."""
    return _form(kind, inputs_of(kind, FormContext(engine, known=typed)))


def next_form(kind: type[Command], engine: Engine, incident: Incident, said: Mapping[str, str]) -> CommandForm:
    """Return what a command asks next, given what was said: the first field that its effect depends on, or the rest.

    Raises NotFound for a field that the command does not have.
    """
    unknown = [name for name in said if name.partition(".")[0] not in kind.model_fields]
    if unknown:
        raise NotFound(f"{kind.title} has no field {unknown[0]}.", "Go back to the incident's page.")
    inputs = inputs_of(kind, FormContext(engine, incident, said))
    known = tuple((name, value) for name, value in said.items() if value)
    for field in kind.asked_before:
        parts = [one for one in inputs if one.name.partition(".")[0] == field]
        if parts and not all(one.name in said and (said[one.name] or not one.required) for one in parts):
            before = tuple(pair for pair in known if pair[0].partition(".")[0] != field)
            return _form(kind, parts, before, _said(inputs, before), asks_on=True)
    asked = {name for name, _ in known}
    rest = [one for one in inputs if one.name.partition(".")[0] not in {*kind.asked_before, *asked}]
    prefilled = [one for one in inputs if one.name in asked and one.name.partition(".")[0] not in kind.asked_before]
    sent = tuple(pair for pair in known if pair[0].partition(".")[0] in kind.asked_before)
    return _form(kind, [*prefilled, *rest], sent, _said(inputs, sent))


def _said(inputs: list[Input], known: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return what was said already, with the labels of the inputs and of the options that were chosen."""
    values = dict(known)
    return tuple(
        (
            one.label,
            next((option.label for option in one.options if option.value == values[one.name]), values[one.name]),
        )
        for one in inputs
        if one.name in values
    )


async def with_effect(form: CommandForm, engine: Engine, incident: Incident, by: By) -> CommandForm:
    """Return the form with what its command would do now. Raises AllclearError if that cannot be worked out."""
    kind = next(one for one in PAGE_COMMANDS if one.name == form.name)
    return replace(form, effect=await kind.effect(engine, incident, by, dict(form.known)))


def _form(
    command: type[Command],
    inputs: list[Input],
    known: tuple[tuple[str, str], ...] = (),
    said: tuple[tuple[str, str], ...] = (),
    *,
    asks_on: bool = False,
) -> CommandForm:
    return CommandForm(
        name=command.name,
        title=command.title,
        about=" ".join((command.__doc__ or "").split("\n\n")[0].split()),
        inputs=tuple(inputs),
        confirm=command.confirm,
        known=known,
        said=said,
        asks_on=asks_on,
    )
