"""The base of all models: frozen, and strict about unknown fields."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

JsonDict = dict[str, Any]
"""A JSON object: its values are str, int, float, bool, None, lists and objects of these."""

Clock = Callable[[], datetime]
"""Returns the present as an aware UTC datetime; injected, so that tests control the time."""


class Model(BaseModel):
    """A frozen model that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def wrong_at(place: tuple[str | int, ...], sentence: str, next_step: str = "") -> PydanticCustomError:
    """Return the error of a validator about the value at `place` inside its model, so that its line can be named.

    `next_step` is a sentence; without it, `allclear check` points to the schema.
    """
    return PydanticCustomError(WRONG_AT, "{sentence}", {"sentence": sentence, "place": place, "next_step": next_step})


WRONG_AT = "wrong_at"
"""The type of such an error."""


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        msg = "a time needs its zone, as 2026-11-22T03:04:05Z"
        raise ValueError(msg)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        msg = "a time must lie between the years 1 and 9999 in UTC"
        raise ValueError(msg) from error


Moment = Annotated[datetime, AfterValidator(_aware)]
"""An aware datetime, kept in UTC."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A short name in lower case, as `roll-back`; safe in file names, keys and tags."""


def _sendable(body: object) -> object:
    if why := not_json(body):
        raise ValueError(why)
    return body


def not_json(value: object) -> str:
    """Return why a value of a YAML file cannot be sent as JSON; empty if it can.

    YAML reads `2026-11-22` as a date, `on` as true in some readers, and `.inf` as a number.
    """
    if isinstance(value, dict):
        fields = cast("dict[object, object]", value)
        wrong = next((key for key in fields if not isinstance(key, str)), None)
        if wrong is not None:
            return f"the key `{wrong}` is no text: put it into quotes"
        return next((why for one in fields.values() if (why := not_json(one))), "")
    if isinstance(value, list):
        return next((why for one in cast("list[object]", value) if (why := not_json(one))), "")
    if isinstance(value, str | float):
        fits = is_utf8(value) if isinstance(value, str) else math.isfinite(value)
        return "" if fits else "it is no value of JSON"
    if value is None or isinstance(value, bool | int):
        return ""
    return f"`{value}` is read as a {type(value).__name__}: put it into quotes"


def is_utf8(text: str) -> bool:
    """Return whether a text can be sent: none of its characters is half of one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


JsonBody = Annotated[dict[str, Any], AfterValidator(_sendable)]
"""A JSON object that systems.yaml has and a request sends."""


class Candidate(Model):
    """Something that a person can choose, and what speaks for it."""

    name: str
    reason: str


@lru_cache(maxsize=4096)
def person_key(name: str) -> str:
    """Return a normalised name that is equal for all spellings of one person's name; only for comparison.

    It applies NFKC, drops invisible characters (category Cf), folds case and joins spaces. The results for the last
    names are kept: in a plan with many people, each message compares all of them.
    """
    visible = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    return unicodedata.normalize("NFKC", " ".join(visible.split()).casefold())


_LOOKS_EMPTY = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that are drawn as empty space: fillers of Hangul, and the empty Braille pattern."""


def is_blank(text: str) -> bool:
    """Return whether nothing of `text` can be seen: it has only spaces, control, format and combining characters."""
    return all(unicodedata.category(sign)[0] in "CMZ" or sign in _LOOKS_EMPTY for sign in text)


def utc_now() -> datetime:
    """Return the present in UTC; tests use a clock of their own."""
    return datetime.now(UTC)


def canonical(value: object) -> bytes:
    """Return `value` as JSON with sorted keys and no spare space: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: object) -> str:
    """Return the SHA-256 of `canonical(value)`, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


class TicketLink(Model):
    """A ticket in an outside system, as people name it and find it."""

    number: str = Field(description="As #12 or OPS-7.")
    url: str = Field(default="", description="Where people read it; empty if that is not known.")
