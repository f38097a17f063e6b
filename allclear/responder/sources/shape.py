"""Holds a body to a source's shape, and says in one sentence where it does not fit."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


def fit(model: type[M], body: Any) -> M:  # noqa: ANN401 - decoded JSON
    """Returns `body` as `model`. Raises ValueError naming the first field that does not fit."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        msg = f"{where}: {first['msg'].lower()}"
        raise ValueError(msg) from error
