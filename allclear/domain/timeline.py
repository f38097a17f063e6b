"""The timeline of an incident: one short line for each entry of the journal, as a scribe would write it.

The sentences come from `allclear.domain.sentences`. Every line is plain text on one line, of a limited length.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from allclear.domain.base import Model, Moment
from allclear.domain.incident import Incident
from allclear.domain.notify.failed_tries import FailedTries
from allclear.domain.plan import Plan
from allclear.domain.records import (
    AlertJoined,
    Contained,
    Entry,
    IncidentOpened,
    Recovered,
    StepDone,
)
from allclear.domain.replay import replay
from allclear.domain.sentences import describe
from allclear.domain.sentences.sentence import SentenceContext, Tone, identified_words
from allclear.domain.text import LONG, SHORT, plain


class Line(Model):
    """One line of the timeline, understood without the lines around it."""

    at: Moment
    who: str = Field(description="`Ana (tech lead)`, or `allclear`.")
    text: str
    detail: list[str] = Field(default=[], description="Further explanation, for readers who want more.")
    tone: Tone = "plain"
    routine: bool = Field(default=False, description="Whether only an auditor needs it.")
    number: int = Field(description="The entry's number in the journal.")
    identified: str = Field(
        default="", description="How it is known who wrote it: `Claimed in Prefect`; empty for allclear."
    )
    via: str = Field(description="The channel that it came through: cli, slack, responder ...")


def beside_its_author(line: Line) -> str:
    """Return the line's text without its author, for a table that has the author in a column of its own."""
    text = line.text.replace(f" ({line.who})", "").replace(f" by {line.who}:", ":")
    for name in (line.who, line.who.rpartition(" (")[0]):
        if name and text.casefold().startswith((f"{name} ".casefold(), f"{name}:".casefold())):
            return text[len(name) :].lstrip(" :")
    return text


def line_of(entry: Entry, incident: Incident | None = None, plan: Plan | None = None) -> Line:
    """Return the line for `entry`. `incident` gives acts and questions their titles, `plan` gives roles theirs."""
    return _line(SentenceContext.of(incident, plan), entry)


def timeline(
    entries: Sequence[Entry], plan: Plan | None = None, *, routine: bool = False, incident: Incident | None = None
) -> list[Line]:
    """Return the lines for `entries` in order; with `routine`, also those that only an auditor needs.

    `incident` saves replaying the entries. It is needed if they are not the whole record.
    """
    whole = bool(entries) and isinstance(entries[0].record, IncidentOpened)
    context = SentenceContext.of(incident or (replay(entries) if whole else None), plan)
    tries, repeats = FailedTries(entries), _repeats(entries)
    repeats |= tries.repeated
    lines = (
        _line(context, entry, repeat=entry.number in repeats, more=tries.others(entry.number, context.zone))
        for entry in entries
    )
    return [line for line in lines if routine or not line.routine]


def newest_line(entries: Sequence[Entry], plan: Plan, incident: Incident) -> Line:
    """Return the line for the last of `entries`, the whole record of `incident` so far; no other line is written."""
    newest = entries[-1]
    repeats = _repeats(entries) | FailedTries(entries).repeated
    return _line(SentenceContext.of(incident, plan), newest, repeat=newest.number in repeats)


def _repeats(entries: Sequence[Entry]) -> set[int]:
    """Return the numbers of entries that repeat another one.

    These are a known alert, and the check behind the next entry.
    """
    repeated = set[int]()
    alerts: dict[tuple[str, str], str] = {}
    opening: str | None = None
    for place, entry in enumerate(entries):
        record = entry.record
        if isinstance(record, IncidentOpened):
            opening = record.title
        elif isinstance(record, AlertJoined):
            before = alerts.get((record.source, record.key))
            unchanged = before == record.state and not record.flapping and not record.news
            opened_it = before is None and record.state == "firing" and record.title == opening
            if (unchanged or opened_it) and not record.ticket:
                repeated.add(entry.number)
            alerts[record.source, record.key] = record.state
        elif isinstance(record, StepDone) and place + 1 < len(entries):
            following = entries[place + 1].record
            if isinstance(following, Contained | Recovered) and following.finding == record.finding:
                repeated.add(entry.number)
    return repeated


def _line(context: SentenceContext, entry: Entry, *, repeat: bool = False, more: str = "") -> Line:
    sentence = describe(context, entry)
    return Line(
        at=entry.at,
        who=context.author(entry.by),
        text=plain(sentence.text + more, LONG + 2 * SHORT),
        tone=sentence.tone,
        detail=[plain(line, LONG) for line in sentence.detail],
        routine=sentence.routine or repeat,
        number=entry.number,
        identified=identified_words(entry.by),
        via=plain(entry.by.via, 30),
    )
