"""Shows a runbook as it is expanded: one whole file, with the file and line where each step was written."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from allclear.company.diagnostics import display_path, suggestion
from allclear.company.load import read_draft, refuse_errors
from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import NotFound
from allclear.domain.runbook import Phase, Runbook

_WIDTH = 120


class ShownRunbook:
    """A runbook of a company's folder, and where each of its parts was written."""

    def __init__(self, folder: Path, name: str) -> None:
        """Read the folder. Raises ConfigError for a file that cannot be used, NotFound for an unknown runbook."""
        draft = read_draft(folder)
        refuse_errors(draft)
        if name not in draft.runbooks:
            raise NotFound(f"{folder.name} has no runbook {name!r}.", suggestion(name, draft.runbooks))
        self.runbook: Runbook = draft.runbooks[name]
        self._file = draft.files[name]

    def as_json(self) -> JsonDict:
        """Return the runbook's fields; each step and `health` have `file` and `line` besides."""
        data = _plain(self.runbook)
        data["health"] |= self._location("health")
        for phase in Phase:
            for index, step in enumerate(data.get(phase.value, [])):
                step.update(self._location(phase.value, index))
        return data

    def as_yaml(self) -> str:
        """Return the runbook as a file without a base, with a comment before each part that says where it is from."""
        data = _plain(self.runbook)
        phases = {phase.value: data.pop(phase.value, []) for phase in Phase}
        health = data.pop("health")
        return "".join([_dump(data), self._comment("", "health"), _dump({"health": health}), *self._phases(phases)])

    def _phases(self, phases: dict[str, list[JsonDict]]) -> Iterator[str]:
        for phase, steps in phases.items():
            if steps:
                yield f"\n{phase}:\n"
            for index, step in enumerate(steps):
                yield self._comment("  ", phase, index)
                yield _dump([step])

    def _comment(self, indent: str, *place: str | int) -> str:
        location = self._location(*place)
        return f"{indent}# {location['file']}:{location['line']}\n"

    def _location(self, *place: str | int) -> JsonDict:
        path, line = self._file.locate(place)
        return {"file": display_path(path), "line": line}


def _plain(model: Model) -> JsonDict:
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _dump(data: object) -> str:
    yaml: Any = YAML(typ="rt")
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = StringIO()
    yaml.dump(data, text)
    return text.getvalue()
