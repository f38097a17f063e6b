"""How an incident stands: the state that `allclear.domain.replay` builds from the journal's entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from allclear.domain.action import ActStatus, Finding, Outcome, Refusal
from allclear.domain.approval import Ask
from allclear.domain.base import JsonDict, person_key
from allclear.domain.records import (
    ActIntended,
    ActProposed,
    AlertJoined,
    By,
    Contained,
    DecisionMade,
    FollowUpAdded,
    IncidentEnded,
    IncidentOpened,
    LedgerHandedOver,
    NoteAdded,
    ReminderDue,
    SeverityChanged,
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
