"""What a message in Teams is built of: an Adaptive Card with plain text, facts, mentions and links.

Source: adaptivecards.io schema 1.4, and learn.microsoft.com "Format cards in Teams", read 2026-11:
- A `TextBlock` and a `FactSet` show Markdown; the runs of a `RichTextBlock` show their text as it is [from memory]. So
  everything that may come from outside stands in runs, one block a line.
- A mention is `<at>NAME</at>` in a TextBlock or a FactSet, and an entity under `msteams` with the same text. A webhook
  names the person by the user principal name (as ana@example.com) or the object id in Entra, each as it is. A card may
  mention several people; the message has at most 28 KB with all of them.
- A webhook's card has no buttons that answer: `Action.Submit` does nothing. `Action.OpenUrl` opens a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from allclear.domain.base import JsonDict
from allclear.domain.notify.channel import Card
from allclear.vendors.lengths import head, shortened
from allclear.vendors.teams import LARGEST

ON_PAGE = "… (the whole text is on the incident's page)"
"""Stands in a shortened message for what was left out."""
IN_RECORD = "… (the whole text is in the incident's record)"
"""The same if there is no address for a link to the page."""
_LONGEST_TITLE, _LONGEST_NAME = 200, 60
_PART_LIMITS = (400, 150, 50)
"""Characters of a fact or a part of a question: less if the text would not have a third of the message."""
_MOST_FACTS, _MOST_ROWS, _MOST_PEOPLE = 10, 8, 10
_BETWEEN = len(',"spacing":"None",')
_PERSON = re.compile(r"[^\s<>@\"]{1,64}@[^\s<>@\"]{1,64}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
_KIND = "application/vnd.microsoft.card.adaptive"


@dataclass(frozen=True)
class TeamsMessage:
    """What a message shows."""

    text: str
    title: str = ""
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    people: tuple[str, ...] = ()
    """The addresses of the people whom it mentions."""
    card: Card | None = None
    href: str = ""
    """The address of the incident's page; empty if there is none."""

    def as_json(self) -> JsonDict:
        """Return what the webhook takes, of at most LARGEST bytes: a text that is longer loses its middle."""
        limit = next((one for one in _PART_LIMITS if self._room(one) >= LARGEST / 3), _PART_LIMITS[-1])
        whole = self._with_text(self.text, limit)
        if size(whole) <= LARGEST:
            return whole
        mark = ON_PAGE if self.href else IN_RECORD
        return self._with_text(head(self.text, self._room(limit), mark, _text_size), limit)

    def _room(self, limit: int) -> int:
        """Return the bytes that are left for the text."""
        return LARGEST - size(self._with_text("", limit))

    def _with_text(self, text: str, limit: int) -> JsonDict:
        called = [one for one in dict.fromkeys(self.people) if can_be_mentioned(one)][:_MOST_PEOPLE]
        body = [
            *([_paragraph(shortened(self.title, _LONGEST_TITLE), bold=True)] if self.title else []),
            *_paragraphs(text),
            *(_named(name, value, limit) for name, value in _first_facts(self.facts)),
            *(_named(name, value, limit) for name, value in _rows(self.card, linked=bool(self.href))),
            *([{"type": "TextBlock", "wrap": True, "text": " ".join(map(_at, called))}] if called else []),
        ]
        content: JsonDict = {"$schema": _SCHEMA, "type": "AdaptiveCard", "version": "1.4", "body": body}
        content["msteams"] = {"width": "Full"} | ({"entities": list(map(_entity, called))} if called else {})
        if self.href:
            title = (
                "Answer on the incident's page" if self.card and not self.card.closed else "Open the incident's page"
            )
            content["actions"] = [{"type": "Action.OpenUrl", "title": title, "url": self.href}]
        return {"type": "message", "attachments": [{"contentType": _KIND, "contentUrl": None, "content": content}]}


def can_be_mentioned(person: str) -> bool:
    """Return whether `person` is a user name or an id of Entra, without which a card mentions no one."""
    return _PERSON.fullmatch(person.strip()) is not None


def size(message: JsonDict) -> int:
    """Return the bytes of a message on its way."""
    return _bytes(message)


def news(before: str, after: str) -> str:
    """Return what is new in `after`: its lines that `before` lacks, each with the heading above it.

    If nothing was added, return what is gone. A message in Teams cannot be changed, so only this is posted.
    """
    old, lines = set(before.splitlines()), after.splitlines()
    fresh = [number for number, line in enumerate(lines) if line.strip() and line not in old]
    if not fresh:
        gone = [line for line in before.splitlines() if line.strip() and line not in set(lines)]
        return "\n".join(f"No longer: {line}" for line in gone) or after
    wanted: dict[int, None] = {}
    for number in fresh:
        heading = _heading(lines, number)
        wanted |= {heading: None} if heading is not None else {}
        wanted[number] = None
    return "\n".join(lines[number] for number in wanted)


def _heading(lines: list[str], number: int) -> int | None:
    """Return the number of the heading of a line's paragraph, as `Updates:`; None if it has none."""
    while number > 0 and lines[number - 1].strip():
        number -= 1
        if lines[number].rstrip().endswith(":"):
            return number
    return None


def _rows(card: Card | None, *, linked: bool) -> Iterator[tuple[str, str]]:
    if card is None:
        return
    for row in card.rows[:_MOST_ROWS]:
        yield row.name or "Change", f"{row.before} → {row.after}"
    if len(card.rows) > _MOST_ROWS:
        yield "And", f"{len(card.rows) - _MOST_ROWS} more, on the incident's page."
    yield from ((name, words) for name, words in (("Why", card.why), ("Risk", card.risk), ("Undo", card.undo)) if words)
    if card.closed:
        yield "", card.closed
        return
    yield "", card.who
    if card.commands and not linked:
        yield "Answer with", card.commands


def _first_facts(facts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from list(facts.items())[:_MOST_FACTS]
    if len(facts) > _MOST_FACTS:
        yield "And", f"{len(facts) - _MOST_FACTS} more facts, in the incident's record."


def _named(name: str, value: str, limit: int) -> JsonDict:
    """Return a line of the card with a name in bold before it, unless the name is empty."""
    runs = [_run(f"{shortened(name, _LONGEST_NAME)}: ", bold=True)] if name else []
    return {"type": "RichTextBlock", "inlines": [*runs, _run(shortened(value, limit))]}


def _paragraphs(text: str) -> Iterator[JsonDict]:
    """Yield a block for each line that is not empty, with a gap where an empty line stands."""
    gap = True
    for line in text.splitlines():
        if line.strip():
            yield _paragraph(line) | ({} if gap else {"spacing": "None"})
        gap = not line.strip()


def _paragraph(text: str, *, bold: bool = False) -> JsonDict:
    return {"type": "RichTextBlock", "inlines": [_run(text, bold=bold)]}


def _run(text: str, *, bold: bool = False) -> JsonDict:
    return {"type": "TextRun", "text": text} | ({"weight": "Bolder"} if bold else {})


def _at(person: str) -> str:
    return f"<at>{person.strip()}</at>"


def _entity(person: str) -> JsonDict:
    return {"type": "mention", "text": _at(person), "mentioned": {"id": person.strip(), "name": person.strip()}}


def _text_size(text: str) -> int:
    """Return the most bytes that the blocks of a text take, with what separates them."""
    return sum(_bytes(_paragraph(line)) + _BETWEEN for line in text.splitlines() if line.strip())


def _bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
