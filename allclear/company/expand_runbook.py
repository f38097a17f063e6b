"""Expands a runbook: the steps of its base, with those that the runbook adds, replaces and leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.runbook_file import PLACEMENT, WrittenRunbook, WrittenStep
from allclear.company.yaml_file import Place, YamlFile
from allclear.domain.runbook import Phase

_HEAD = ("name", "title", "about", "service", "kind")
"""The fields that are a runbook's own: a base has none of them."""


_SHARED = ("health", "recovery")
"""The fields beside the steps that a base can have; the runbook's own come first."""


@dataclass(frozen=True)
class Origin:
    """The file, and the place in it, where a part of a runbook was written."""

    file: YamlFile
    place: Place


@dataclass(frozen=True)
class ExpandedRunbook(YamlFile):
    """A runbook's file whose data are the expanded runbook's; each part keeps the file and line of its origin."""

    origins: Mapping[tuple[str | int, ...], Origin]
    """By place in the expanded data: `("contain", 2)` for the third step of that phase, and `("health",)`."""

    def locate(self, place: Place) -> tuple[Path, int]:
        """Return the file and line where the part at `place` of the expanded runbook was written."""
        for length in (2, 1):
            origin = self.origins.get(tuple(place[:length]))
            if origin is not None:
                return origin.file.locate((*origin.place, *place[length:]))
        return super().locate(place)


@dataclass(frozen=True)
class _Placed:
    """A step at its place in the expanded phase."""

    id: str
    data: Mapping[str, Any]
    origin: Origin
    from_base: bool


@dataclass
class _Expansion:
    """One runbook while it is expanded, and what is wrong with it."""

    own: YamlFile
    written: WrittenRunbook
    base: YamlFile | None
    wrong: list[Diagnostic] = field(default_factory=list[Diagnostic])

    def steps(self, phase: Phase) -> list[_Placed]:
        """Return the steps of `phase`: the base's that are not left out, and this runbook's at their places."""
        left_out = {name.partition("/")[2] for name in self.written.leave_out if name.startswith(f"{phase.value}/")}
        steps = [step for step in self._of_base(phase) if step.id not in left_out]
        last: str | None = None
        for index, step in enumerate(self.written.steps(phase.value)):
            self._place(steps, _placed(self.own, phase, index, from_base=False), step, last)
            last = step.id
        return steps

    def check_leave_out(self) -> None:
        """Note each name in `leave_out` that the base does not have."""
        known = [f"{phase.value}/{step.id}" for phase in Phase for step in self._of_base(phase)]
        for index, name in enumerate(self.written.leave_out):
            if name not in known:
                self._wrong(
                    ("leave_out", index), f"The base has no step `{name}` to leave out.", suggestion(name, known)
                )

    def _of_base(self, phase: Phase) -> list[_Placed]:
        if self.base is None:
            return []
        count = len(_items(self.base, phase))
        return [_placed(self.base, phase, index, from_base=True) for index in range(count)]

    def _place(self, steps: list[_Placed], new: _Placed, step: WrittenStep, last: str | None) -> None:
        """Put `new` into `steps`. If its place cannot be found, note the error and put it at the end."""
        phase = str(new.origin.place[0])
        ids = [one.id for one in steps]
        if step.replaces:
            of_base = [one.id for one in steps if one.from_base]
            if new.id in of_base:
                steps[ids.index(new.id)] = new
            else:
                sentence = f"The base has no step `{phase}/{new.id}` to replace."
                self._wrong((*new.origin.place, "replaces"), sentence, suggestion(new.id, of_base))
            return
        if new.id in ids:
            self._twice(new, steps[ids.index(new.id)])
            return
        anchor = step.before or step.after or last
        if anchor is None:
            steps.append(new)
        elif anchor in ids:
            steps.insert(ids.index(anchor) + (step.before is None), new)
        else:
            steps.append(new)
            relation = "before" if step.before else "after"
            if anchor in (step.before, step.after):
                sentence = f"`{phase}` has no step `{anchor}` above this one, so `{relation}` names nothing."
                self._wrong((*new.origin.place, relation), sentence, suggestion(anchor, ids))

    def _twice(self, new: _Placed, other: _Placed) -> None:
        phase = str(new.origin.place[0])
        sentence, next_step = f"The step `{new.id}` is listed twice in `{phase}`.", "Give one of them another id."
        if other.from_base:
            path, line = other.origin.file.locate(other.origin.place)
            sentence = f"The base has a step `{phase}/{new.id}` already ({path.name}:{line})."
            next_step = "Add `replaces: true` to put this step in its place, or give it another id."
        self._wrong((*new.origin.place, "id"), sentence, next_step)

    def _wrong(self, place: Place, sentence: str, next_step: str) -> None:
        self.wrong.append(self.own.error(place, sentence, next_step))


def expand_runbook(own: YamlFile, written: WrittenRunbook, base: YamlFile | None) -> ExpandedRunbook | list[Diagnostic]:
    """Return the runbook in `own` with the steps of its base, or every reason why it cannot be expanded.

    `written` is `own` as a model, and `base` a file that fits `CommonSteps`. Reads no files.
    """
    expansion = _Expansion(own, written, base)
    data = {key: own.data[key] for key in _HEAD if key in own.data}
    origins: dict[tuple[str | int, ...], Origin] = {}
    for file in (own, base):
        for key in _SHARED:
            if file is not None and key in file.data and key not in data:
                data[key] = file.data[key]
                origins[key,] = Origin(file, (key,))
    expansion.check_leave_out()
    for phase in Phase:
        steps = expansion.steps(phase)
        data[phase.value] = [{key: value for key, value in step.data.items() if key not in PLACEMENT} for step in steps]
        origins |= {(phase.value, index): step.origin for index, step in enumerate(steps)}
    if expansion.wrong:
        return expansion.wrong
    return ExpandedRunbook(own.path, own.text, data, origins)


def check_common_steps(base: YamlFile) -> Iterable[Diagnostic]:
    """Yield an error for each id that is listed twice in a phase of `base`, a file that fits `CommonSteps`."""
    for phase in Phase:
        seen: set[str] = set()
        for index, step in enumerate(_items(base, phase)):
            name = str(step["id"])
            if name in seen:
                sentence = f"The step `{name}` is listed twice in `{phase.value}`."
                yield base.error((phase.value, index, "id"), sentence, "Give one of them another id.")
            seen.add(name)


def _items(file: YamlFile, phase: Phase) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", file.data.get(phase.value) or [])


def _placed(file: YamlFile, phase: Phase, index: int, *, from_base: bool) -> _Placed:
    data = _items(file, phase)[index]
    return _Placed(str(data["id"]), data, Origin(file, (phase.value, index)), from_base)
