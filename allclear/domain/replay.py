"""Replaying the journal's entries into an incident: what each record changes."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from typing import Any, cast

from allclear.domain.act import Act, LedgerNews
from allclear.domain.action import Outcome
from allclear.domain.ask_state import Answer, AskState
from allclear.domain.errors import JournalError
from allclear.domain.incident import Classification, Incident, ReminderState, StepState
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    ActIntended,
    ActProposed,
    ActSettled,
    AlertJoined,
    AlertsCollapsed,
    AnswerRefused,
    AskAnswered,
    AskOpened,
    AskWithdrawn,
    Assessed,
    AudienceTold,
    Contained,
    DecisionMade,
    Entry,
    FollowUpAdded,
    FollowUpDone,
    HoldEnded,
    HoldStarted,
    IncidentEnded,
    IncidentOpened,
    LedgerHandedOver,
    LedgerNoted,
    LedgerSuperseded,
    NoteAdded,
    PageHeard,
    PhaseEntered,
    PhaseLeft,
    PostMortemWritten,
    Recovered,
    ReminderDue,
    RoleOffered,
    RoleTaken,
    RunReplaced,
    RunStarted,
    SeverityChanged,
    StepDone,
    StormJoined,
    StormPassed,
    VetoWindowEnded,
)
from allclear.domain.replay_states import (
    apply_author,
    apply_change,
    apply_check,
    apply_contained,
    apply_hold,
    apply_page_heard,
    apply_recovered,
    apply_role,
    ask_for_check,
)
from allclear.domain.states import Turn

_TURNS = (
    Acknowledged,
    HoldStarted,
    HoldEnded,
    RoleTaken,
    SeverityChanged,
    AskOpened,
    AskAnswered,
    AskWithdrawn,
    VetoWindowEnded,
    Contained,
    Recovered,
    LedgerHandedOver,
    LedgerSuperseded,
    IncidentEnded,
)
"""Records that change the state of an incident, its lead, or what waits for people."""


def replay(entries: Iterable[Entry]) -> Incident | None:
    """Return the incident that `entries` describe, in order; None without entries.

    Raises JournalError if the first entry does not open an incident.
    """
    incident: Incident | None = None
    for entry in entries:
        if incident is None:
            incident = _open(entry)
        _apply(incident, entry)
    return incident


def apply_to(incident: Incident, entries: Iterable[Entry]) -> Incident:
    """Return a copy of `incident` after the `entries` that follow in its record; `incident` itself does not change."""
    copied = _copy(incident)
    for entry in entries:
        _apply(copied, entry)
    return copied


def _copy(incident: Incident) -> Incident:
    """Copy what applying an entry can change in place.

    Acts and asks are shared until an entry changes one (`_own_act`, `_own_ask`): there may be hundreds of them. Records
    and findings never change.
    """
    copied = copy(incident)
    for name, value in vars(incident).items():
        if isinstance(value, dict | list):
            setattr(copied, name, copy(cast("dict[Any, Any] | list[Any]", value)))
    return copied


def _own_act(incident: Incident, act_id: str) -> Act:
    """Put a copy in place of an act, which an earlier state of the incident may share, and return the copy."""
    act = incident.acts[act_id]
    own = incident.acts[act_id] = replace(act, asks=list(act.asks))
    return own


def _own_ask(incident: Incident, ask_id: str) -> AskState:
    """Put a copy in place of an ask, which an earlier state of the incident may share, and return the copy."""
    ask = incident.asks[ask_id]
    own = incident.asks[ask_id] = replace(ask, answers=list(ask.answers), refused=list(ask.refused))
    return own


def _open(entry: Entry) -> Incident:
    opened = entry.record
    if not isinstance(opened, IncidentOpened):
        raise JournalError(
            f"The record of {entry.incident} does not begin with its opening.", f"allclear verify {entry.incident}"
        )
    return Incident(
        id=entry.incident,
        opened=opened,
        opened_at=entry.at,
        opened_by=entry.by,
        severity=opened.severity,
        title=opened.title,
        kind=opened.incident_kind,
        facets=dict(opened.facets),
        known_at=opened.known_at,
    )


def _apply(incident: Incident, entry: Entry) -> None:
    incident.head, incident.length = entry.hash, entry.number
    if entry.by.request:
        incident.requests.setdefault(entry.by.request, entry.number)
    if entry.by.person:
        apply_author(incident, entry)
    if isinstance(entry.record, _TURNS):
        incident.last_change = (entry.number, entry.at)
    for apply in (_apply_phases, _apply_state, _apply_asks, _apply_acts, _apply_alerts, _apply_people):
        if apply(incident, entry):
            break
    _note_classification(incident, entry)
    _note_turn(incident, entry)


def _note_classification(incident: Incident, entry: Entry) -> None:
    """Note the kind and the severity, if the entry has changed one of them."""
    known = incident.classifications[-1] if incident.classifications else None
    if known is None or (known.kind, known.severity) != (incident.kind, incident.severity):
        now = Classification(entry.number, entry.at, incident.kind, incident.severity)
        incident.classifications.append(now)


def _note_turn(incident: Incident, entry: Entry) -> None:
    """Note that the entry is a turn, if it is one: a record that changed nothing, as a second end, is none."""
    contained, recovered = incident.containment.current, incident.recovery.current
    calls, person = False, ""
    match entry.record:
        case AskAnswered() | VetoWindowEnded() | HoldStarted() | HoldEnded():
            turn = True
        case RoleOffered(to=person):
            turn = True
        case Contained():
            turn = contained is not None and contained.number == entry.number
        case Recovered():
            turn = recovered is not None and recovered.number == entry.number
        case IncidentEnded() as ended:
            turn = incident.ended is ended
        case StepDone():
            turn = calls = incident.loss is not None and incident.loss.number == entry.number
        case _:
            return
    if turn:
        incident.turns.append(Turn(entry.number, entry.at, calls, person))


def _apply_phases(incident: Incident, entry: Entry) -> bool:
    match entry.record:
        case PhaseEntered(phase=phase):
            incident.phase = phase
            incident.entered.append(phase)
        case PhaseLeft(phase=phase):
            _leave(incident, phase, entry)
        case StepDone() as done:
            key = (done.phase, done.step)
            times = incident.steps[key].times + 1 if key in incident.steps else 1
            incident.steps[key] = StepState(done.finding, done.title, entry.at, times, entry.number)
            apply_check(incident, entry, done)
        case RunStarted(phase=phase, run=run, holder=holder):
            incident.runs[phase] = run
            incident.run_holders[run] = (holder, entry.at)
        case RunReplaced() as replaced:
            incident.replaced_runs[replaced.run] = (replaced, entry.at)
        case _:
            return False
    return True


def _leave(incident: Incident, phase: str, entry: Entry) -> None:
    incident.left_at[phase], incident.left_entries[phase] = incident.severity, entry.number
    incident.left = list(dict.fromkeys([*incident.left, phase]))
    if phase == "review":
        incident.reviewed_at = entry.at


def _apply_state(incident: Incident, entry: Entry) -> bool:
    """Apply a record about the incident as a whole. It ends once: the first `IncidentEnded` counts."""
    match entry.record:
        case SeverityChanged() as changed:
            incident.severity = changed.now
            incident.severities.append((entry.at, changed))
        case Assessed() as assessed:
            incident.facets |= assessed.facets
            incident.facets_at |= dict.fromkeys(assessed.facets, entry.at)
            incident.kind = assessed.incident_kind or incident.kind
            incident.known_at = assessed.known_at or incident.known_at
        case HoldStarted() | HoldEnded() as hold:
            apply_hold(incident, entry, hold)
        case Contained() as contained:
            apply_contained(incident, entry, contained)
        case Recovered() as recovered:
            apply_recovered(incident, entry, recovered)
        case IncidentEnded() as ended:
            if incident.ended is None:
                incident.ended, incident.ended_at, incident.ended_number = ended, entry.at, entry.number
        case _:
            return False
    return True


def _apply_asks(incident: Incident, entry: Entry) -> bool:
    match entry.record:
        case AskOpened(ask=ask):
            incident.asks[ask.id] = AskState(ask, entry.at, number=entry.number)
            if ask.act in incident.acts:
                _own_act(incident, ask.act).asks.append(ask.id)
        case AskAnswered() as answered:
            answer = Answer(answered.yes, entry.by, answered.reason, entry.at, answered.choice)
            _own_ask(incident, answered.ask).answers.append(answer)
        case VetoWindowEnded(ask=ask):
            _own_ask(incident, ask).veto_window_ended = True
        case AskWithdrawn() as withdrawn:
            state = _own_ask(incident, withdrawn.ask)
            state.withdrawn, state.inapplicable = withdrawn.reason, withdrawn.inapplicable
        case AnswerRefused(ask=ask) as refused:
            _own_ask(incident, ask).refused.append(refused)
        case _:
            return False
    return True


def _apply_acts(incident: Incident, entry: Entry) -> bool:
    match entry.record:
        case ActProposed() as proposed:
            incident.acts[proposed.act] = Act(proposed, entry.at, entry.by, number=entry.number)
            step = proposed.phase, proposed.step
            incident.tries[step] = (*incident.tries.get(step, ()), proposed.act)
        case ActIntended() as intended:
            act = _own_act(incident, intended.act)
            act.intended, act.intended_at, act.issued = intended, entry.at, entry.number
        case ActFinished() as finished:
            _finish(incident, entry, finished.act, finished.outcome)
        case ActSettled() as settled:
            _finish(incident, entry, settled.act, settled.outcome)
            incident.acts[settled.act].settled_at = entry.at
        case LedgerHandedOver() as handed_over:
            _own_act(incident, handed_over.act).handed_over = handed_over
        case LedgerSuperseded() as superseded:
            act = _own_act(incident, superseded.act)
            act.superseded, act.superseded_at, act.superseded_by = superseded, entry.at, entry.by
        case LedgerNoted() as noted:
            act = _own_act(incident, noted.act)
            act.news = (*act.news, LedgerNews(noted.key, noted.text, entry.at))
            incident.last_change = (entry.number, entry.at)
            if noted.moved:  # another person has changed what the act had changed
                apply_change(incident, entry, act)
        case _:
            return False
    return True


def _finish(incident: Incident, entry: Entry, act_id: str, outcome: Outcome) -> None:
    act = _own_act(incident, act_id)
    act.outcome, act.finished_at = outcome, act.finished_at or entry.at
    if act.proposed.leaves or act.proposed.undoes:
        incident.last_change = (entry.number, entry.at)
    undoes = act.proposed.undoes
    if undoes in incident.acts and outcome.good:
        _own_act(incident, undoes).undone_by = act.id
    if act.proposed.pages and (outcome.changed or outcome.good) and incident.paged_at is None:
        incident.paged_at = entry.at
    apply_change(incident, entry, act)


def _apply_alerts(incident: Incident, entry: Entry) -> bool:
    match entry.record:
        case AlertJoined() as alert:
            _join(incident, entry, alert)
        case AlertsCollapsed(count=count, up_to=up_to):
            incident.collapsed += count
            incident.collapsed_up_to, incident.collapsed_at, incident.joined_at = up_to, entry.at, entry.at
        case StormJoined(umbrella=umbrella):
            incident.storm_umbrella, incident.joined_at = umbrella, entry.at
        case StormPassed():
            incident.storm_umbrella = None
        case _:
            return False
    return True


def _join(incident: Incident, entry: Entry, alert: AlertJoined) -> None:
    known = incident.alerts.get(alert.key)
    if alert.state == "firing" and known is None:
        incident.joined_at = entry.at
    if known is None or known.state != alert.state:
        incident.last_change = (entry.number, entry.at)
        if alert.state == "firing" and ask_for_check(incident, entry.number, entry.at):
            incident.recurrences = (*incident.recurrences, entry.number)
    before = known.ticket if known else ""
    incident.alerts[alert.key] = alert if alert.ticket or not before else alert.model_copy(update={"ticket": before})
    if alert.flapping:
        incident.flapping[alert.key] = entry.at
    else:
        incident.flapping.pop(alert.key, None)
    if alert.news:
        incident.news.append((entry.number, entry.at, alert.news))


def _apply_people(incident: Incident, entry: Entry) -> bool:
    match entry.record:
        case PageHeard() as heard:
            apply_page_heard(incident, entry, heard)
        case Acknowledged():
            pass  # `apply_author` has done it, as for every entry by a person
        case ReminderDue() as reminder:
            incident.reminders.setdefault(reminder.topic, []).append(ReminderState(reminder, entry.at, entry.number))
        case RoleOffered() | RoleTaken() as role:
            apply_role(incident, entry, role)
        case NoteAdded() | DecisionMade() as note:
            incident.notes.append((entry.at, entry.by, note))
        case AudienceTold(audience=audience):
            incident.told[audience] = entry.at
        case PostMortemWritten(field=name, text=text):
            incident.written[name] = text
        case FollowUpAdded() as follow_up:
            incident.follow_ups.append(follow_up)
        case FollowUpDone(number=number):
            incident.follow_ups_done.setdefault(number, entry.at)
        case _:
            return False
    return True
