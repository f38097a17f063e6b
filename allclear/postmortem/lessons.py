"""What went well and what did not, as far as the record shows it: clocks, retries, false starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from allclear.domain.act import Act
from allclear.domain.action import ActStatus
from allclear.domain.approval import AskKind
from allclear.domain.durations import counted, short_duration
from allclear.domain.incident import Incident
from allclear.domain.local_times import clock
from allclear.domain.plan import Plan
from allclear.domain.plan.people import LEAD
from allclear.domain.pseudo_phases import REMINDER, THREAD
from allclear.domain.records import Entry
from allclear.domain.reminders.deadlines import Deadline, deadlines
from allclear.domain.sentences.acts import outcome_words
from allclear.domain.text import SHORT, bare, plain, with_full_stop
from allclear.postmortem.acts_table import changes_production

GAP = timedelta(minutes=10)
"""A longer time without an entry is a gap."""

_MOST = 8
"""The most lines of each list: the record has the rest."""

_UNSURE = frozenset({ActStatus.FAILED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE})


def gaps(incident: Incident, entries: Sequence[Entry]) -> list[tuple[datetime, datetime]]:
    """Return the spans of over ten minutes without an entry, until the incident's end."""
    times = [entry.at for entry in entries if incident.ended_at is None or entry.at <= incident.ended_at]
    return [(start, end) for start, end in pairwise(times) if end - start > GAP]


def went_well(incident: Incident, plan: Plan, now: datetime) -> list[str]:
    """Return what the record shows to have gone well, one sentence for each point."""
    return _limited(_well(incident, plan, now))


def could_improve(incident: Incident, entries: Sequence[Entry], plan: Plan, now: datetime) -> list[str]:
    """Return what the record shows to have gone wrong, one sentence for each point."""
    return _limited(_wrong(incident, entries, plan, now))


def _limited(lines: Iterator[str]) -> list[str]:
    found = list(dict.fromkeys(lines))
    more = len(found) - _MOST
    return [*found[:_MOST], f"{more} more of this kind: see the full record."] if more > 0 else found


# --- what went well --------------------------------------------------------------------------


def _well(incident: Incident, plan: Plan, now: datetime) -> Iterator[str]:
    if not incident.opened_by.person and incident.alerts and incident.time_to_detect is not None:
        yield f"Monitoring noticed it {short_duration(incident.time_to_detect)} after it began."
    for one in _clocks(plan, incident):
        if one.met and not one.stopped and not one.missed(now):
            yield f'"{plain(one.title)}" ({plain(one.severity, 20)}) was in time: {_took(incident, one)}.'
    changing = _changing(incident)
    periods, measures = incident.containment.periods, _measures(incident)
    if len(periods) == 1 and not periods[0].until and measures and measures[0].id == periods[0].act:
        yield f'The first measure, "{bare(periods[0].by, SHORT)}", contained it.'
    if len(changing) > 1 and all(act.outcome and act.outcome.good for act in changing):
        which = "Both" if len(changing) == 2 else f"All {len(changing)}"  # noqa: PLR2004 - both are two
        yield f"{which} acts on production were verified."


def _changing(incident: Incident) -> list[Act]:
    """Return the acts that were carried out on production."""
    return [act for act in incident.acts.values() if act.intended and changes_production(act)]


def _measures(incident: Incident) -> list[Act]:
    return [act for act in _changing(incident) if act.proposed.phase == "contain" and not act.proposed.undoes]


def _clocks(plan: Plan, incident: Incident) -> list[Deadline]:
    return [one for one in deadlines(plan, incident) if one.due and one.what in {"target", "duty", "notification"}]


def gap_words(start: datetime, end: datetime, zone: tzinfo) -> str:
    """Return a time in which nothing was recorded, as `14:30 to 14:50 (20 m)`."""
    return f"{clock(start, zone)} to {clock(end, zone)} ({short_duration(end - start)})"


def _took(incident: Incident, one: Deadline) -> str:
    within = f" of {one.target.within}" if one.target else ""
    return f"after {short_duration((one.met or incident.opened_at) - incident.opened_at)}{within}"


# --- what did not ----------------------------------------------------------------------------


def _wrong(incident: Incident, entries: Sequence[Entry], plan: Plan, now: datetime) -> Iterator[str]:
    for one in _clocks(plan, incident):
        if one.stopped and one.missed(now):
            yield f'"{plain(one.title)}" ({plain(one.severity, 20)}) was missed: the incident ended without it.'
        elif one.due and one.missed(now):
            late = short_duration((one.met or one.declined or now) - one.due)
            yield f'"{plain(one.title)}" ({plain(one.severity, 20)}) was missed by {late}.'
    yield from _lost(incident, plan)
    yield from _false_starts(incident)
    yield from _retries(incident)
    yield from _waits(incident)
    if incident.responds and LEAD not in incident.roles:
        yield "No one led the incident."
    recovered = incident.recovery.current
    for start, end in gaps(incident, entries)[:2]:
        if recovered is None or start < recovered.since:
            yield f"Nothing was recorded from {gap_words(start, end, plan.zone)}."


def _false_starts(incident: Incident) -> Iterator[str]:
    """Yield the acts that did not do what they were meant to do."""
    for act in incident.acts.values():
        outcome, title = act.outcome, bare(act.proposed.title, SHORT)
        if act.proposed.phase in {REMINDER, THREAD} or outcome is None:
            continue
        if outcome.status is ActStatus.REJECTED:
            yield f'"{title}" was proposed and denied.'
        elif outcome.status in _UNSURE or outcome.drifted or outcome.status is ActStatus.REFUSED:
            yield f'"{title}": {outcome_words(outcome).lower()}. {with_full_stop(bare(outcome.sentence, SHORT))}'
    first = incident.containment.first_at
    worked = {period.act for period in incident.containment.periods}
    for act in _measures(incident):
        done = act.outcome is not None and act.outcome.good and act.finished_at is not None
        if done and first and act.finished_at and act.finished_at < first and act.id not in worked:
            yield f'"{bare(act.proposed.title, SHORT)}" was done and did not contain it.'


def _lost(incident: Incident, plan: Plan) -> Iterator[str]:
    """Yield when containment or recovery did not last."""
    for word, history in (("Containment", incident.containment), ("Recovery", incident.recovery)):
        for period in history.lost:
            reason = with_full_stop(bare(period.reason, SHORT))
            yield f"{word} was lost at {clock(period.until or period.since, plan.zone)}: {reason}"


def _retries(incident: Incident) -> Iterator[str]:
    again = sum(len(state.answers) for state in incident.asks.values() if state.ask.kind is AskKind.RETRY)
    if again:
        yield f"People were asked {counted(again, 'time')} what to do after a check that was not healthy."


def _waits(incident: Incident) -> Iterator[str]:
    """Yield how often people had to be reminded, and of what."""
    given = {topic: len(states) for topic, states in incident.reminders.items() if states}
    answers = sum(count for topic, count in given.items() if topic.startswith("answer:"))
    pages = sum(count for topic, count in given.items() if topic.partition(":")[0] == "acknowledge")
    updates = sum(count for topic, count in given.items() if topic.startswith("update:"))
    if pages:
        yield f"A page was not acknowledged in time: it was escalated {counted(pages, 'time')}."
    if answers:
        yield f"Questions waited: people were reminded of them {counted(answers, 'time')}."
    if updates:
        yield f"Status updates were due: people were reminded of them {counted(updates, 'time')}."
