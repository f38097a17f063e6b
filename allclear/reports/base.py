"""What all reports have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from rich.console import Console, RenderableType

from allclear.domain.base import Model
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_reader, require_reader
from allclear.domain.records import By
from allclear.domain.text import printable

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


@dataclass(frozen=True)
class Reader:
    """Who reads: a person or a program whose token was sent, or a person who has the journal itself."""

    by: By | None = None
    """None: who has the journal has read it, and may read everything."""

    def may_read(self, plan: Plan, incident: Incident) -> bool:
        """Return whether the incident is not private, or not to this reader."""
        return self.by is None or is_reader(plan, incident, self.by)

    def require(self, plan: Plan, incident: Incident) -> None:
        """Raise NotAllowed if the incident is private to this reader."""
        if self.by is not None:
            require_reader(plan, incident, self.by)


class Shown(Model):
    """A report as it was written."""

    text: str = Field(description="As the command line prints it.")
    data: Any = Field(description="The same for programs, as the command line prints it with --json.")


class Page:
    """What a report prints, as lines of a terminal."""

    def __init__(self, width: int, *, colour: bool) -> None:
        self._written = StringIO()
        self._console = Console(
            file=self._written,
            width=width,
            force_terminal=colour,
            color_system="standard" if colour else None,
            highlight=False,
            legacy_windows=False,
        )

    @property
    def text(self) -> str:
        """Return what was written so far."""
        return self._written.getvalue()

    def line(self, text: str) -> None:
        """Write a line as it is, whatever brackets it holds. Names and texts in it cannot control the terminal."""
        self._console.print(printable(text), markup=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        """Write a heading."""
        self._console.print(printable(text), style="bold", markup=False, soft_wrap=True)

    def draw(self, part: RenderableType) -> None:
        """Write a table or a group of parts. Each command in it stays on one line."""
        self._console.print(part, crop=False)

    def document(self, text: str) -> None:
        """Write a document without wrapping it."""
        self._written.write(f"{text}\n")


class Report(Model, ABC):
    """Something that people read. Its fields are what they choose."""

    name: ClassVar[str]
    """The last part of its route, as `in-place` in `GET /reports/in-place`."""
    title: ClassVar[str]
    """What it shows, in a few words: the summary of its route."""

    width: int = Field(default=100, ge=20, le=1000, description="Characters of a line of `text`.")
    colour: bool = Field(default=False, description="Whether `text` has the colours of a terminal.")

    def show(self, engine: Engine, reader: Reader) -> Shown:
        """Return the report. Raises NotFound, NotAllowed for a private incident of others, JournalError."""
        page = Page(self.width, colour=self.colour)
        data = self._write(engine, reader, page)
        return Shown(text=page.text, data=data)

    @abstractmethod
    def _write(self, engine: Engine, reader: Reader, page: Page) -> Any:  # noqa: ANN401 - JSON
        """Write the report onto the page, and return the same as JSON."""
