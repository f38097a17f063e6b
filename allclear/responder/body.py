"""What a body must be before anyone looks at what it says."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MOST_BYTES = 1024 * 1024
"""A larger body is refused."""

MOST_DEPTH = 32
"""A body nested deeper is refused."""


_HALF_A_CHARACTER = b"\\ud"


def decode(raw: bytes) -> Any:  # noqa: ANN401 - decoded JSON
    """Returns the JSON in `raw`. Raises ValueError for what is no strict JSON: duplicate keys, NaN, too deep."""
    if _depth_of(raw) > MOST_DEPTH:
        msg = f"the body is nested deeper than {MOST_DEPTH}"
        raise ValueError(msg)
    try:
        body = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError as error:
        msg = "the body is nested too deep"
        raise ValueError(msg) from error
    except UnicodeDecodeError as error:
        msg = "the body is no UTF-8"
        raise ValueError(msg) from error
    if _HALF_A_CHARACTER in raw.lower():  # a lone surrogate is no text: it becomes a question mark
        return json.loads(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
    return body


def _depth_of(raw: bytes) -> int:
    """Counts brackets outside strings only."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            in_string = escaped or byte != ord('"')
            escaped = not escaped and byte == ord("\\")
        elif byte == ord('"'):
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        msg = "a key stands twice in the body"
        raise ValueError(msg)
    return fields


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is no JSON"
    raise ValueError(msg)
