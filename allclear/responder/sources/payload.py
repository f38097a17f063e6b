"""Holds a body to a source's shape, and says in one sentence where it does not fit.

Vendors disagree with their own documentation on types: an id is a number here and a text there. So these types take
what can be meant in one way only, and the labels are always text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from allclear.domain.base import digest

M = TypeVar("M", bound=BaseModel)

_LONGEST_KEY = 200
"""Characters; a longer key is replaced by its hash, so that no two are cut to the same."""

_MOST_LABELS, _LONGEST_LABEL = 100, 500
_MILLISECONDS = 100_000_000_000
"""A time above this is counted in milliseconds: in seconds it would be after the year 5000."""


class Body(BaseModel):
    """A vendor's body, or a part of one: what we do not know is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def fit(model: type[M], body: Any) -> M:  # noqa: ANN401 - decoded JSON
    """Return `body` as `model`. Raises ValueError naming the first field that does not fit."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        msg = f"{where}: {first['msg'].lower()}"
        raise ValueError(msg) from error


def _word(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Word = Annotated[str, BeforeValidator(_word)]
"""An id or a name: text, or a whole number."""


def _lenient(value: object) -> object:
    found = _word(value)
    return found if isinstance(found, str) else ""


Text = Annotated[str, BeforeValidator(_lenient)]
"""A text that nothing hangs on: what is none becomes the empty text."""


def moment(value: object) -> datetime | None:
    """Return a time in UTC from seconds or milliseconds since 1970 or ISO 8601; None for what is no time.

    A time without a zone is UTC, as all our vendors mean it. Alertmanager's year 1 stands for "not yet". That an
    alert's time cannot be read is no reason to lose the alert.
    """
    try:
        if isinstance(value, str) and not value.strip().replace(".", "", 1).isdigit():
            found = datetime.fromisoformat(value.strip())
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            number = float(value)
            number = number / 1000 if number > _MILLISECONDS else number
            found = datetime.fromtimestamp(number, UTC) if math.isfinite(number) and number > 0 else None
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found is not None and found.year > 1 else None


When = Annotated[datetime | None, BeforeValidator(moment)]
"""A time in UTC, or None for what is none."""


def _labels(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    pairs = cast("dict[object, object]", value).items()
    return labels(**{str(name): _scalar(one) for name, one in list(pairs)[:_MOST_LABELS]})


def _scalar(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) else None


Labels = Annotated[dict[str, str], BeforeValidator(_labels)]
"""Name -> text. Numbers and truth values become text; what is nested is left out."""


def labels(**given: str | None) -> dict[str, str]:
    """Return the labels that have a value, each of a length that a person still reads."""
    return {name: value[:_LONGEST_LABEL] for name, value in given.items() if value}


def tagged(tags: object) -> dict[str, str]:
    """Return `name:value` tags as labels; they come as a list or with commas between them."""
    if isinstance(tags, str):
        parts: Iterable[object] = tags.split(",")
    else:
        parts = cast("list[object]", tags) if isinstance(tags, list) else []
    pairs = [part.strip().split(":", 1) for part in parts if isinstance(part, str) and ":" in part]
    return labels(**{name: value.strip() for name, value in pairs[:_MOST_LABELS] if name})


def key(*parts: str) -> str:
    """Return one key of a vendor's ids: different ids never give the same."""
    whole = "/".join(quote(part, safe="@:+=,~", errors="replace") for part in parts)
    return whole if len(whole) <= _LONGEST_KEY else digest(list(parts))


FIRING = frozenset(
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
RESOLVED = frozenset({"resolved", "recovered", "ok", "up", "closed", "cleared", "fixed", "success", "succeeded"})
"""The words for the two states, where the words are the company's own: database rows and CloudEvents."""
