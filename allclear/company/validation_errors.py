"""Turns pydantic's validation errors into sentences about the file that a person wrote."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.base import WRONG_AT

M = TypeVar("M", bound=BaseModel)

_ANY_KEY = "[key]"
"""The last part of pydantic's `loc` for an error about a mapping's key."""

_SEE_SCHEMA = "Correct it; `allclear schema` shows what is allowed."


@dataclass(frozen=True)
class ValidationProblem:
    """One value that does not fit a model, and its place."""

    place: Place
    sentence: str
    next_step: str


def read_model(model: type[M], file: YamlFile) -> M | list[Diagnostic]:
    """Return the file's data as `model`, or everything that does not fit it."""
    try:
        return model.model_validate(file.data)
    except ValidationError as error:
        return [file.error(found.place, found.sentence, found.next_step) for found in validation_problems(error, model)]


def validation_problems(error: ValidationError, model: type[BaseModel]) -> Iterator[ValidationProblem]:
    """Yield each problem in `error`, which was raised when data were validated as `model`."""
    details = error.errors(include_url=False)
    for detail in details:
        if _is_secondary(detail, details):
            continue
        place = (*detail["loc"], *detail.get("ctx", {}).get("place", ()))
        sentence, next_step = _describe(detail, place, model)
        yield ValidationProblem(place, sentence, next_step)


def _is_secondary(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Return whether `detail` only reports that a mapping is no text, while another detail names its wrong field.

    pydantic reports both for a value that may be either.
    """
    if detail["type"] != "literal_error" or not isinstance(detail["input"], dict | list):
        return False
    place = detail["loc"][:-1]
    return any(other is not detail and other["loc"][: len(place)] == place for other in details)


def _describe(detail: ErrorDetails, place: Place, model: type[BaseModel]) -> tuple[str, str]:
    """Return what is wrong at `place`, and what to do about it."""
    context = detail.get("ctx", {})
    name = _name(place)
    described = (f"{name}: {detail['msg'][:1].lower()}{detail['msg'][1:].rstrip('.')}.", _SEE_SCHEMA)
    match detail["type"]:
        case "missing":
            about = _field_description(model, place)
            described = (f"{name} is missing{_in_parent(place)}.", f"Add {name}: {about}" if about else f"Add {name}.")
        case "extra_forbidden":
            known = _field_names(_type_at(model, place[:-1]))
            described = (f"{name} is not a field{_in_parent(place)}.", suggestion(str(place[-1]), known))
        case "enum" | "literal_error":
            described = (
                f"{name} is not one of {context.get('expected', 'the allowed values')}.",
                "Write one of these.",
            )
        case "value_error":
            reason = str(context.get("error", detail["msg"])).rstrip(".")
            described = (f"{name}: {reason}.", _SEE_SCHEMA)
        case kind if kind == WRONG_AT:
            described = (f"{name}: {context['sentence']}.", context["next_step"] or _SEE_SCHEMA)
        case "dict_type" | "model_type" if isinstance(detail["input"], list):
            described = (
                f"{name} is a list, and must be names with their values.",
                f"Write each as `name: …`. {_SEE_SCHEMA}",
            )
        case "string_type" if isinstance(detail["input"], bool | int | float | date):
            described = (f"{name} must be text, and {detail['input']!s} is not.", "Put it in quotes.")
        case "string_pattern_mismatch" if "[a-z0-9][a-z0-9_-]" in str(context.get("pattern")):
            described = (
                f"{name} is not a short name.",
                "Use lower case letters, digits, `-` and `_`, at most 63 of them.",
            )
        case _:
            pass
    return described


def _name(place: Place) -> str:
    """Return the last part of `place` as text: "`due`", or "`people` no. 2"."""
    keys = [part for part in place if part != _ANY_KEY]
    if not keys:
        return "The file"
    if isinstance(keys[-1], int):
        lists = [part for part in keys if isinstance(part, str)]
        return f"`{lists[-1]}` no. {keys[-1] + 1}" if lists else f"No. {keys[-1] + 1}"
    return f"`{keys[-1]}`"


def _in_parent(place: Place) -> str:
    return f" in {_name(place[:-1])}" if len(place) > 1 else ""


def _field_description(model: type[BaseModel], place: Place) -> str:
    parent = _type_at(model, place[:-1])
    if not _is_model(parent):
        return ""
    fields = {field.alias or name: field for name, field in cast("type[BaseModel]", parent).model_fields.items()}
    field = fields.get(str(place[-1]))
    return (field.description or "") if field else ""


def _field_names(kind: Any) -> list[str]:  # noqa: ANN401 - an annotation may hold anything
    if not _is_model(kind):
        return []
    return [field.alias or name for name, field in cast("type[BaseModel]", kind).model_fields.items()]


def _type_at(kind: Any, place: Place) -> Any:  # noqa: ANN401 - an annotation may hold anything
    """Return the type at `place` inside `kind`, or None if a part of the way has no type."""
    for part in place:
        kind = _unwrap(kind)
        if _is_model(kind):
            fields = cast("type[BaseModel]", kind).model_fields
            named = {field.alias or name: field for name, field in fields.items()} | dict(fields)
            kind = named[str(part)].annotation if str(part) in named else None
        elif get_origin(kind) in {list, dict, tuple}:
            kind = get_args(kind)[-1]
        else:
            return None
    return _unwrap(kind)


def _unwrap(kind: Any) -> Any:  # noqa: ANN401 - an annotation may hold anything
    """Return `kind` without its annotations and without `| None`."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in {Union, types.UnionType}:
            kind = next((option for option in get_args(kind) if option is not type(None)), None)
        else:
            return kind


def _is_model(kind: Any) -> bool:  # noqa: ANN401 - an annotation may hold anything
    return isinstance(kind, type) and issubclass(kind, BaseModel)
