"""Traces each line of a company's own document to what runs it: `lines.yaml` and its references.

A reference is one of:

- `plan PART ...`, as `plan severities P0 targets respond`: a part of plan.yaml; an item of a list is found by its name,
  its text or its number
- `systems PART ...`: a part of systems.yaml
- `runbook NAME`, `runbook NAME PHASE` or `runbook NAME PHASE/STEP`
- `template NAME`, or `template NAME "words"` for words in it: it is done or asked as the step is that sends it to its
  audience, which `sent_by` names; `post_mortem` is the post-mortem's template, and what people write there is asked
- `drill NAME PART ...`: a part of a drill's script; `drill NAME follow_ups` is what people have to do after it
- `journal KIND`: a kind of record that every response writes, as `journal acknowledged`
- `command NAME`: a command that people or a scheduler run, as `command test-channels`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

from pydantic import Field, model_validator

from allclear.company.diagnostics import Diagnostic, suggestion
from allclear.company.load import Draft
from allclear.company.validation_errors import read_model
from allclear.company.yaml_file import Place, YamlFile, read_yaml
from allclear.domain.base import Model
from allclear.domain.plan import Plan
from allclear.domain.records import Record
from allclear.domain.review.post_mortem import PostMortemField
from allclear.domain.runbook import Phase, Step

LINES = "lines.yaml"

How = Literal["done", "asked", "data"]
"""`done`: the engine does it, by itself or after an approval. `asked`: a person is asked to do it. `data`: it is data
that both use; `scripts/unread_fields.py` proves that each field of a plan has a reader."""

POST_MORTEM = "post_mortem"
_WRITTEN_BY_PEOPLE = {*get_args(PostMortemField), "users_affected", "revenue_impact"}
"""The placeholders of the post-mortem that are a person's own words."""
_HEADING = re.compile(r"#{1,6} ")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")

_NOTHING: Mapping[str, str] = MappingProxyType({})
_MARKUP = ("---", "```", "|--")
_NAMES = ("name", "field", "what", "audience", "ask", "path", "words", "title")
"""The fields by which an item of a list is found."""


class DocumentLine(Model):
    """One line of the document."""

    line: str
    runs: list[str] = Field(default=[], description="What runs it: references.")
    not_yet: str = Field(default="", description="Why nothing runs it.")

    @model_validator(mode="after")
    def _one_of_both(self) -> DocumentLine:
        if bool(self.runs) == bool(self.not_yet):
            msg = "a line has either `runs` or `not_yet`"
            raise ValueError(msg)
        return self


class NamedSystem(Model):
    """An outside system that the document names: a row of docs/systems.md."""

    name: str = Field(min_length=1, description="What people call it.")
    words: str = Field(min_length=1, description="How the document names it: words of one of its lines.")
    systems: list[str] = Field(default=[], description="Its names in systems.yaml, by which actions find it.")
    alerts: list[str] = Field(default=[], description="The alert sources through which it reports.")
    actions: list[str] = Field(
        default=[], description="The actions that do this alone, if their system has a row of its own for all of them."
    )
    runs: list[str] = Field(default=[], description="The steps and data that use it without an action: references.")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> NamedSystem:
        if not (self.systems or self.alerts or self.actions or self.runs):
            msg = "a system has `systems`, `alerts`, `actions` or `runs`"
            raise ValueError(msg)
        return self


class DocumentLines(Model):
    """A company's `lines.yaml`."""

    document: str = Field(description="The document's file name.")
    systems: list[NamedSystem] = Field(default=[], description="The outside systems that it names.")
    sent_by: dict[str, str] = Field(
        default={}, description="Template -> the step that sends it to the people for whom it is written: a reference."
    )
    asked: dict[str, str] = Field(
        default={},
        description="What a person is asked, as `contain/block` -> why it stays a person's, or what is to replace it.",
    )
    lines: list[DocumentLine] = Field(min_length=1, description="Every line of it with content, in order.")


class Target(Model):
    """What a reference leads to."""

    how: How
    by: str = Field(default="", description="The action, the probe or the role; empty for data.")
    asked: str = Field(default="", description="The key of what is asked, in `asked` of lines.yaml; empty if none is.")


def document_lines(text: str) -> list[str]:
    """Return the lines of a document that have content: no empty lines, rules, or borders of code and tables."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(_MARKUP)]


def heading_lines(text: str) -> list[bool]:
    """Return for each of `document_lines` whether it is a heading: of the text, a template in it, or of a table."""
    found: list[bool] = []
    code: str | None = None
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("```"):
            code = line.removeprefix("```") if code is None else None
        elif line.startswith("|--"):
            found[-1] = True
        elif line and not line.startswith(_MARKUP):
            found.append(_HEADING.match(line) is not None and code in (None, "markdown"))
    return found


def read_lines(folder: Path) -> tuple[DocumentLines, YamlFile] | list[Diagnostic]:
    """Return a company's `lines.yaml`, or what is wrong with it."""
    file = read_yaml(folder / LINES)
    if isinstance(file, Diagnostic):
        return [file]
    read = read_model(DocumentLines, file)
    return read if isinstance(read, list) else (read, file)


def check_traceability(draft: Draft) -> Iterator[Diagnostic]:
    """Yield every reference in `lines.yaml` that leads nowhere; a company without that file has none."""
    if draft.plan is None or not (draft.folder / LINES).is_file():
        return
    read = read_lines(draft.folder)
    if isinstance(read, list):
        yield from read
        return
    lines, file = read
    yield from _claims(draft, lines, file)
    for index, line in enumerate(lines.lines):
        next_step = "Correct it, or replace `runs` by `not_yet` with the reason."
        yield from _dead_references(draft, lines, file, line.runs, ("lines", index), next_step)
    for index, system in enumerate(lines.systems):
        place = ("systems", index)
        if not any(system.words in line.line for line in lines.lines):
            sentence = f"No line of {lines.document} holds `{system.words}`."
            yield file.error((*place, "words"), sentence, "Write it as the document does, or take the system out.")
        yield from _dead_references(draft, lines, file, system.runs, place, "Correct it, or take it out.")


def _claims(draft: Draft, lines: DocumentLines, file: YamlFile) -> Iterator[Diagnostic]:
    """Yield each template that its step does not send, and each person's task without a reason or without a line."""
    for template, reference in lines.sent_by.items():
        step = _step_of(draft, reference)
        if step is None:
            yield file.error(("sent_by", template), f"`{reference}` is no step of a runbook.", "Name the step.")
        elif not step.person and f"{{t_{template}}}" not in str(step.with_):
            sentence = f"The step `{reference}` does not send the template `{template}`."
            yield file.error(("sent_by", template), sentence, f"Name the step that has {{t_{template}}} in its `with`.")
    references = [reference for line in lines.lines for reference in line.runs]
    found = [resolve_reference(draft, reference, lines.sent_by) for reference in references]
    asked = {target.asked for target in found if isinstance(target, Target) and target.asked}
    for key in sorted(asked - set(lines.asked)):
        sentence = f"Nothing says why `{key}` stays a person's task."
        yield file.error(("asked",), sentence, "Add it to `asked` with the reason, or with what is to replace it.")
    dead = any(isinstance(target, str) for target in found)  # it is reported by itself, and may be what asks
    for key in lines.asked:
        if key not in asked and not dead:
            yield file.error(("asked", key), f"No line asks a person `{key}`.", "Take it out.")


def _step_of(draft: Draft, reference: str) -> Step | None:
    """Return the step of a runbook that a reference names, or None if it names something else."""
    kind, name, place = [*shlex.split(reference), "", "", ""][:3]
    phase, _, step_id = place.partition("/")
    if kind != "runbook" or name not in draft.runbooks or phase not in {member.value for member in Phase}:
        return None
    return next((step for step in draft.runbooks[name].steps(Phase(phase)) if step.id == step_id), None)


def _dead_references(
    draft: Draft, lines: DocumentLines, file: YamlFile, references: list[str], place: Place, next_step: str
) -> Iterator[Diagnostic]:
    """Yield each reference that leads nowhere."""
    for number, reference in enumerate(references):
        found = resolve_reference(draft, reference, lines.sent_by)
        if isinstance(found, str):
            yield file.error((*place, "runs", number), found, next_step)


def resolve_reference(draft: Draft, reference: str, sent_by: Mapping[str, str] = _NOTHING) -> Target | str:
    """Return what `reference` leads to, or a sentence that says why it leads nowhere.

    `sent_by` is that of lines.yaml: template -> the step that sends it.
    """
    try:
        kind, *rest = shlex.split(reference)
    except ValueError:
        return f"`{reference}` cannot be read as a reference."
    resolvers: dict[str, Callable[[Draft, list[str]], Target | str]] = {
        "plan": _plan,
        "systems": _systems,
        "runbook": _runbook,
        "template": partial(_template, sent_by=sent_by),
        "drill": _drill,
        "journal": _journal,
        "command": _command,
    }
    if kind not in resolvers:
        return f"`{kind}` is not a kind of reference. {suggestion(kind, resolvers)}"
    return resolvers[kind](draft, rest)


# --- the kinds of references -------------------------------------------------------------------------


def _plan(draft: Draft, parts: list[str]) -> Target | str:
    """Return what a part of the plan leads to: what it calls by itself is done, everything else is data."""
    dump = draft.plan.model_dump(mode="json", by_alias=True) if draft.plan else None
    found = _part("plan.yaml", dump, parts)
    if isinstance(found, Target) and parts[0] == "notifications" and len(parts) > 1:
        return Target(how="done", by="a notice by the plan's ways")
    called = _value(dump, parts)
    if isinstance(found, Target) and called is not None and isinstance(called.get("action"), str):
        return Target(how="done", by=called["action"])
    return found


def _systems(draft: Draft, parts: list[str]) -> Target | str:
    dump = draft.systems.model_dump(mode="json", by_alias=True) if draft.systems else None
    return _part("systems.yaml", dump, parts)


def _drill(draft: Draft, parts: list[str]) -> Target | str:
    if not parts:
        return "The name of the drill is missing."
    read = read_yaml(draft.folder / "drills" / f"{Path(parts[0]).name}.yaml")
    if isinstance(read, Diagnostic):
        return f"There is no drill `{parts[0]}`."
    found = _part(f"the drill {parts[0]}", read.data, parts[1:])
    if isinstance(found, Target) and parts[1:] == ["follow_ups"]:
        return Target(how="asked", by="the follow-up's owner", asked="follow_ups")
    return found if isinstance(found, str) else Target(how="done", by="a drill")


def _runbook(draft: Draft, parts: list[str]) -> Target | str:
    name, place = [*parts, "", ""][:2]
    runbook = draft.runbooks.get(name)
    if runbook is None:
        return f"There is no runbook `{name}`. {suggestion(name, draft.runbooks)}"
    if not place:
        return Target(how="data")
    phase, _, step_id = place.partition("/")
    if phase not in {member.value for member in Phase}:
        return f"There is no phase `{phase}`. {suggestion(phase, [member.value for member in Phase])}"
    steps = {step.id: step for step in runbook.steps(Phase(phase))}
    if step_id and step_id not in steps:
        return f"The runbook `{name}` has no step `{phase}/{step_id}`. {suggestion(step_id, steps)}"
    return _of_step(draft.plan, steps[step_id], place) if step_id else Target(how="data")


def _of_step(plan: Plan | None, step: Step, place: str) -> Target:
    if step.person:
        return Target(how="asked", by=plan.role_title(step.person) if plan else step.person, asked=place)
    return Target(how="done", by=step.action or step.probe or "undo")


def _template(draft: Draft, parts: list[str], sent_by: Mapping[str, str]) -> Target | str:
    name, text = [*parts, "", ""][:2]
    texts = draft.templates | ({"post_mortem": draft.post_mortem} if draft.post_mortem is not None else {})
    if name not in texts:
        return f"There is no template `{name}`. {suggestion(name, texts)}"
    if text and text not in texts[name]:
        return f"The template `{name}` does not hold `{text}`."
    if name == POST_MORTEM:
        words = next((one for one in _PLACEHOLDER.findall(text) if one in _WRITTEN_BY_PEOPLE), "")
        key = f"{POST_MORTEM} {{{words}}}"
        return Target(how="asked", by="a person's words", asked=key) if words else Target(how="done", by="the document")
    if name not in sent_by:
        return f"`sent_by` does not say which step sends the template `{name}`."
    return resolve_reference(draft, sent_by[name])


COMMANDS = ("doctor", "test-channels")
"""The commands that carry out a line of a document."""


def _command(draft: Draft, parts: list[str]) -> Target | str:
    del draft
    name = " ".join(parts)
    known = f"No line is carried out by a command `{name}`. {suggestion(name, COMMANDS)}"
    return Target(how="done", by=f"allclear {name}") if name in COMMANDS else known


def _journal(draft: Draft, parts: list[str]) -> Target | str:
    del draft
    records = get_args(get_args(Record)[0])
    kinds = {str(record.model_fields["kind"].default) for record in records}
    name = " ".join(parts)
    return (
        Target(how="done", by="the journal")
        if name in kinds
        else f"The journal has no `{name}`. {suggestion(name, kinds)}"
    )


# --- parts of files ----------------------------------------------------------------------------------


def _part(where: str, value: object, parts: list[str]) -> Target | str:
    """Return `data` if `parts` lead through `value` to something that is not empty, or why they do not."""
    path = ""
    for part in parts:
        value = _inside(value, part)
        path = f"{path} {part}".strip()
        if value in (None, "", [], {}):
            return f"{where} has no `{path}`."
    return Target(how="data") if value is not None else f"{where} cannot be read."


def _value(value: object, parts: list[str]) -> dict[str, Any] | None:
    """Return the mapping to which `parts` lead through `value`, or None if they lead to something else."""
    for part in parts:
        value = _inside(value, part)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _inside(value: object, part: str) -> object:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).get(part)
    if isinstance(value, list):
        items = cast("list[object]", value)
        named = next((item for item in items if _is_named(item, part)), None)
        if named is None and part.isdecimal() and 0 < int(part) <= len(items):
            return items[int(part) - 1]
        return named
    return None


def _is_named(item: object, part: str) -> bool:
    if isinstance(item, dict):
        fields: dict[str, Any] = cast("dict[str, Any]", item)
        return any(fields.get(name) == part for name in _NAMES)
    return item == part
