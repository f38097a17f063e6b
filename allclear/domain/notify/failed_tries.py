"""What the timeline says of messages that fail: one line for each cause, which counts the others. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from allclear.domain.durations import counted
from allclear.domain.local_times import stamp
from allclear.domain.notify.failing_messages import cause_of
from allclear.domain.pseudo_phases import MESSAGES
from allclear.domain.records import ActFinished, ActProposed, Entry

_Message = tuple[str, str]
"""The phase and the step of a message or a page."""


class FailedTries:
    """The failed tries of an incident's messages and pages, from its entries.

    A cause gets a new line only if every message that failed for it has got through meanwhile. Each page has a line of
    its own.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.repeated: set[int] = set()
        """The numbers of the entries whose cause an earlier line says."""
        self._acts: dict[str, ActProposed] = {}
        self._causes: dict[_Message, str] = {}
        """Message that fails -> its cause."""
        self._said: dict[str, tuple[int, set[_Message]]] = {}
        """Cause -> the number of the entry that says it, and the messages that fail for it."""
        self._counted: dict[int, dict[_Message, datetime]] = {}
        """Number of such an entry -> the messages that failed for the cause, and when last."""
        for entry in entries:
            self._apply(entry)

    def others(self, number: int, zone: tzinfo) -> str:
        """Return how many other messages failed for the cause that an entry says; empty if none did."""
        failed = self._counted.get(number, {})
        if len(failed) <= 1:
            return ""
        verb = "has" if len(failed) == 2 else "have"  # noqa: PLR2004 - this message and one other
        other = counted(len(failed) - 1, "other message")
        return f" For the same reason {other} {verb} failed, the last at {stamp(max(failed.values()), zone)}."

    def _apply(self, entry: Entry) -> None:
        record = entry.record
        if isinstance(record, ActProposed) and (record.tells or record.pages or record.phase in MESSAGES):
            self._acts[record.act] = record
            if record.refusals:
                self._fail(entry, record, record.refusals[0].sentence)
        elif isinstance(record, ActFinished) and (act := self._acts.get(record.act)):
            if record.outcome.good:
                self._clear((act.phase, act.step))
            elif not act.refusals:  # the line of the proposal has said why
                self._fail(entry, act, record.outcome.sentence)

    def _fail(self, entry: Entry, act: ActProposed, sentence: str) -> None:
        message, cause = (act.phase, act.step), cause_of(sentence)
        if act.pages or act.phase not in MESSAGES:
            cause = f"{cause} ({act.phase}/{act.step})"
        if self._causes.get(message) != cause:
            self._clear(message)
        number, failing = self._said.setdefault(cause, (entry.number, set()))
        failing.add(message)
        self._causes[message] = cause
        if number != entry.number:
            self.repeated.add(entry.number)
        self._counted.setdefault(number, {})[message] = entry.at

    def _clear(self, message: _Message) -> None:
        """Note that a message does not fail any more, or not for the same cause."""
        cause = self._causes.pop(message, None)
        if cause is not None:
            failing = self._said[cause][1]
            failing.discard(message)
            if not failing:
                del self._said[cause]
