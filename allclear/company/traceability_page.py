"""Writes docs/traceability.md: every line of every company's document, and what runs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from allclear.company.load import Draft, read_draft
from allclear.company.traceability import (
    LINES,
    DocumentLine,
    DocumentLines,
    How,
    Target,
    heading_lines,
    read_lines,
    resolve_reference,
)
from allclear.domain.errors import ConfigError
from allclear.domain.plan import Plan

_ORDER: tuple[How, ...] = ("asked", "done", "data")
"""The order in which a line with several references is counted: as asked if any part of it is asked."""
_HEADING = "heading"
_COLUMNS: tuple[How, ...] = ("done", "asked", "data")
_HEAD = """\
# Traceability: the plans, line by line

This page shows what runs each line of the documents from which the folders under `runbooks/` were made. The text of a
line is the document's own. A reference leads into the company's folder, and `allclear check` reports one that leads
nowhere, a template that its step does not send, and a person's task without a reason. Rules and the borders of code and
tables are left out; headings are counted apart. Do not edit this page: change `runbooks/*/lines.yaml`, then run
`make traceability`.

*Done*: the engine does it, by itself or after an approval. Words of a template are done if an action sends them to the
people for whom they are written. *Asked*: a person is asked to do it, or a part of it, and to confirm it; the reasons
stand below. *Data*: values that both use; `make check` proves that each field of a plan is read by code or shown.
"""


class TracedCompany:
    """One company's document, and what each of its lines leads to."""

    def __init__(self, folder: Path) -> None:
        """Read a folder.

        Raises:
            ConfigError: a reference leads nowhere, or a file cannot be read.
        """
        self.name = folder.name
        self.draft = read_draft(folder)
        read = read_lines(folder)
        if isinstance(read, list):
            raise ConfigError(str(read[0]), read[0].next_step)
        self.lines: DocumentLines = read[0]
        sent_by = self.lines.sent_by
        self.targets = [[_target(self.draft, one, sent_by) for one in line.runs] for line in self.lines.lines]
        document = folder / self.lines.document
        text = document.read_text(encoding="utf-8") if document.is_file() else ""
        self.headings = {index for index, is_heading in enumerate(heading_lines(text)) if is_heading}

    @property
    def company(self) -> str:
        """Return the company's name."""
        plan: Plan | None = self.draft.plan
        return plan.company if plan else self.name

    @property
    def counts(self) -> Counter[str]:
        """Return the number of lines of each kind; a heading counts as a heading alone."""
        kinds = enumerate(_how(targets) for targets in self.targets)
        return Counter(_HEADING if index in self.headings else how for index, how in kinds)

    @property
    def missing(self) -> list[DocumentLine]:
        """Return the lines that nothing runs yet."""
        return [line for line in self.lines.lines if line.not_yet]


def traced_companies(root: Path) -> list[TracedCompany]:
    """Return every company under `root` that has a `lines.yaml`. Raises ConfigError."""
    return [TracedCompany(path.parent) for path in sorted(root.glob(f"*/{LINES}"))]


def traceability_page(companies: list[TracedCompany]) -> str:
    """Return the page: first the counts and the lines that nothing runs yet, then each document line by line."""
    return "\n".join([_HEAD, *_top(companies), *(line for traced in companies for line in _table(traced))]) + "\n"


def _top(companies: list[TracedCompany]) -> Iterator[str]:
    yield "| Company | Lines | Headings | Done | Asked | Data | Not yet |"
    yield "|---|---|---|---|---|---|---|"
    for traced in companies:
        counts = traced.counts
        cells = [len(traced.lines.lines), counts[_HEADING], *(counts[how] for how in _COLUMNS), counts["not yet"]]
        yield f"| {traced.company} | {' | '.join(str(cell) for cell in cells)} |"
    yield from ("", "## Not yet", "")
    missing = [(traced.company, line) for traced in companies for line in traced.missing]
    for company, line in missing:
        yield f"- {company}: {_code(line.line)}: {line.not_yet}"
    if not missing:
        yield "Nothing: every line is done, asked or data."
    yield from ("", "## Asked, and why", "")
    for traced in companies:
        for key, reason in traced.lines.asked.items():
            yield f"- {traced.company}: {_code(key)}: {reason}"


def _table(traced: TracedCompany) -> Iterator[str]:
    document = traced.lines.document
    yield from ("", f"## {traced.company}", "", f"Of `{document}`.", "", "| Line | What runs it |", "|---|---|")
    for line, targets in zip(traced.lines.lines, traced.targets, strict=True):
        cell = "<br>".join(_reference(text, target) for text, target in zip(line.runs, targets, strict=True))
        yield f"| {_code(line.line)} | {cell or f'**Not yet**: {line.not_yet}'} |"


def _reference(text: str, target: Target) -> str:
    suffixes = {"done": f" (done: {target.by})", "asked": f" (asked: {target.by})", "data": ""}
    return _code(text) + suffixes[target.how]


def _code(text: str) -> str:
    """Return `text` as code in a table cell, with bars and backticks that would end it escaped."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")


def _target(draft: Draft, reference: str, sent_by: Mapping[str, str]) -> Target:
    found = resolve_reference(draft, reference, sent_by)
    if isinstance(found, str):
        raise ConfigError(
            found, f"Correct it in {draft.folder / LINES}, or replace `runs` by `not_yet` with the reason."
        )
    return found


def _how(targets: list[Target]) -> str:
    hows = {target.how for target in targets}
    return next((how for how in _ORDER if how in hows), "not yet")
