"""The state of an incident, which `allclear.domain.replay` builds from the journal's entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

from allclear.domain.act import Act
from allclear.domain.action import Finding
from allclear.domain.ask_state import AskState
from allclear.domain.notify.page_news import PagerState
from allclear.domain.pseudo_phases import MESSAGES
from allclear.domain.records import (
    AlertJoined,
    By,
    DecisionMade,
    FollowUpAdded,
    IncidentEnded,
    IncidentOpened,
    NoteAdded,
    ReminderDue,
    RunReplaced,
    SeverityChanged,
)
from allclear.domain.scope import Scope
from allclear.domain.states import Check, Loss, Period, Recheck, StateHistory, Turn


@dataclass
class StepState:
    """The latest result of a step, and how many times it has run."""

    finding: Finding
    title: str
    at: datetime
    times: int = 1
    number: int = 0


@dataclass(frozen=True)
class RoleNews:
    """A role that is offered to a person, or that a person took from its holder; and the entry that says so."""

    role: str
    to: str
    by: str
    holder: str | None
    at: datetime
    number: int


@dataclass(frozen=True)
class ReminderState:
    """A reminder that was due, and the entry that records it."""

    reminder: ReminderDue
    at: datetime
    number: int


@dataclass(frozen=True)
class Classification:
    """The kind and severity of an incident from one entry on. They decide who may read it."""

    number: int
    at: datetime
    kind: str
    severity: str


@dataclass
class Incident:
    """The state of an incident."""

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
    facets_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """Facet -> when it was set last after the opening."""
    requests: dict[str, int] = field(default_factory=dict[str, int])
    """The key of each request of a person that was carried out, and the number of its first entry."""
    phase: str | None = None
    entered: list[str] = field(default_factory=list[str])
    left: list[str] = field(default_factory=list[str])
    left_at: dict[str, str] = field(default_factory=dict[str, str])
    """Phase -> the severity when it was left, because a graver severity can add steps to it."""
    left_entries: dict[str, int] = field(default_factory=dict[str, int])
    """Phase -> the number of the entry by which it was left last."""
    steps: dict[tuple[str, str], StepState] = field(default_factory=dict[tuple[str, str], StepState])
    acts: dict[str, Act] = field(default_factory=dict[str, Act])
    tries: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict[tuple[str, str], tuple[str, ...]])
    """Phase and step -> the ids of its acts, oldest first."""
    asks: dict[str, AskState] = field(default_factory=dict[str, AskState])
    roles: dict[str, str] = field(default_factory=dict[str, str])
    offers: dict[str, RoleNews] = field(default_factory=dict[str, RoleNews])
    """Role -> the offer that is not accepted yet."""
    taken_roles: list[RoleNews] = field(default_factory=list[RoleNews])
    """The roles that a person took from their holders without an offer."""
    alerts: dict[str, AlertJoined] = field(default_factory=dict[str, AlertJoined])
    """Alert key -> the alert as it was received last."""
    flapping: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """Alert key -> when the record noted last that it is flapping."""
    joined_at: datetime | None = None
    """When the last alert joined."""
    news: list[tuple[int, datetime, str]] = field(default_factory=list[tuple[int, datetime, str]])
    """News after the opening that people are notified of: the number of the entry, when, and why."""
    collapsed: int = 0
    """How many alerts were only counted, without an entry of their own."""
    collapsed_up_to: int = 0
    collapsed_at: datetime | None = None
    storm_umbrella: str | None = None
    """The incident that gathers the alert storm. While it is set, every act needs an approval."""
    classifications: list[Classification] = field(default_factory=list[Classification])
    """Each kind and severity that it has had, in order, the present ones last."""
    severities: list[tuple[datetime, SeverityChanged]] = field(default_factory=list[tuple[datetime, SeverityChanged]])
    reminders: dict[str, list[ReminderState]] = field(default_factory=dict[str, list[ReminderState]])
    """Topic -> its reminders so far, in order."""
    notes: list[tuple[datetime, By, NoteAdded | DecisionMade]] = field(
        default_factory=list[tuple[datetime, By, NoteAdded | DecisionMade]]
    )
    told: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """Audience -> when a person recorded last that it was informed."""
    follow_ups: list[FollowUpAdded] = field(default_factory=list[FollowUpAdded])
    follow_ups_done: dict[int, datetime] = field(default_factory=dict[int, datetime])
    """Number of a follow-up, 1 for the first -> when it was done."""
    written: dict[str, str] = field(default_factory=dict[str, str])
    """Field of the post-mortem -> what a person wrote."""
    runs: dict[str, str] = field(default_factory=dict[str, str])
    run_holders: dict[str, tuple[str, datetime]] = field(default_factory=dict[str, tuple[str, datetime]])
    """Flow run -> the process in which it started last, and when."""
    replaced_runs: dict[str, tuple[RunReplaced, datetime]] = field(
        default_factory=dict[str, tuple[RunReplaced, datetime]]
    )
    """Flow run -> the record that another one was started for it, and when."""
    turns: list[Turn] = field(default_factory=list[Turn])
    last_change: tuple[int, datetime] | None = None
    """The number and time of the last entry that live messages show: a change of state, lead or waiting approvals."""
    actors: dict[str, By] = field(default_factory=dict[str, By])
    """Each person who has written an entry, by `person_key`, as of that person's last entry."""
    last_entries: dict[tuple[str, str | None], int] = field(default_factory=dict[tuple[str, str | None], int])
    """Person (by `person_key`) and role -> the number of the last entry of that person in that role.

    Sending a page does not count."""
    last_ack: int = 0
    """The number of the last entry by which a person took the incident with `allclear ack`."""
    last_ack_by: str = ""
    """The person who wrote it, by `person_key`."""
    acks: dict[str, tuple[int, By]] = field(default_factory=dict[str, tuple[int, By]])
    """Each person who took the incident, by `person_key` -> the number and the author of the last such entry."""
    pager: dict[str, PagerState] = field(default_factory=dict[str, PagerState])
    """The pager's id of a page of ours -> how it stands there, as far as the pager has reported it."""
    rung_again: tuple[int, datetime] | None = None
    """The number and time of the last entry by which a page rang again that a person had taken."""
    last_answer: int = 0
    """The number of the last answer to a question that decides for all, such as an approval; a step is none."""
    acknowledgement: StateHistory = field(default_factory=StateHistory)
    hold: StateHistory = field(default_factory=StateHistory)
    """When people have stopped everything automatic, who, and why."""
    containment: StateHistory = field(default_factory=StateHistory)
    recovery: StateHistory = field(default_factory=StateHistory)
    holders: dict[str, StateHistory] = field(default_factory=dict[str, StateHistory])
    """Role -> who has had it, and from when until when."""
    recheck: Recheck | None = None
    """Why the contained or recovered incident is probed again; None if it is not."""
    recurrences: tuple[int, ...] = ()
    """The numbers of the entries by which an alert fired on the contained or recovered incident."""
    confirmations: tuple[int, ...] = ()
    """The numbers of the entries by which the incident was found to be contained or recovered still, after a doubt."""
    loss: Loss | None = None
    """The last end of containment or recovery, as long as the incident is neither contained nor recovered again."""
    last_check: Check | None = None
    good_checks: tuple[datetime, ...] = ()
    """When the last health checks were made that were all good, with no change of production between them."""
    service_changed: int = 0
    """The number of the last entry by which an act changed how users are served; 0 for none."""
    paged_at: datetime | None = None
    """When the first page was sent, or was not needed because the person on call was acting already."""
    known_at: datetime | None = None
    """When the company became aware of it, if a person said so: clocks that count from awareness start then."""
    ended: IncidentEnded | None = None
    ended_at: datetime | None = None
    ended_number: int = 0
    """The number of the entry that ended it; 0 while it is open."""
    reviewed_at: datetime | None = None

    @property
    def scope(self) -> Scope:
        """Return to which company it belongs, and whether it is a drill's."""
        return Scope(self.opened.company, simulated=self.opened.simulated)

    @property
    def news_at(self) -> datetime:
        """Return when the last news came that people are notified of; else when the incident opened."""
        return self.news[-1][1] if self.news else self.opened_at

    @property
    def began_at(self) -> datetime | None:
        """Return when the trouble began, or None if its source did not know."""
        return self.opened.began_at

    @property
    def aware_at(self) -> datetime | None:
        """Return when the company became aware: as a person said, else the first entry by a person; None before it."""
        return self.known_at or (self.opened_at if self.opened_by.person else self.acknowledged_at)

    @property
    def acknowledged(self) -> Period | None:
        """Return since when and by whom it is acknowledged; None if it is not, or not since containment was lost."""
        return self.acknowledgement.current

    @property
    def acknowledged_at(self) -> datetime | None:
        """Return when it was acknowledged first, or None."""
        return self.acknowledgement.first_at

    @property
    def acknowledged_by(self) -> str | None:
        """Return who acknowledged it first, or None."""
        return self.acknowledgement.periods[0].by if self.acknowledgement.periods else None

    @property
    def held(self) -> Period | None:
        """Return since when, by whom and why nothing automatic may happen; None if it may, or if it has ended."""
        return None if self.over else self.hold.current

    @property
    def contained(self) -> Period | None:
        """Return since when and by what it is contained; None unless the last check after the last change proves it."""
        return self.containment.proven

    @property
    def contained_at(self) -> datetime | None:
        """Return since when it is contained, or None."""
        return self.contained.since if self.contained else None

    @property
    def recovered(self) -> Period | None:
        """Return since when it has recovered; None unless checks after the last change prove it."""
        return self.recovery.proven

    @property
    def recovered_at(self) -> datetime | None:
        """Return since when it has recovered, or None."""
        return self.recovered.since if self.recovered else None

    @property
    def last_lost(self) -> int:
        """Return the number of the last entry that ended containment or recovery; 0 without one."""
        return max(self.containment.last_lost, self.recovery.last_lost)

    @property
    def asked_again(self) -> tuple[int, datetime] | None:
        """Return the number and time of the last entry since which a person is needed anew, or None.

        Containment or recovery was lost, or the pager reported that a page rings again that a person had taken.
        """
        lost = (self.loss.number, self.loss.at) if self.loss else None
        return max((one for one in (lost, self.rung_again) if one), default=None)

    @property
    def severities_had(self) -> list[str]:
        """Return every severity that it has had, in order, the present one last."""
        return [self.opened.severity, *(changed.now for _, changed in self.severities)]

    @property
    def responds(self) -> bool:
        """Return whether a response was asked for: not by an act that a person started by hand, or by a ticket."""
        return bool(not self.opened.manual or self.alerts or self.entered) and not self.opened.ticket

    @property
    def over(self) -> bool:
        """Return whether it has ended."""
        return self.ended is not None

    @property
    def ended_unresolved(self) -> bool:
        """Return whether it was a false alarm or was abandoned: no one has to be informed, and nothing is reviewed."""
        return self.ended is not None and self.ended.ending != "resolved"

    @property
    def ends_without_recovery(self) -> list[str]:
        """Return why alerts have ended without a recovery, as clauses: then the incident does not end by itself."""
        ended = (alert for alert in self.alerts.values() if alert.state == "resolved" and alert.no_recovery)
        return list(dict.fromkeys(alert.no_recovery for alert in ended))

    @property
    def open_asks(self) -> list[AskState]:
        """Return the asks that wait for people, oldest first."""
        return [state for state in self.asks.values() if state.open]

    @property
    def in_place(self) -> list[Act]:
        """Return the acts of which something is still in place, oldest first."""
        return [act for act in self.acts.values() if act.in_place]

    @property
    def changes_in_place(self) -> list[Act]:
        """Return the acts in place that changed production: without pages, which the incident's end closes."""
        return [act for act in self.in_place if not act.proposed.pages]

    @property
    def open_pages(self) -> int:
        """Return how many pages are open at the pager."""
        return len(self.in_place) - len(self.changes_in_place)

    @property
    def unfinished(self) -> list[Act]:
        """Return the acts that were issued and have no outcome yet.

        Messages are left out, because nothing waits for them.
        """
        return [act for act in self.acts.values() if act.begun and act.proposed.phase not in MESSAGES]

    @property
    def not_handed_over(self) -> list[Act]:
        """Return the acts in place that no person has taken over."""
        return [act for act in self.acts.values() if act.not_handed_over]

    @property
    def blocks_ending(self) -> list[Act]:
        """Return the acts that keep it from ending. Pages are left out, because the end closes them."""
        return [act for act in self.not_handed_over if not act.proposed.pages]

    def act_of(self, phase: str, step: str) -> Act | None:
        """Return the latest act of a step, or None."""
        tries = self.tries.get((phase, step))
        return self.acts[tries[-1]] if tries else None

    def steps_tried(self, phase: str) -> list[str]:
        """Return the steps of a phase or pseudo-phase that have acts, in the order of their first act."""
        return [step for name, step in self.tries if name == phase]

    def failed_in_a_row(self, phase: str, step: str) -> list[Act]:
        """Return the last tries of a step that failed one after another, oldest first; one under way does not count."""
        ended = [act for name in self.tries.get((phase, step), ()) if (act := self.acts[name]).outcome]
        failed = takewhile(lambda act: act.outcome and not act.outcome.good, reversed(ended))
        return list(failed)[::-1]

    def ask_of(self, phase: str, step: str) -> AskState | None:
        """Return the latest ask of a step, or None. One that was withdrawn with its step does not count."""
        asks = [
            state
            for state in self.asks.values()
            if (state.ask.phase, state.ask.step) == (phase, step) and not state.inapplicable
        ]
        return asks[-1] if asks else None

    def step(self, phase: str, step: str) -> StepState | None:
        """Return the result of a step, or None while it has none."""
        return self.steps.get((phase, step))

    def since(self, start: datetime | None, end: datetime | None) -> timedelta | None:
        """Return the time between two moments, or None if one is unknown."""
        return None if start is None or end is None else end - start

    @property
    def time_to_detect(self) -> timedelta | None:
        """Return detection - beginning; None if the beginning is unknown."""
        return self.since(self.began_at, self.opened_at)

    @property
    def time_to_acknowledge(self) -> timedelta | None:
        """Return acknowledgement - first page; None without either, or if the acknowledgement came first."""
        span = self.since(self.paged_at, self.acknowledged_at)
        return span if span is not None and span >= timedelta(0) else None

    @property
    def time_to_contain(self) -> timedelta | None:
        """Return the beginning of the containment that lasted - beginning; None while either is unknown."""
        current = self.containment.current
        return self.since(self.began_at, current.since if current else None)

    @property
    def time_to_recover(self) -> timedelta | None:
        """Return the beginning of the recovery that lasted - beginning; None while either is unknown."""
        current = self.recovery.current
        return self.since(self.began_at, current.since if current else None)
