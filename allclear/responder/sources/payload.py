"""Parses vendors' bodies into typed models, and says in one sentence which field does not fit.

Vendors' bodies differ from their own documentation: an id is a number in one place and text in another. These types
accept every value that can mean only one thing, and labels are always text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from allclear.domain.base import digest

M = TypeVar("M", bound=BaseModel)

State = Literal["firing", "resolved"]
"""The two states of an alert."""

_MAX_KEY = 200
"""Characters; a longer key is replaced by its hash, because two cut keys could be equal."""

_MILLISECONDS = 100_000_000_000
"""A time above this is in milliseconds: in seconds it would be after the year 5000."""


class Body(BaseModel):
    """A vendor's body, or a part of one; fields that the model does not name are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def validate(model: type[M], body: Any) -> M:  # noqa: ANN401 - decoded JSON
    """Return `body` as `model`. Raises ValueError that names the first field that does not fit."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the body"
        given = f", not {first['input']!r}" if first["type"] == "literal_error" else ""
        msg = f"{field}: {first['msg'].lower()}{given}"
        raise ValueError(msg) from error


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Identifier = Annotated[str, BeforeValidator(_number_as_text)]
"""An id or a name: text, or a whole number."""


def _text_or_empty(value: object) -> object:
    text = _number_as_text(value)
    return text if isinstance(text, str) else ""


Text = Annotated[str, BeforeValidator(_text_or_empty)]
"""An optional text; any other type becomes the empty string."""


def parse_time(value: object) -> datetime | None:
    """Return a time in UTC from seconds or milliseconds since 1970 or from ISO 8601; None if it is not a time.

    A time without a zone is UTC, as all our vendors mean it. Alertmanager's year 1 stands for "not yet". An alert is
    kept even if its time cannot be parsed.
    """
    try:
        if isinstance(value, str) and not value.strip().replace(".", "", 1).isdigit():
            time = datetime.fromisoformat(value.strip())
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            number = float(value)
            number = number / 1000 if number > _MILLISECONDS else number
            time = datetime.fromtimestamp(number, UTC) if math.isfinite(number) and number > 0 else None
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return time if time is not None and time.year > 1 else None


Timestamp = Annotated[datetime | None, BeforeValidator(parse_time)]
"""A time in UTC; any other value becomes None."""


def iso_time(time: datetime) -> str:
    """Return a time in UTC as vendors write it, as `2026-11-22T05:00:00Z`: for samples."""
    return time.isoformat().replace("+00:00", "Z")


def as_labels(value: object) -> dict[str, str]:
    """Return a body's labels: numbers and booleans as text, without nested and empty values."""
    if not isinstance(value, dict):
        return {}
    pairs = cast("dict[object, object]", value).items()
    return labels(**{str(name): _scalar_as_text(one) for name, one in pairs})


def _scalar_as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) else None


Labels = Annotated[dict[str, str], BeforeValidator(as_labels)]
"""Name -> text. Numbers and booleans become text; nested values are left out."""


def labels_identity(whole: dict[str, Any]) -> str:
    """Return a hash of all labels, for an alert without an id. Raises ValueError if there are none.

    An empty label counts as none, as in Prometheus.
    """
    texts = {name: value if (text := _scalar_as_text(value)) is None else text for name, value in whole.items()}
    known = {name: value for name, value in texts.items() if value != ""}
    if not known:
        msg = "the alert has neither an id nor labels"
        raise ValueError(msg)
    return digest(known)


def labels(**values: str | None) -> dict[str, str]:
    """Return the labels that have a value; nothing is cut, because alerts may differ at the end of a long label."""
    return {name: value for name, value in values.items() if value}


def labels_from_tags(tags: object) -> dict[str, str]:
    """Return `name:value` tags as labels; the tags are a list, or text separated by commas."""
    if isinstance(tags, str):
        parts: Iterable[object] = tags.split(",")
    else:
        parts = cast("list[object]", tags) if isinstance(tags, list) else []
    pairs = [part.strip().split(":", 1) for part in parts if isinstance(part, str) and ":" in part]
    return labels(**{name: value.strip() for name, value in pairs if name})


def key(*parts: str) -> str:
    """Return the alert's key made of a vendor's ids; different ids never give the same key.

    Raises ValueError if all of them are empty: alerts without an id would count as one.
    """
    if not any(parts):
        msg = "the alert has no id: every field that identifies it is empty"
        raise ValueError(msg)
    whole = "/".join(quote(part, safe="@:+=,~", errors="backslashreplace") for part in parts)
    return whole if len(whole) <= _MAX_KEY else digest(list(parts))


FIRING_WORDS = frozenset(
    {
        "firing",
        "fired",
        "triggered",
        "alerting",
        "alarm",
        "open",
        "opened",
        "active",
        "started",
        "new",
        "down",
        "failing",
        "failed",
        "failure",
        "error",
        "critical",
        "warning",
    }
)
RESOLVED_WORDS = frozenset({"resolved", "recovered", "ok", "up", "closed", "cleared", "fixed", "success", "succeeded"})
"""The words for the two states in bodies that the company itself defines: database rows and CloudEvents."""
