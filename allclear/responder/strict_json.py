"""Strict JSON: the limits of a body that is parsed."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn, cast

from allclear.domain.text import plain

MAX_BYTES = 1024 * 1024
"""A larger body is rejected."""

MAX_DEPTH = 32
"""A body that is nested deeper is rejected."""

_LONGEST_KEY = 60
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or the rest of the body if the string does not end. It matches without backtracking."""
_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ODD = re.compile(r"\\u(?:[dD]|0000)")
"""An escaped surrogate, which is half of a character, or an escaped NUL."""


class NotStrict(ValueError):
    """JSON that parsers understand differently or that can exhaust a parser: nested too deeply, a repeated key, NaN."""


def decode(raw: bytes) -> Any:  # noqa: ANN401 - decoded JSON
    """Return the JSON in `raw`, in UTF-8. Raises NotStrict, and ValueError if it is not JSON."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = "the body is not UTF-8"
        raise ValueError(msg) from error
    if text.lstrip()[:1] in {"[", "{"} and _is_too_deep(raw):
        msg = f"the body is nested deeper than {MAX_DEPTH}"
        raise NotStrict(msg)
    body = json.loads(text, object_pairs_hook=_object, parse_constant=_reject_constant)
    return _storable(body) if _ODD.search(text) else body


def _is_too_deep(raw: bytes) -> bool:
    """Return whether brackets outside strings nest too deeply: each pass removes the innermost level."""
    brackets = _STRING.sub(b"", raw).translate(_AS_BRACKETS, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return b"[]" in brackets or brackets.count(b"[") > MAX_DEPTH


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of these pairs. Raises NotStrict for a repeated key."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        repeated = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        msg = f"the key {plain(repeated, _LONGEST_KEY)!r} is repeated in an object"
        raise NotStrict(msg)
    return fields


def _storable(value: Any) -> Any:  # noqa: ANN401 - decoded JSON
    r"""Return decoded JSON in which half of a character is written out, as `\ud800`, and in a key a NUL, as `\x00`.

    Neither can be stored as text everywhere. Raises NotStrict for keys that are the same afterwards.
    """
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, list):
        return [_storable(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    return _object([(_storable(key).replace("\0", "\\x00"), _storable(item)) for key, item in fields.items()])


def _reject_constant(name: str) -> NoReturn:
    msg = f"{name} is not valid JSON"
    raise NotStrict(msg)
