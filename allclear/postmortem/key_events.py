"""The key events of an incident: at most twelve lines that a manager reads instead of the whole record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from allclear.domain.act import Act
from allclear.domain.durations import counted, short_duration
from allclear.domain.incident import Incident
from allclear.domain.local_times import day, local
from allclear.domain.plan import Plan
from allclear.domain.records import (
    FIRES_AGAIN,
    ActFinished,
    AlertJoined,
    AskAnswered,
    Contained,
    DecisionMade,
    Entry,
    HoldEnded,
    HoldStarted,
    IncidentEnded,
    IncidentOpened,
    NoteAdded,
    Recovered,
    SeverityChanged,
    StepDone,
)
from allclear.domain.review.post_mortem import field_of
from allclear.domain.sentences import describe
from allclear.domain.sentences.sentence import SentenceContext
from allclear.domain.states import StateHistory
from allclear.domain.template_values import STATUS_PAGE
from allclear.domain.text import LONG, SHORT, bare, markdown_safe, with_full_stop
from allclear.postmortem.acts_table import changes_production
from allclear.postmortem.affected import BRIEF

MOST = 12
"""The most key events."""

_END, _TURN, _SAID, _TOLD, _MORE = range(5)
"""How much an event matters: the end, a turn of the incident, what people marked, a public message, the rest."""


class KeyEvent(NamedTuple):
    """One key event."""

    at: datetime
    text: str
    weight: int
    """How soon it is left out if there are too many: the higher, the sooner."""
    number: int = 0
    """The number of its entry; 0 for the beginning of the trouble, which is no entry."""


def key_events(incident: Incident, entries: Sequence[Entry], plan: Plan) -> tuple[list[KeyEvent], int]:
    """Return the key events in order, twelve at most, and how many were left out."""
    events = list(_events(incident, entries, plan))
    kept = sorted(range(len(events)), key=lambda place: (events[place].weight, place))[:MOST]
    return [events[place] for place in sorted(kept)], len(events) - len(kept)


def key_event_lines(incident: Incident, entries: Sequence[Entry], plan: Plan) -> str:
    """Return the key events as a Markdown list, with a line below it if some were left out."""
    events, left_out = key_events(incident, entries, plan)
    shape = "%H:%M:%S" if events[-1].at - events[0].at < BRIEF else "%H:%M"
    zone = plan.zone
    last = day(events[0].at, zone)
    lines: list[str] = []
    for event in events:
        date = f"{day(event.at, zone)} " if day(event.at, zone) != last else ""
        last = day(event.at, zone)
        lines.append(f"- {date}{local(event.at, zone):{shape}} - {markdown_safe(event.text)}")
    if left_out:
        lines += ["", f"Not shown: {counted(left_out, 'less important event')}. The full record has every event."]
    return "\n".join(lines)


def _events(incident: Incident, entries: Sequence[Entry], plan: Plan) -> Iterator[KeyEvent]:
    writer = _Writer(incident, entries, plan)
    if incident.began_at and incident.began_at <= incident.opened_at:
        yield KeyEvent(incident.began_at, "The trouble began.", _TURN)
    for entry in entries:
        if event := writer.event(entry):
            yield event._replace(number=entry.number)
        if entry.at == incident.acknowledged_at and not writer.acknowledged and entry.by.person:
            writer.acknowledged = True
            yield KeyEvent(
                entry.at, f"{writer.context.author(entry.by)} acknowledged the incident.", _TURN, entry.number
            )


class _Writer:
    """Writes the key event of an entry; it remembers which have been written already."""

    def __init__(self, incident: Incident, entries: Sequence[Entry], plan: Plan) -> None:
        self.context = SentenceContext.of(incident, plan)
        self.incident = incident
        self.acknowledged = False
        self._audiences = {STATUS_PAGE, *(line.audience for line in plan.updates)}
        self._fields = {state.ask.id: field_of(state.ask) for state in incident.asks.values()}
        self._containing = {entry.record.act for entry in entries if isinstance(entry.record, Contained)}

    def event(self, entry: Entry) -> KeyEvent | None:  # noqa: C901, PLR0911 - one case for each record
        """Return the key event, or None for an entry that is none."""
        match entry.record:
            case IncidentOpened() as opened:
                return KeyEvent(entry.at, f"Detected: {bare(opened.reported)}. Opened as {opened.severity}.", _TURN)
            case SeverityChanged() | IncidentEnded():
                ended = isinstance(entry.record, IncidentEnded)
                return self._sentence(entry, _END if ended else _SAID)
            case Contained() as contained:
                by = f" by {_quoted(contained.by)}" if contained.act else f" ({bare(contained.by, SHORT)})"
                return self._begins("Contained", by, self.incident.containment, entry, contained) or self._holds(entry)
            case Recovered() as recovered:
                return self._begins("Recovered", "", self.incident.recovery, entry, recovered)
            case AlertJoined() as alert:
                return self._recurs(entry, alert)
            case StepDone():
                return self._ends(entry) or self._holds(entry)
            case AskAnswered() as answered:
                return self._answered(entry, answered)
            case ActFinished(act=act):
                return self._finished(entry.at, self.incident.acts[act])
            case DecisionMade() | HoldStarted() | HoldEnded():
                return self._sentence(entry, _SAID)
            case NoteAdded(post_mortem="timeline"):
                return self._sentence(entry, _SAID)
            case _:
                return None

    def _sentence(self, entry: Entry, weight: int) -> KeyEvent:
        return KeyEvent(entry.at, describe(self.context, entry).text, weight)

    def _begins(
        self, name: str, by: str, history: StateHistory, entry: Entry, record: Contained | Recovered
    ) -> KeyEvent | None:
        """Return the event of a state that began; None if it held already, and was only proven anew."""
        numbers = [period.number for period in history.periods]
        if entry.number not in numbers:
            return None
        again = " again" if entry.number != numbers[0] else ""
        weight = _TURN if entry.number in {numbers[0], numbers[-1]} else _SAID
        return KeyEvent(entry.at, f"{name}{again}{by}: {_finding(record)}", weight)

    def _recurs(self, entry: Entry, alert: AlertJoined) -> KeyEvent | None:
        """Return the event of an alert that fired on the contained or recovered incident, or None."""
        if entry.number not in self.incident.recurrences:
            return None
        fires = "Fires again" if alert.news == FIRES_AGAIN else "Another alert fires"
        state = "recovery" if self.incident.recovery.held_at(entry.number) else "containment"
        weight = _TURN if entry.number == self.incident.recurrences[-1] else _SAID
        words = f"{fires} after {state}: {bare(alert.title, SHORT)} ({bare(alert.source, SHORT)})."
        return KeyEvent(entry.at, words, weight)

    def _holds(self, entry: Entry) -> KeyEvent | None:
        """Return the event of a check that found the state to hold still after an alert, or None."""
        doubts = [number for number in self.incident.recurrences if number < entry.number]
        since = [number for number in self.incident.confirmations if number < entry.number]
        if entry.number not in self.incident.confirmations or not doubts or doubts[-1] < max(since, default=0):
            return None
        return self._sentence(entry, _TURN if doubts[-1] == self.incident.recurrences[-1] else _SAID)

    def _ends(self, entry: Entry) -> KeyEvent | None:
        """Return the event of a check that ended containment or recovery, or None."""
        contained = self.incident.containment.ended_by(entry.number)
        recovered = self.incident.recovery.ended_by(entry.number)
        lost = " and ".join(word for word, period in (("contained", contained), ("recovered", recovered)) if period)
        ended = contained or recovered
        return (
            KeyEvent(entry.at, f"Not {lost} any more: {with_full_stop(bare(ended.reason))}", _SAID) if ended else None
        )

    def _answered(self, entry: Entry, answered: AskAnswered) -> KeyEvent | None:
        """Return the event of an answer that names the cause or the fix, or that stops an act."""
        field = self._fields.get(answered.ask)
        author, reason = self.context.author(entry.by), with_full_stop(bare(answered.reason, LONG))
        if answered.yes and field == "root_cause":
            return KeyEvent(entry.at, f"Cause known, by {author}: {reason}", _TURN)
        if answered.yes and field == "resolution":
            return KeyEvent(entry.at, f"{author} reported the fix: {reason}", _TURN)
        state = self.incident.asks.get(answered.ask)
        if not answered.yes and state and state.ask.act in self.incident.acts:
            return self._sentence(entry, _MORE)
        return None

    def _finished(self, at: datetime, act: Act) -> KeyEvent | None:
        """Return the event of a message to the public, or of an act on production that changed something."""
        outcome, proposed = act.outcome, act.proposed
        if outcome is None or not outcome.changed:
            return None
        summary = bare(str((act.change or {}).get("summary") or proposed.title), SHORT)
        if proposed.action.partition(".")[0] in self._audiences:
            return KeyEvent(at, with_full_stop(summary), _TOLD)
        if changes_production(act) and (proposed.undoes or act.id not in self._containing):
            wait = f", {short_duration(at - act.at)} after it was proposed" if act.asks else ""
            done = "done" if outcome.good else "not proven"
            return KeyEvent(at, f"{bare(proposed.title, SHORT)}: {done}{wait}.", _MORE)
        return None


def _finding(record: Contained | Recovered) -> str:
    return with_full_stop(bare(record.finding.sentence))


def _quoted(title: str) -> str:
    """Return a title in quotation marks."""
    return f'"{bare(title, SHORT)}"'
