"""What a command asks for, as inputs that a form shows: worked out from the command's own fields.

A field says with `Annotated` what may be chosen (`OneOf`), that it has a part for each of several things (`EachOf`),
that its text has several lines (`LINES`), or that no one types it (`NOT_ASKED`). So a new command has its form at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

from allclear.domain.incident import Incident

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.commands.base import Command

InputKind = Literal["text", "lines", "choice", "number", "date", "datetime-local"]

LINES = "several lines"
"""Marks a text of several lines."""

NOT_ASKED = "not asked"
"""Marks a field that no one types: the place of the form says it, as the incident, or the change that was shown."""


class Option(NamedTuple):
    """One value that may be chosen."""

    value: str
    label: str
    about: str = ""
    """When to choose it, in the plan's own words; empty if the label says enough."""


@dataclass(frozen=True)
class Input:
    """One input of a form."""

    name: str
    """The field; a part of a field with several parts is `facts.customer_facing`."""
    label: str
    about: str = ""
    kind: InputKind = "text"
    required: bool = False
    value: str = ""
    """What it holds at first."""
    options: tuple[Option, ...] = ()
    others: bool = False
    """Whether another value than the options may be typed."""
    unchosen: str = "None"
    """The words for choosing none of the options."""


@dataclass(frozen=True)
class FormContext:
    """What the inputs of a form depend on."""

    engine: Engine
    incident_if_any: Incident | None = None
    """None for a command that belongs to no incident, as declaring one."""
    known: Mapping[str, str] = field(default_factory=dict[str, str])
    """What has been said already: the name of an input -> its value."""

    @property
    def incident(self) -> Incident:
        """Return the incident that the command belongs to. Raises LookupError if it belongs to none."""
        if self.incident_if_any is None:
            raise LookupError("this form belongs to no incident")
        return self.incident_if_any


@dataclass(frozen=True)
class OneOf:
    """The value is one of these; or any text, if `others`."""

    options: Callable[[FormContext], list[Option]]
    others: bool = False
    unchosen: str = "None"
    """The words for choosing none of them."""
    why_required: Callable[[FormContext], str] | None = None
    """Returns why one must be chosen, for a field that may be left out at other times; empty if none must be."""


@dataclass(frozen=True)
class LocalTime:
    """The value is a day and a time in the company's zone; the function returns the one that the form shows first."""

    first: Callable[[FormContext], str]


@dataclass(frozen=True)
class EachOf:
    """The field is a mapping, and has an input for each of these. They may depend on what is known already."""

    parts: Callable[[FormContext], list[Input]]


def inputs_of(command: type[Command], form: FormContext) -> list[Input]:
    """Return the inputs of a command's form, in the order of its fields."""
    asked = {name: field for name, field in command.model_fields.items() if NOT_ASKED not in field.metadata}
    found = [one for name, field in asked.items() for one in _inputs(field.alias or name, field, form)]
    return [replace(one, value=form.known.get(one.name, one.value)) for one in found]


def _inputs(name: str, field: FieldInfo, form: FormContext) -> list[Input]:
    each = next((one for one in field.metadata if isinstance(one, EachOf)), None)
    return each.parts(form) if each is not None else [input_of(name, field, form)]


def input_of(name: str, field: FieldInfo, form: FormContext) -> Input:
    """Return the input of one field."""
    moment = next((one for one in field.metadata if isinstance(one, LocalTime)), None)
    if moment is not None:
        first, label = moment.first(form), field.title or name
        return Input(name, label, field.description or "", "datetime-local", field.is_required(), first)
    chosen = next((one for one in field.metadata if isinstance(one, OneOf)), None)
    if chosen is None:
        return _input(name, field, ())
    found = replace(_input(name, field, tuple(chosen.options(form)), others=chosen.others), unchosen=chosen.unchosen)
    why = chosen.why_required(form) if chosen.why_required else ""
    return replace(found, required=True, about=why) if why else found


def _input(name: str, field: FieldInfo, options: tuple[Option, ...], *, others: bool = False) -> Input:
    options = options or _literals(field.annotation)
    default = field.get_default() if not field.is_required() else None
    return Input(
        name=name,
        label=field.title or name.replace("_", " ").capitalize(),
        about=field.description or "",
        kind="choice" if options and not others else "lines" if LINES in field.metadata else _kind(field.annotation),
        required=field.is_required(),
        value="" if default is None else str(default),
        options=options,
        others=others,
    )


def _literals(annotation: Any) -> tuple[Option, ...]:  # noqa: ANN401 - a type
    values = get_args(annotation) if get_origin(annotation) is Literal else ()
    return tuple(Option(value, value.replace("_", " ")) for value in values)


def _kind(annotation: Any) -> InputKind:  # noqa: ANN401 - a type
    kinds = {annotation, *get_args(annotation)}
    return "number" if int in kinds else "date" if date in kinds else "text"


def nested(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a form with the parts of a field below its name: `facts.users` -> `{"facts": {…}}`."""
    values: dict[str, Any] = {}
    for name, value in said.items():
        field, dot, part = name.partition(".")
        if not dot:
            values[name] = value
        elif isinstance(below := values.setdefault(field, {}), dict):
            below[part] = value
    return values
