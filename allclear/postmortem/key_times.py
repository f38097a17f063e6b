"""The key times of an incident as a table: when each turn came, how long it took, and what the plan allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.local_times import local, stamp, zone_name
from allclear.domain.plan import ClockStop, Plan
from allclear.domain.reminders.deadlines import Deadline, deadlines
from allclear.domain.sentences.progress import ENDINGS
from allclear.domain.states import StateHistory
from allclear.domain.text import markdown_safe
from allclear.postmortem.affected import BRIEF, held

_MISSED = "**missed**"


class _Turn(NamedTuple):
    name: str
    at: datetime | None
    stops: ClockStop | None = None
    """The clock of the plan that this turn stops."""
    more: str = ""
    """A second duration that is counted from another moment."""
    history: StateHistory = StateHistory()
    """Since when and until when it held, for a state that can change back."""


def key_times(incident: Incident, plan: Plan, now: datetime) -> str:
    """Return the table; a target of the plan stands beside the turn that meets it.

    A turn that has not come yet is shown as such. Once the incident is over, it is left out, unless the plan's target
    for it was missed.
    """
    possible = list(_turns(incident))
    targets = {turn.stops: _targets(plan, incident, turn.stops, now) for turn in possible if turn.stops}
    missed = {stop for stop, words in targets.items() if _MISSED in words}
    turns = [turn for turn in possible if turn.at or not incident.over or turn.stops in missed]
    planned = any(targets[turn.stops] for turn in turns if turn.stops)
    zone, moments = plan.zone, [turn.at for turn in turns if turn.at]
    shape = _shape([local(at, zone) for at in moments])
    since = "After it began" if incident.began_at else "After detection"
    head = ["", zone_name(zone, *moments), since, *(["By the plan"] if planned else [])]
    start = incident.began_at or incident.opened_at
    never = "never" if incident.over else "not yet"
    rows = [_cells(turn, start, shape, zone, targets, never)[: len(head)] for turn in turns]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _turns(incident: Incident) -> Iterator[_Turn]:
    """Yield the turns in the order in which they normally come."""
    if incident.began_at:
        yield _Turn("Trouble began", incident.began_at)
    yield _Turn("Detected", incident.opened_at)
    by = f" by {markdown_safe(incident.acknowledged_by)}" if incident.acknowledged_by else ""
    paged = incident.time_to_acknowledge
    since_page = f" ({short_duration(paged)} after the page)" if paged is not None else ""
    yield _Turn(f"Acknowledged{by}", incident.acknowledged_at, ClockStop.ACKNOWLEDGED, since_page)
    yield _turn("Contained", incident.containment, ClockStop.CONTAINED)
    yield _turn("Recovered", incident.recovery, ClockStop.RECOVERED)
    if incident.ended:
        yield _Turn(ENDINGS[incident.ended.ending], incident.ended_at, ClockStop.ENDED)


def _turn(name: str, history: StateHistory, stops: ClockStop) -> _Turn:
    """Return the turn of a state that can change back: the time that lasted counts, or else the last one."""
    last = history.periods[-1] if history.periods else None
    return _Turn(name, last.since if last else None, stops, history=history)


def _shape(times: Sequence[datetime]) -> str:
    if len({at.date() for at in times}) > 1:
        return "%Y-%m-%d %H:%M"
    return "%H:%M:%S" if max(times) - min(times) < BRIEF else "%H:%M"


def _cells(
    turn: _Turn, start: datetime, shape: str, zone: tzinfo, targets: Mapping[ClockStop, str], never: str
) -> list[str]:
    at = held(turn.history, shape, zone) or (f"{local(turn.at, zone):{shape}}" if turn.at else never)
    span = f"{short_duration(turn.at - start)}{turn.more}" if turn.at and turn.at != start else ""
    return [turn.name, at, span, targets.get(turn.stops, "") if turn.stops else ""]


def _targets(plan: Plan, incident: Incident, stop: ClockStop, now: datetime) -> str:
    found = [one for one in deadlines(plan, incident) if one.target and one.target.until is stop and one.due]
    return "; ".join(_target(one, now) for one in found)


def _target(one: Deadline, now: datetime) -> str:
    allowed = markdown_safe(str(one.target.within)) if one.target else ""
    return f"{allowed} ({markdown_safe(one.severity)}): {_verdict(one, now) or 'running'}"


def _verdict(one: Deadline, now: datetime) -> str:
    """Return how a deadline came out; empty while it runs."""
    if one.missed(now):
        return _MISSED
    if one.stopped:
        return "the incident ended before"
    return "in time" if one.met else ""


def targets_table(incident: Incident, plan: Plan, now: datetime) -> str:
    """Return a table of the plan's targets, duties and notifications.

    The post-mortem's own deadlines and escalations are left out.
    """
    rows = [
        f"| {markdown_safe(one.title)} | {markdown_safe(one.severity)} | {stamp(one.due, plan.zone)} |"
        f" {stamp(one.met, plan.zone) if one.met and not one.stopped else '-'} | {_met_words(one, now)} |"
        for one in deadlines(plan, incident)
        if one.due and one.what in {"target", "duty", "notification"}
    ]
    head = ["| By the plan | Severity | Due | Met | |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) if rows else "The plan sets no time targets for this incident."


def _met_words(one: Deadline, now: datetime) -> str:
    words = _verdict(one, now)
    return f"{words} (declined by a person)".strip() if one.declined else words
