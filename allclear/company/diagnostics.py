"""A diagnostic: one thing that is wrong with a company's files, with its file and line, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["error", "warning", "assumed", "here"]

_ORDER: dict[Level, int] = {"error": 0, "warning": 1, "assumed": 2, "here": 3}


@dataclass(frozen=True)
class Diagnostic:
    """One sentence about one line of a file, and the next step for the person who wrote it.

    `error`: a response would fail because of it. `warning`: the response works, but something is missing or has no
    effect. `assumed`: a value that the company's own document does not state. `here`: something that is missing on this
    machine, and may be there on the machine that responds.
    """

    level: Level
    file: str
    line: int | None
    sentence: str
    next_step: str

    @property
    def location(self) -> str:
        """Return `file:line`, which terminals and editors can open."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def sort_key(self) -> tuple[int, str, int]:
        """Return the key that sorts errors first, then by file and line."""
        return _ORDER[self.level], self.file, self.line or 0

    def __str__(self) -> str:
        """Return `file:line: sentence`, without the next step."""
        return f"{self.location}: {self.sentence}"


def display_path(path: Path) -> str:
    """Return `path` as a person would type it: relative to the working directory if it lies inside."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


def suggestion(name: str, names: Collection[str]) -> str:
    """Return a question with the one of `names` that resembles `name`, or a list of all of them if none does."""
    near = difflib.get_close_matches(name, list(names), n=1)
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"There are: {', '.join(sorted(names))}." if names else "There are none yet."
