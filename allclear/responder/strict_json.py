"""Strict JSON: the limits of a body that is parsed."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

from allclear.domain.text import plain

MOST_BYTES = 1024 * 1024
"""A larger body is rejected."""

MOST_DEPTH = 32
"""A body that is nested deeper is rejected."""

_LONGEST_KEY = 60
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or the rest of a body in which one never ends; it never looks at a character twice."""
_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_HALF_A_CHARACTER = "\\ud"


class NotStrict(ValueError):
    """JSON that readers understand differently, or that is made to exhaust them: too deep, a key twice, NaN."""


def decode(raw: bytes) -> Any:  # noqa: ANN401 - decoded JSON
    """Return the JSON in `raw`, in UTF-8. Raises NotStrict, and ValueError for what is no JSON at all."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = "the body is no UTF-8"
        raise ValueError(msg) from error
    if text.lstrip()[:1] in {"[", "{"} and _is_too_deep(raw):
        msg = f"the body is nested deeper than {MOST_DEPTH}"
        raise NotStrict(msg)
    body = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    if _HALF_A_CHARACTER in text.lower():  # a lone surrogate is no text: it becomes a question mark
        return json.loads(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
    return body


def _is_too_deep(raw: bytes) -> bool:
    """Take away, level by level, what has nothing inside it; strings do not count."""
    left = _STRING.sub(b"", raw).translate(_AS_BRACKETS, _NO_BRACKETS)
    for _ in range(MOST_DEPTH):
        left = left.replace(b"[]", b"")
    return b"[]" in left or left.count(b"[") > MOST_DEPTH


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        msg = f"the key {plain(twice, _LONGEST_KEY)!r} stands twice in an object"
        raise NotStrict(msg)
    return fields


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is no JSON"
    raise NotStrict(msg)
