"""A YAML file that knows the line of each of its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node

from allclear.company.diagnostics import Diagnostic, Level, display_path
from allclear.yaml_parser import compose_yaml, parse_yaml, part_of

Place = Sequence[str | int]
"""The path to a value: keys and positions, like pydantic's `loc`."""

_MAX_DEPTH = 64
_MAX_VALUES = 100_000
"""The limit of values in one file; a whole plan has about a thousand."""


@dataclass(frozen=True)
class YamlFile:
    """A file that was read: its data, and the line of each value."""

    path: Path
    text: str
    data: dict[str, Any]

    @cached_property
    def _tree(self) -> Node:
        """The nodes with their positions, which only diagnostics need."""
        return compose_yaml(self.text)

    def line(self, place: Place) -> int:
        """Return the line, counted from 1, of the deepest part of `place` that the file has."""
        node, line = self._tree, 0
        for part in place:
            found = part_of(node, part)
            if found is None:
                break
            node, line = found
        return line + 1

    def locate(self, place: Place) -> tuple[Path, int]:
        """Return the file and the line where the value at `place` was written."""
        return self.path, self.line(place)

    def error(self, place: Place, sentence: str, next_step: str) -> Diagnostic:
        """Return an error about the value at `place`."""
        return self._diagnostic("error", place, sentence, next_step)

    def warning(self, place: Place, sentence: str, next_step: str) -> Diagnostic:
        """Return a warning about the value at `place`."""
        return self._diagnostic("warning", place, sentence, next_step)

    def assumed(self, place: Place, sentence: str, next_step: str) -> Diagnostic:
        """Return a diagnostic about an assumption at `place`, which people have to confirm."""
        return self._diagnostic("assumed", place, sentence, next_step)

    def here(self, place: Place, sentence: str, next_step: str) -> Diagnostic:
        """Return a diagnostic about this machine, because of the value at `place`."""
        return self._diagnostic("here", place, sentence, next_step)

    def _diagnostic(self, level: Level, place: Place, sentence: str, next_step: str) -> Diagnostic:
        path, line = self.locate(place)
        return Diagnostic(level, display_path(path), line, sentence, next_step)


def read_yaml(path: Path) -> YamlFile | Diagnostic:
    """Return the file, or the reason why it cannot be read as a mapping."""
    text = read_text(path)
    if isinstance(text, Diagnostic):
        return text
    try:
        data = parse_yaml(text)
        _check_size(data)
    except MarkedYAMLError as error:
        return _broken(path, error)
    except YAMLError as error:
        return Diagnostic(
            "error", display_path(path), None, f"It is not valid YAML: {_first_line(error)}.", "Correct it."
        )
    except (ValueError, RecursionError):
        # Aliases that form a circle or multiply, a date that does not exist, or thousands of nested brackets.
        return Diagnostic(
            "error", display_path(path), None, "A value in it cannot be read, or refers to itself.", "Correct it."
        )
    if not isinstance(data, dict):
        what = "is empty" if data is None else "is not a mapping of fields"
        return Diagnostic("error", display_path(path), 1, f"The file {what}.", "Write fields as `name: value`.")
    return YamlFile(path, text, cast("dict[str, Any]", data))


def _check_size(data: object) -> None:
    """Raise ValueError if the data are deeper or larger than any plan; each use of an alias counts."""
    visits, waiting = 0, [(data, 0)]
    while waiting:
        part, depth = waiting.pop()
        visits += 1
        if visits > _MAX_VALUES or depth > _MAX_DEPTH:
            msg = "the file is too large"
            raise ValueError(msg)
        if isinstance(part, dict):
            waiting.extend((value, depth + 1) for value in cast("dict[object, object]", part).values())
        elif isinstance(part, list):
            waiting.extend((value, depth + 1) for value in cast("list[object]", part))


def read_text(path: Path) -> str | Diagnostic:
    """Return the text of a file, or why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Diagnostic("error", display_path(path), None, "The file is missing.", "Create it, or correct its name.")
    except OSError as error:
        reason = error.strerror or str(error)
        return Diagnostic("error", display_path(path), None, f"It cannot be read: {reason}.", "Check its permissions.")
    except UnicodeDecodeError:
        return Diagnostic("error", display_path(path), None, "It is not UTF-8 text.", "Save it as UTF-8.")


def _broken(path: Path, error: MarkedYAMLError) -> Diagnostic:
    marked: Any = error
    context = marked.context_mark
    mark = marked.problem_mark or context
    line = int(mark.line) + 1 if mark else None
    if isinstance(error, DuplicateKeyError):
        key = _first_line(marked.problem).partition('"')[2].partition('"')[0]
        return Diagnostic(
            "error",
            display_path(path),
            line,
            f"The key `{key}` appears twice.",
            f"Keep one of them; the mapping begins in line {int(context.line) + 1 if context else 1}.",
        )
    begins = f" ({marked.context}, which begins in line {context.line + 1})" if marked.context and context else ""
    return Diagnostic(
        "error",
        display_path(path),
        line,
        f"It is not valid YAML: {_first_line(marked.problem)}{begins}.",
        "Correct this line or the one before: indent with spaces, and put text that holds `: ` in quotes.",
    )


def _first_line(message: object) -> str:
    return (str(message or "").splitlines() or ["it cannot be parsed"])[0].strip().rstrip(".")
