"""One thing that is wrong with a company's files: where it stands, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["error", "warning", "assumed"]

_ORDER: dict[Level, int] = {"error": 0, "warning": 1, "assumed": 2}


@dataclass(frozen=True)
class Diagnostic:
    """One sentence about one line.

    `error`: an incident would stumble over it. `warning`: it works, and something is missing or hollow.
    `assumed`: a default that the company's own document does not state.
    """

    level: Level
    file: str
    line: int | None
    sentence: str
    next_step: str

    @property
    def where(self) -> str:
        """Return `file:line`, which terminals and editors open."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def sort_key(self) -> tuple[int, str, int]:
        """Return what complaints are sorted by: the gravest first, then as they stand in the files."""
        return _ORDER[self.level], self.file, self.line or 0

    def __str__(self) -> str:
        """Return `file:line: sentence`, without the next step."""
        return f"{self.where}: {self.sentence}"


def display_path(path: Path) -> str:
    """Return `path` as a person would type it here: relative where that is possible."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


def suggestion(name: str, names: Collection[str]) -> str:
    """Return the nearest of `names` as a question, or all of them when none is near."""
    near = difflib.get_close_matches(name, list(names), n=1)
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"There are: {', '.join(sorted(names))}." if names else "There are none yet."
