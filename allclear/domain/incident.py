"""An incident, as replaying its entries gives it. Nothing else knows how it stands."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from allclear.domain.action import ActStatus, Finding, Outcome, Refusal
from allclear.domain.approval import Ask
from allclear.domain.base import JsonDict, person_key
from allclear.domain.errors import JournalError
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    ActIntended,
    ActProposed,
    AlertJoined,
    AlertsCollapsed,
    AskAnswered,
    AskOpened,
    AskWithdrawn,
    Assessed,
    By,
    Contained,
    DecisionMade,
    Entry,
    FollowUpAdded,
    IncidentEnded,
    IncidentOpened,
    LedgerHandedOver,
    NoteAdded,
    PhaseEntered,
    PhaseLeft,
    PostMortemWritten,
    Recovered,
    ReminderDue,
    RoleTaken,
    RunStarted,
    SeverityChanged,
    StepDone,
    StormJoined,
    StormPassed,
    VetoWindowEnded,
)

REMINDER, LIVE_MESSAGE = "reminder", "live-message"
"""Stand in place of a phase where a message follows from the record: a reminder, and one that is kept up to date."""


@dataclass(frozen=True)
class Answer:
    """One person's answer to an ask."""

    yes: bool
    by: By
    reason: str
    identity: str
    at: datetime
    choice: str | None = None


@dataclass
class AskState:
    """An ask and its answers so far."""

    ask: Ask
    opened: datetime
    answers: list[Answer] = field(default_factory=list[Answer])
    withdrawn: str | None = None
    passed: bool = False
    """Whether its veto window is over."""
    number: int = 0
    """The entry that opened it: what came first is told by numbers, never by clocks."""

    @property
    def granted(self) -> bool:
        """Return whether enough different people said yes, of the right roles, and nobody no."""
        if self.denied or self.withdrawn is not None:
            return False
        policy = self.ask.policy
        said_yes = [answer for answer in self.answers if answer.yes]
        people = {person_key(answer.by.actor) for answer in said_yes}
        right = not policy.one_of or any(answer.by.role in policy.one_of for answer in said_yes)
        return self.passed or (right and len(people) >= policy.people)

    @property
    def chosen(self) -> str | None:
        """Return the candidate that was chosen, or None."""
        return next((answer.choice for answer in reversed(self.answers) if answer.yes and answer.choice), None)

    @property
    def denied(self) -> bool:
        """Return whether somebody said no: one is enough."""
        return self.withdrawn is None and any(not answer.yes for answer in self.answers)

    @property
    def open(self) -> bool:
        """Return whether an answer still counts."""
        return self.withdrawn is None and not self.denied and not self.granted


@dataclass
class Act:
    """One action in one incident, from the proposal to its outcome and undo."""

    proposed: ActProposed
    at: datetime
    by: By
    asks: list[str] = field(default_factory=list[str])
    intended: ActIntended | None = None
    intended_at: datetime | None = None
    outcome: Outcome | None = None
    finished_at: datetime | None = None
    undone_by: str | None = None
    handed_over: LedgerHandedOver | None = None
    number: int = 0
    """The entry that proposed it."""
    issued: int = 0
    """The entry after which it was done; 0 while it was not."""

    @property
    def id(self) -> str:
        """Return its id."""
        return self.proposed.act

    @property
    def refusals(self) -> list[Refusal]:
        """Return what spoke against it when it was proposed."""
        return self.proposed.refusals

    @property
    def status(self) -> ActStatus:
        """Return how far it has come."""
        if self.undone_by:
            return ActStatus.UNDONE
        if self.outcome:
            return self.outcome.status
        return ActStatus.REFUSED if self.refusals else ActStatus.PLANNED

    @property
    def change(self) -> JsonDict | None:
        """Return the change as it was issued, or else as it was proposed."""
        return self.intended.change if self.intended else self.proposed.change

    @property
    def begun(self) -> bool:
        """Return whether it was issued and nobody knows yet what became of it."""
        return self.intended is not None and self.outcome is None

    @property
    def in_place(self) -> bool:
        """Return whether something of it may still be in place, so that somebody must see to it."""
        if self.proposed.leaves is None or self.undone_by is not None:
            return False
        if self.outcome is None:
            return self.begun
        return self.outcome.changed and self.outcome.status in {
            ActStatus.APPLIED,
            ActStatus.VERIFIED,
            ActStatus.UNVERIFIED,
            ActStatus.INDETERMINATE,
        }

    @property
    def not_handed_over(self) -> bool:
        """Return whether it is in place and nobody has taken it over."""
        return self.in_place and self.handed_over is None


@dataclass
class StepState:
    """What a step has come to."""

    finding: Finding
    title: str
    at: datetime
    times: int = 1
    number: int = 0


@dataclass(frozen=True)
class ReminderState:
    """What people were to be told, and which entry says so."""

    said: ReminderDue
    at: datetime
    number: int


@dataclass
class Incident:
    """How an incident stands."""

    id: str
    opened: IncidentOpened
    opened_at: datetime
    opened_by: By
    severity: str
    head: str = ""
    length: int = 0
    title: str = ""
    kind: str = ""
    facets: dict[str, str] = field(default_factory=dict[str, str])
    phase: str | None = None
    entered: list[str] = field(default_factory=list[str])
    left: list[str] = field(default_factory=list[str])
    left_at: dict[str, str] = field(default_factory=dict[str, str])
    """Phase -> the severity at which it was left: a graver one may ask for more of it."""
    steps: dict[tuple[str, str], StepState] = field(default_factory=dict[tuple[str, str], StepState])
    acts: dict[str, Act] = field(default_factory=dict[str, Act])
    asks: dict[str, AskState] = field(default_factory=dict[str, AskState])
    roles: dict[str, str] = field(default_factory=dict[str, str])
    alerts: dict[str, AlertJoined] = field(default_factory=dict[str, AlertJoined])
    """Alert key -> the last that was heard of it."""
    held: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """Alert key -> when it was last written down that it flaps."""
    joined_at: datetime | None = None
    """When the last alert joined."""
    news: list[tuple[int, datetime, str]] = field(default_factory=list[tuple[int, datetime, str]])
    """What people are to hear of beyond the opening: the entry, when, and why."""
    collapsed: int = 0
    """How many alerts stand in no entry of their own."""
    collapsed_up_to: int = 0
    collapsed_at: datetime | None = None
    storm_umbrella: str | None = None
    """The incident that gathers a storm's troubles: people approve every act, until an alert comes after the storm."""
    severities: list[tuple[datetime, SeverityChanged]] = field(default_factory=list[tuple[datetime, SeverityChanged]])
    reminders: dict[str, list[ReminderState]] = field(default_factory=dict[str, list[ReminderState]])
    """Topic -> what people were reminded of, in order."""
    notes: list[tuple[datetime, By, NoteAdded | DecisionMade]] = field(
        default_factory=list[tuple[datetime, By, NoteAdded | DecisionMade]]
    )
    follow_ups: list[FollowUpAdded] = field(default_factory=list[FollowUpAdded])
    words: dict[str, str] = field(default_factory=dict[str, str])
    runs: dict[str, str] = field(default_factory=dict[str, str])
    began_in: dict[str, tuple[str, datetime]] = field(default_factory=dict[str, tuple[str, datetime]])
    """Flow run -> the process that it began in last, and when."""
    last_turn: tuple[int, datetime] | None = None
    """The entry with which it last took a turn that a team wants to hear of, and when."""
    last_human_entry: int = 0
    """The entry in which a person spoke last."""
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    paged_at: datetime | None = None
    contained_at: datetime | None = None
    contained: Contained | None = None
    recovered_at: datetime | None = None
    ended: IncidentEnded | None = None
    ended_at: datetime | None = None
    reviewed_at: datetime | None = None

    def is_of(self, *, simulated: bool) -> bool:
        """Return whether it is of that world: the simulated, or the real one."""
        return self.opened.simulated == simulated

    def shares_a_world_with(self, other: Incident) -> bool:
        """Return whether both are of one company, and both rehearsed or both real."""
        return (self.opened.company, self.opened.simulated) == (other.opened.company, other.opened.simulated)

    @property
    def news_at(self) -> datetime:
        """Return when people last had reason to hear of it."""
        return self.news[-1][1] if self.news else self.opened_at

    @property
    def began_at(self) -> datetime | None:
        """Return when the trouble began, where its source knew."""
        return self.opened.began

    @property
    def aware_at(self) -> datetime | None:
        """Return when the first person spoke of it: from then on the company knows."""
        return self.opened_at if self.opened_by.person else self.acknowledged_at

    @property
    def severities_had(self) -> list[str]:
        """Return every severity it has had, in order, the present one last."""
        return [self.opened.severity, *(changed.now for _, changed in self.severities)]

    @property
    def responds(self) -> bool:
        """Return whether a response was asked for: not by an act by hand alone."""
        return bool(not self.opened.manual or self.alerts or self.entered)

    @property
    def over(self) -> bool:
        """Return whether it has ended."""
        return self.ended is not None

    @property
    def open_asks(self) -> list[AskState]:
        """Return the asks that wait for people, oldest first."""
        return [state for state in self.asks.values() if state.open]

    @property
    def in_place(self) -> list[Act]:
        """Return the acts of which something is still in place, oldest first."""
        return [act for act in self.acts.values() if act.in_place]

    @property
    def unfinished(self) -> list[Act]:
        """Return the acts that were begun and have no outcome yet: somebody is at it, or was interrupted.

        A message that is under way is none of them: it holds nothing up.
        """
        return [act for act in self.acts.values() if act.begun and act.proposed.phase not in {REMINDER, LIVE_MESSAGE}]

    @property
    def not_handed_over(self) -> list[Act]:
        """Return the acts in place that nobody has taken over."""
        return [act for act in self.acts.values() if act.not_handed_over]

    @property
    def blocks_ending(self) -> list[Act]:
        """Return the acts that keep it from ending; a page is none of them, for the end closes it."""
        return [act for act in self.not_handed_over if not act.proposed.pages]

    @property
    def unacknowledged_pages(self) -> list[Act]:
        """Return the pages that are open and that nobody has taken: no person has spoken since they went out."""
        return [
            act
            for act in self.acts.values()
            if act.proposed.pages and act.in_place and act.issued > self.last_human_entry
        ]

    def act_of(self, phase: str, step: str) -> Act | None:
        """Return the latest act of a step, or None."""
        found = [a for a in self.acts.values() if (a.proposed.phase, a.proposed.step) == (phase, step)]
        return found[-1] if found else None

    def ask_of(self, phase: str, step: str) -> AskState | None:
        """Return the latest ask of a step, or None."""
        found = [s for s in self.asks.values() if (s.ask.phase, s.ask.step) == (phase, step)]
        return found[-1] if found else None

    def step(self, phase: str, step: str) -> StepState | None:
        """Return what a step came to, or None while it has no result."""
        return self.steps.get((phase, step))

    def since(self, start: datetime | None, end: datetime | None) -> timedelta | None:
        """Return the time between two moments, or None where one is unknown."""
        return None if start is None or end is None else end - start

    @property
    def time_to_detect(self) -> timedelta | None:
        """Return detection - beginning; None where the beginning is unknown."""
        return self.since(self.began_at, self.opened_at)

    @property
    def time_to_acknowledge(self) -> timedelta | None:
        """Return a person's first word - first page; None where nobody was paged, nobody spoke, or before any page."""
        span = self.since(self.paged_at, self.acknowledged_at)
        return span if span is not None and span >= timedelta(0) else None

    @property
    def time_to_contain(self) -> timedelta | None:
        """Return containment proven - beginning; None while either is unknown."""
        return self.since(self.began_at, self.contained_at)

    @property
    def time_to_recover(self) -> timedelta | None:
        """Return recovery proven - beginning; None while either is unknown."""
        return self.since(self.began_at, self.recovered_at)


def replay(entries: Iterable[Entry]) -> Incident | None:
    """Return the incident that `entries` (in order) tell of; None for no entries."""
    incident: Incident | None = None
    for entry in entries:
        if incident is None:
            incident = _open(entry)
        _apply(incident, entry)
    return incident


def apply_to(incident: Incident, entries: Iterable[Entry]) -> Incident:
    """Return the incident after `entries` (the next ones, in order); the one that was handed in stays as it was."""
    copied = _copy(incident)
    for entry in entries:
        _apply(copied, entry)
    return copied


def _copy(incident: Incident) -> Incident:
    """Return a copy of whatever applying an entry may change; records and findings are never changed."""
    copied = copy(incident)
    for name, value in vars(incident).items():
        if isinstance(value, dict | list):
            setattr(copied, name, copy(cast("dict[Any, Any] | list[Any]", value)))
    copied.acts = {name: replace(act, asks=list(act.asks)) for name, act in incident.acts.items()}
    copied.asks = {name: replace(ask, answers=list(ask.answers)) for name, ask in incident.asks.items()}
    return copied


def _open(entry: Entry) -> Incident:
    record = entry.record
    if not isinstance(record, IncidentOpened):
        raise JournalError(
            f"The record of {entry.incident} does not begin with its opening.", f"allclear verify {entry.incident}"
        )
    return Incident(
        id=entry.incident,
        opened=record,
        opened_at=entry.at,
        opened_by=entry.by,
        severity=record.severity,
        title=record.title,
        kind=record.incident_kind,
        facets=dict(record.facets),
    )


_DEEDS = (IncidentOpened, ActProposed, AskOpened, ActIntended, ActFinished)
"""What is written on a person's behalf and is no word of theirs: who pages by hand has not taken the page."""


_TURNS = (
    Acknowledged,
    RoleTaken,
    SeverityChanged,
    AskOpened,
    AskAnswered,
    AskWithdrawn,
    VetoWindowEnded,
    Contained,
    Recovered,
    LedgerHandedOver,
    IncidentEnded,
)
"""What changes how an incident stands, who leads it, or what waits for whom."""


def _apply(incident: Incident, entry: Entry) -> None:
    incident.head, incident.length = entry.hash, entry.number
    if entry.by.person and incident.acknowledged_at is None and not isinstance(entry.record, IncidentOpened):
        incident.acknowledged_at, incident.acknowledged_by = entry.at, entry.by.actor
        incident.last_turn = (entry.number, entry.at)
    if entry.by.person and not isinstance(entry.record, _DEEDS):
        incident.last_human_entry = entry.number
    if isinstance(entry.record, _TURNS):
        incident.last_turn = (entry.number, entry.at)
    for apply in (_apply_course, _apply_acts, _apply_alerts, _apply_words):
        if apply(incident, entry):
            return


def _apply_course(incident: Incident, entry: Entry) -> bool:
    match entry.record:
        case PhaseEntered(phase=phase):
            incident.phase = phase
            incident.entered.append(phase)
        case PhaseLeft(phase=phase):
            _leave(incident, phase, entry.at)
        case StepDone() as done:
            key = (done.phase, done.step)
            times = incident.steps[key].times + 1 if key in incident.steps else 1
            incident.steps[key] = StepState(done.finding, done.title, entry.at, times, entry.number)
        case SeverityChanged() as changed:
            incident.severity = changed.now
            incident.severities.append((entry.at, changed))
        case Assessed() as assessed:
            incident.facets |= assessed.facets
            incident.kind = assessed.incident_kind or incident.kind
        # The first word of each kind counts: the clocks that start or stop with it stand from then on.
        case Contained() as contained:
            incident.contained = incident.contained or contained
            incident.contained_at = incident.contained_at or entry.at
        case Recovered():
            incident.recovered_at = incident.recovered_at or entry.at
        case IncidentEnded() as ended:
            incident.ended, incident.ended_at = incident.ended or ended, incident.ended_at or entry.at
        case RunStarted(phase=phase, run=run, holder=holder):
            incident.runs[phase] = run
            incident.began_in[run] = (holder, entry.at)
        case _:
            return False
    return True


def _leave(incident: Incident, phase: str, at: datetime) -> None:
    incident.left_at[phase] = incident.severity
    incident.left = list(dict.fromkeys([*incident.left, phase]))
    if phase == "review":
        incident.reviewed_at = at


def _apply_acts(incident: Incident, entry: Entry) -> bool:
    match entry.record:
        case ActProposed() as proposed:
            incident.acts[proposed.act] = Act(proposed, entry.at, entry.by, number=entry.number)
        case AskOpened(ask=ask):
            incident.asks[ask.id] = AskState(ask, entry.at, number=entry.number)
            if ask.act in incident.acts:
                incident.acts[ask.act].asks.append(ask.id)
        case AskAnswered() as said:
            answer = Answer(said.yes, entry.by, said.reason, said.identity, entry.at, said.choice)
            incident.asks[said.ask].answers.append(answer)
        case VetoWindowEnded(ask=ask):
            incident.asks[ask].passed = True
        case AskWithdrawn() as voided:
            incident.asks[voided.ask].withdrawn = voided.reason
        case ActIntended() as intended:
            act = incident.acts[intended.act]
            act.intended, act.intended_at, act.issued = intended, entry.at, entry.number
        case ActFinished() as finished:
            _finish(incident, entry, finished)
        case LedgerHandedOver() as handed_over:
            incident.acts[handed_over.act].handed_over = handed_over
        case _:
            return False
    return True


def _finish(incident: Incident, entry: Entry, finished: ActFinished) -> None:
    act = incident.acts[finished.act]
    act.outcome, act.finished_at = finished.outcome, entry.at
    if act.proposed.leaves or act.proposed.undoes:
        incident.last_turn = (entry.number, entry.at)
    undoes = act.proposed.undoes
    if undoes in incident.acts and finished.outcome.good:
        incident.acts[undoes].undone_by = act.id
    if act.proposed.pages and finished.outcome.changed and incident.paged_at is None:
        incident.paged_at = entry.at


def _join(incident: Incident, entry: Entry, alert: AlertJoined) -> None:
    if alert.state == "firing" and alert.key not in incident.alerts:
        incident.joined_at = entry.at
    incident.alerts[alert.key] = alert
    if alert.flapping:
        incident.held[alert.key] = entry.at
    else:
        incident.held.pop(alert.key, None)
    if alert.news:
        incident.news.append((entry.number, entry.at, alert.news))


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


def _apply_words(incident: Incident, entry: Entry) -> bool:
    match entry.record:
        case Acknowledged():
            pass  # every word of a person acknowledges
        case ReminderDue() as said:
            incident.reminders.setdefault(said.topic, []).append(ReminderState(said, entry.at, entry.number))
        case RoleTaken(role=role, person=person):
            incident.roles[role] = person
        case NoteAdded() | DecisionMade() as note:
            incident.notes.append((entry.at, entry.by, note))
        case PostMortemWritten(field=name, text=text):
            incident.words[name] = text
        case FollowUpAdded() as follow_up:
            incident.follow_ups.append(follow_up)
        case _:
            return False
    return True
