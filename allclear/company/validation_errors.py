"""Says what pydantic found wrong in the words of the file that a person wrote."""

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

M = TypeVar("M", bound=BaseModel)

_ANY_KEY = "[key]"
"""Stands last in pydantic's place of an error about a mapping's key."""

_SEE_SCHEMA = "Correct it; `allclear schema` says what fits."


@dataclass(frozen=True)
class ValidationProblem:
    """One thing that does not fit a model, and where."""

    place: Place
    sentence: str
    next_step: str


def read_model(model: type[M], file: YamlFile) -> M | list[Diagnostic]:
    """Return the file as `model`, or all that does not fit it."""
    try:
        return model.model_validate(file.data)
    except ValidationError as error:
        return [file.error(one.place, one.sentence, one.next_step) for one in validation_problems(error, model)]


def validation_problems(error: ValidationError, model: type[BaseModel]) -> Iterator[ValidationProblem]:
    """Yield each problem of `error`, which came of reading something as `model`."""
    details = error.errors(include_url=False)
    for detail in details:
        if _is_secondary(detail, details):
            continue
        sentence, next_step = _describe(detail, model)
        yield ValidationProblem(detail["loc"], sentence, next_step)


def _is_secondary(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Return whether it only tells that fields are no word, where one or the other may stand and a field is wrong."""
    if detail["type"] != "literal_error" or not isinstance(detail["input"], dict | list):
        return False
    place = detail["loc"][:-1]
    return any(other is not detail and other["loc"][: len(place)] == place for other in details)


def _describe(detail: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """Return what is wrong and what to do about it."""
    place, context = detail["loc"], detail.get("ctx", {})
    name = _name(place)
    said = (f"{name}: {detail['msg'][:1].lower()}{detail['msg'][1:].rstrip('.')}.", _SEE_SCHEMA)
    match detail["type"]:
        case "missing":
            about = _field_description(model, place)
            said = (f"{name} is missing{_in_parent(place)}.", f"Add {name}: {about}" if about else f"Add {name}.")
        case "extra_forbidden":
            known = _field_names(_type_at(model, place[:-1]))
            said = (f"{name} is not a field{_in_parent(place)}.", suggestion(str(place[-1]), known))
        case "enum" | "literal_error":
            said = (f"{name} is not one of {context.get('expected', 'what it may be')}.", "Write one of these.")
        case "value_error":
            reason = str(context.get("error", detail["msg"])).rstrip(".")
            said = (f"{name}: {reason}.", _SEE_SCHEMA)
        case "string_type" if isinstance(detail["input"], bool | int | float | date):
            said = (f"{name} must be text, which {detail['input']!s} is not.", "Put it in quotes.")
        case "string_pattern_mismatch" if "[a-z0-9][a-z0-9_-]" in str(context.get("pattern")):
            said = (f"{name} is no short name.", "Use lower case letters, digits, `-` and `_`, 63 of them at most.")
        case _:
            pass
    return said


def _name(place: Place) -> str:
    """Return how a person calls the last part of `place`: `due`, or the second of `people`."""
    words = [part for part in place if part != _ANY_KEY]
    if not words:
        return "The file"
    if isinstance(words[-1], int):
        lists = [part for part in words if isinstance(part, str)]
        return f"`{lists[-1]}` no. {words[-1] + 1}" if lists else f"No. {words[-1] + 1}"
    return f"`{words[-1]}`"


def _in_parent(place: Place) -> str:
    return f" in {_name(place[:-1])}" if len(place) > 1 else ""


def _field_description(model: type[BaseModel], place: Place) -> str:
    parent = _type_at(model, place[:-1])
    if not _is_model(parent):
        return ""
    fields = {field.alias or name: field for name, field in cast("type[BaseModel]", parent).model_fields.items()}
    field = fields.get(str(place[-1]))
    return (field.description or "") if field else ""


def _field_names(kind: Any) -> list[str]:  # noqa: ANN401 - whatever an annotation holds
    if not _is_model(kind):
        return []
    return [field.alias or name for name, field in cast("type[BaseModel]", kind).model_fields.items()]


def _type_at(kind: Any, place: Place) -> Any:  # noqa: ANN401 - whatever an annotation holds
    """Return the type at `place` inside `kind`, or None where the way there is not typed."""
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


def _unwrap(kind: Any) -> Any:  # noqa: ANN401 - whatever an annotation holds
    """Return `kind` without its annotations and without `| None`."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in {Union, types.UnionType}:
            kind = next((one for one in get_args(kind) if one is not type(None)), None)
        else:
            return kind


def _is_model(kind: Any) -> bool:  # noqa: ANN401 - whatever an annotation holds
    return isinstance(kind, type) and issubclass(kind, BaseModel)
