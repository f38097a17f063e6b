"""Texts that are longer than a vendor accepts: shortened with a mark, or split into parts. No text is cut silently."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

Size = Callable[[str], int]
"""Measures a text as a vendor does: in characters, or in bytes after escaping."""

CUT = "…"
"""Marks a text that was shortened."""


def shortened(text: str, limit: int) -> str:
    """Return `text`, or its beginning and a mark: at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - len(CUT)].rstrip() + CUT


def in_parts(text: str, limit: int, size: Size = len) -> list[str]:
    """Return `text` in parts of at most `limit` by `size`, split at the ends of lines.

    A line that is longer is split within. Joined with line breaks, or directly within a line, the parts are the text.
    """
    parts: list[str] = []
    for line in text.split("\n"):
        pieces = _pieces(line, limit, size)
        if parts and size(f"{parts[-1]}\n{pieces[0]}") <= limit:
            parts[-1] = f"{parts[-1]}\n{pieces.pop(0)}"
        parts += pieces
    return parts


def head(text: str, limit: int, mark: str, size: Size = len) -> str:
    """Return the first and the last lines of `text` with `mark` between them, at most `limit` by `size`.

    The first lines say what it is about, and the last ones what is new, so the middle is left out. The first lines get
    half of the space.
    """
    lines, room = text.split("\n"), limit - size(f"\n{mark}\n")
    count = _that_fit(lines, room // 2, size)
    first = lines[:count] or _pieces(lines[0], room // 2, size)[:1]
    rest = lines[max(count, 1) :]
    fitting = _that_fit(rest[::-1], room - size("\n".join(first)), size)
    return "\n".join([*first, mark, *rest[len(rest) - fitting :]])


def _that_fit(lines: list[str], limit: int, size: Size) -> int:
    """Return how many of the first `lines` fit."""
    sizes = accumulate(size(f"\n{line}") for line in lines)
    return sum(1 for total in sizes if total <= limit)


def _pieces(line: str, limit: int, size: Size) -> list[str]:
    """Return one line in pieces that fit; a line that fits is one piece."""
    pieces: list[str] = []
    while size(line) > limit:
        length = max(1, limit)
        while size(line[:length]) > limit:
            length = max(1, length * limit // size(line[:length]))
        pieces.append(line[:length])
        line = line[length:]
    return [*pieces, line]
