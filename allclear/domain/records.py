"""The records of the journal: a closed list, each one fact that happened.

An *entry* is a record with its author, time, channel, and place in the hash chain. Replaying an incident's entries
gives its state (`allclear.domain.replay`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from allclear.domain.action import Finding, Outcome, Refusal
from allclear.domain.approval import Ask
from allclear.domain.base import JsonDict, Model, Moment
from allclear.domain.proof import Proof

FIRES_AGAIN = "it fires again"
"""Why people are notified of an alert that fires again after it was resolved."""


class IncidentOpened(Model):
    """An incident opened, because of an alert or because a person declared it."""

    kind: Literal["incident.opened"] = "incident.opened"
    company: str
    title: str
    severity: str
    service: str
    runbook: str
    incident_kind: str = "outage"
    impact: str = Field(default="", description="What users notice, from the alert's route in the plan.")
    feature: str = Field(default="", description="What is affected, in the users' words; the service's title if empty.")
    reported: str = Field(description="How it became known, as `alert from alertmanager` or `declared by Ana`.")
    began_at: Moment | None = Field(default=None, description="When the trouble began, as far as its source knows.")
    known_at: Moment | None = Field(
        default=None, description="When the company became aware of it, if the person who declares it says so."
    )
    facets: dict[str, str] = Field(default={}, description="The facets of the plan that are known.")
    simulated: bool = False
    manual: bool = Field(
        default=False, description="Opened for one action that a person started: no response was asked for."
    )
    umbrella: bool = Field(default=False, description="Opened for an alert storm: new alerts join it.")


class AlertJoined(Model):
    """An alert that belongs to this incident; its text is untrusted."""

    kind: Literal["alert.joined"] = "alert.joined"
    delivery: str = Field(description="The delivery in the inbox that it came with.")
    source: str
    key: str
    state: Literal["firing", "resolved"]
    title: str
    at: Moment | None = Field(default=None, description="The source's own time.")
    authenticated: bool = Field(default=False, description="Whether the source proved its identity.")
    flapping: bool = Field(default=False, description="Whether it changes too often, so that it counts as firing.")
    news: str = Field(default="", description="Why people are notified of it; empty if they are not.")
    no_recovery: str = Field(default="", description="Why its end is no recovery; empty if it is one.")


class AlertsCollapsed(Model):
    """Too many alerts to have an entry each; the inbox has a decision for each of them."""

    kind: Literal["alerts.collapsed"] = "alerts.collapsed"
    count: int = Field(description="How many since the last entry of this kind.")
    up_to: int = Field(description="The number of the last one among the decisions.")


class StormJoined(Model):
    """An alert storm includes this incident: every act in it needs an approval."""

    kind: Literal["storm.joined"] = "storm.joined"
    umbrella: str = Field(description="The incident that new alerts join; it may be this one.")


class StormPassed(Model):
    """An alert joined after the storm: automatic action is allowed again."""

    kind: Literal["storm.passed"] = "storm.passed"
    umbrella: str = Field(description="The incident that new alerts joined.")


class Acknowledged(Model):
    """A person acknowledged the incident."""

    kind: Literal["acknowledged"] = "acknowledged"


class SeverityChanged(Model):
    """The severity changed."""

    kind: Literal["severity.changed"] = "severity.changed"
    was: str
    now: str
    reason: str


class Assessed(Model):
    """A person or a route set facets or the kind of the incident."""

    kind: Literal["assessed"] = "assessed"
    facets: dict[str, str] = {}
    incident_kind: str | None = None
    reason: str = ""
    known_at: Moment | None = Field(
        default=None, description="When the company became aware of it; the last one counts."
    )


class ReminderDue(Model):
    """A reminder was due: once for each level of each topic."""

    kind: Literal["reminder.due"] = "reminder.due"
    topic: str = Field(description="What it is about, as `answer:VS-1/contain/roll-back`.")
    level: int = Field(ge=1, description="The level of escalation, or how many times people were reminded.")
    sentence: str
    roles: list[str] = Field(default=[], description="The roles that it is for.")
    people: list[str] = Field(default=[], description="The people that it is for, if it is not for whole roles.")
    urgent: bool = Field(default=False, description="Whether it is sent as a page.")


class RoleTaken(Model):
    """A person has a role from now on."""

    kind: Literal["role.taken"] = "role.taken"
    role: str
    person: str
    was: str | None = None


class PhaseEntered(Model):
    """A phase started."""

    kind: Literal["phase.entered"] = "phase.entered"
    phase: str


class PhaseLeft(Model):
    """A phase finished."""

    kind: Literal["phase.left"] = "phase.left"
    phase: str
    sentence: str = ""


class StepDone(Model):
    """A step has a result: of a check, of a person's answer, or of an act."""

    kind: Literal["step.done"] = "step.done"
    phase: str
    step: str
    title: str
    finding: Finding
    health_check: bool = Field(default=False, description="Whether it was the runbook's health check.")
    proves: Literal["containment", "recovery"] | None = Field(
        default=None, description="The state that this probe decides about, beside those of every health check."
    )
    after_entry: int = Field(
        default=0, description="The number of the last entry when the probe began; 0 if that is unknown."
    )


class ActProposed(Model):
    """An act was proposed: the change that it would make, and any reasons against it."""

    kind: Literal["act.proposed"] = "act.proposed"
    act: str
    phase: str
    step: str
    action: str
    title: str
    params: JsonDict
    change: JsonDict | None = Field(description="The change in full; None if none could be planned.")
    digest: str | None = None
    resource: str = ""
    refusals: list[Refusal] = []
    auto_approve: bool = Field(
        default=False, description="Whether it is carried out without an approval after its veto window."
    )
    undoes: str | None = Field(default=None, description="The act that this one undoes.")
    pages: bool = Field(default=False, description="Whether it pages people, which starts the time to acknowledge.")
    tells: bool = Field(default=False, description="Whether it only informs people: a message, a page, a public post.")
    changes_service: bool = Field(
        default=False, description="Whether it changes how users are served: afterwards containment is proven anew."
    )
    closes_service: bool = Field(
        default=False, description="Whether it closes the service to its users on purpose, as maintenance mode does."
    )
    leaves: str | None = None
    owner: str | None = None
    expires: Moment | None = None


class AskOpened(Model):
    """A question to people was opened."""

    kind: Literal["ask.opened"] = "ask.opened"
    ask: Ask


class AskAnswered(Model):
    """A person answered a question."""

    kind: Literal["ask.answered"] = "ask.answered"
    ask: str
    yes: bool
    reason: str = ""
    choice: str | None = Field(default=None, description="The candidate, if the question was which one.")
    identity: str = Field(default="claimed", description="How the name was proven, or `claimed` if it was not.")


class AnswerRefused(Model):
    """An answer in Prefect's form that did not count, as one to a question that was closed meanwhile."""

    kind: Literal["answer.refused"] = "answer.refused"
    ask: str = Field(description="The question that the form was about.")
    form: str = Field(description="The form's key in Prefect. A run that starts again reads its forms again.")
    answer: str = Field(description="The decision as it was given, as `approve: VS-12/contain/roll-back`.")
    name: str = Field(description="The name as it was given; it may be blank.")
    reason: str = ""
    problem: str = Field(description="Why it did not count.")


class VetoWindowEnded(Model):
    """The veto window of an automatic act ended, and no one stopped it."""

    kind: Literal["veto-window.ended"] = "veto-window.ended"
    ask: str


class AskWithdrawn(Model):
    """A question was withdrawn because the state changed; its answers no longer count."""

    kind: Literal["ask.withdrawn"] = "ask.withdrawn"
    ask: str
    reason: str
    inapplicable: bool = Field(
        default=False, description="Whether its step no longer applied. If it applies again, it is asked again."
    )


class ActIntended(Model):
    """An act is about to be carried out by this holder; recorded before the vendor is called."""

    kind: Literal["act.intended"] = "act.intended"
    act: str
    digest: str
    change: JsonDict = Field(description="The change, with the state that was read right before the write.")
    holder: str


class ActFinished(Model):
    """The outcome of an act."""

    kind: Literal["act.finished"] = "act.finished"
    act: str
    outcome: Outcome


class ActSettled(Model):
    """What became of an act whose outcome was not known or not proven: a later read could tell."""

    kind: Literal["act.settled"] = "act.settled"
    act: str
    outcome: Outcome


class Contained(Model):
    """The harm has stopped, proven by a check from outside, or confirmed by people if no check can tell.

    Users are served again, or the service is closed to them on purpose (`ActProposed.closes_service`).
    A later bad check ends it. Then another record of this kind says that the incident is contained again.
    """

    kind: Literal["contained"] = "contained"
    by: str = Field(description="The measure's title, or what else shows it, as `Ana confirmed it`.")
    act: str = Field(default="", description="The id of the measure's act; empty if no act contained it.")
    finding: Finding


class Recovered(Model):
    """The service is back to normal, proven by several checks from outside. A later bad check ends it."""

    kind: Literal["recovered"] = "recovered"
    finding: Finding = Field(description="The last check.")
    checks: int = Field(default=1, description="How many checks in a row were good.")
    since: Moment | None = Field(default=None, description="When the first of them was made; None for a single one.")


class LedgerHandedOver(Model):
    """A named person took over what an act left in place, until a date."""

    kind: Literal["ledger.handed-over"] = "ledger.handed-over"
    act: str
    to: str
    due: Moment


class LedgerSuperseded(Model):
    """A person closed what an act left in place: the world has moved on, and nothing of it has to be undone."""

    kind: Literal["ledger.superseded"] = "ledger.superseded"
    act: str
    reason: str
    found: str = Field(default="", description="What a read of the target showed at that moment.")


class LedgerNoted(Model):
    """Something happened that people must know about a change that is still in place."""

    kind: Literal["ledger.noted"] = "ledger.noted"
    act: str
    key: str = Field(description="Identifies the news, which is recorded once.")
    text: str
    moved: bool = Field(default=False, description="Whether the target is no longer as the act left it.")


class NoteAdded(Model):
    """A note for the record."""

    kind: Literal["note.added"] = "note.added"
    text: str
    post_mortem: str = Field(
        default="", description="Where the post-mortem shows it: `timeline`, or the field that it answers."
    )


class DecisionMade(Model):
    """A decision, and its reason."""

    kind: Literal["decision.made"] = "decision.made"
    text: str
    reason: str = ""


class AudienceTold(Model):
    """A person told an audience of the plan about the incident, outside allclear."""

    kind: Literal["audience.told"] = "audience.told"
    audience: str = Field(description="As the plan's `updates` and `notifications` call it, or a role.")
    text: str = Field(default="", description="What was said, and how.")


class PostMortemWritten(Model):
    """What a person wrote for one field of the post-mortem; the last record counts."""

    kind: Literal["post-mortem.written"] = "post-mortem.written"
    field: str
    text: str


class FollowUpAdded(Model):
    """A task that prevents a recurrence."""

    kind: Literal["follow-up.added"] = "follow-up.added"
    text: str
    owner: str
    due: Moment


class FollowUpDone(Model):
    """A follow-up was done."""

    kind: Literal["follow-up.done"] = "follow-up.done"
    number: int = Field(ge=1, description="Which one, in the order in which they were added; 1 for the first.")
    note: str = ""


class IncidentEnded(Model):
    """The incident ended, resolved or as a false alarm."""

    kind: Literal["incident.ended"] = "incident.ended"
    ending: Literal["resolved", "false-alarm"]
    reason: str


class RunStarted(Model):
    """A Prefect flow run of a phase started, or resumed after it was suspended."""

    kind: Literal["run.started"] = "run.started"
    phase: str
    run: str
    holder: str = ""
    """The process that it runs in, by its id among the holders of claims; empty if unknown."""


class RunReplaced(Model):
    """A flow run ended in Prefect although it was still needed, and another one was started for it."""

    kind: Literal["run.replaced"] = "run.replaced"
    run: str
    name: str = Field(description="Its name in Prefect, as `VS-12 contain`.")
    state: Literal["cancelled", "deleted", "crashed", "failed"] = Field(description="What became of it in Prefect.")
    ask: str | None = Field(default=None, description="The question that it showed; None for the run of a phase.")


Record = Annotated[
    IncidentOpened
    | AlertJoined
    | AlertsCollapsed
    | StormJoined
    | StormPassed
    | Acknowledged
    | SeverityChanged
    | Assessed
    | ReminderDue
    | RoleTaken
    | PhaseEntered
    | PhaseLeft
    | StepDone
    | ActProposed
    | AskOpened
    | AskAnswered
    | AnswerRefused
    | VetoWindowEnded
    | AskWithdrawn
    | ActIntended
    | ActFinished
    | ActSettled
    | Contained
    | Recovered
    | LedgerHandedOver
    | LedgerSuperseded
    | LedgerNoted
    | NoteAdded
    | DecisionMade
    | AudienceTold
    | PostMortemWritten
    | FollowUpAdded
    | FollowUpDone
    | IncidentEnded
    | RunStarted
    | RunReplaced,
    Field(discriminator="kind"),
]
RECORD: TypeAdapter[Any] = TypeAdapter(Record)
"""Reads any record from JSON."""


PROGRAM = "program"
"""The role of a program that proposes. It is no role of a plan, so that nothing is ever allowed to it as a person."""


class By(Model):
    """Who wrote an entry, and through which channel."""

    actor: str = Field(description="A person's or a program's name, or `allclear`.")
    role: str | None = Field(default=None, description="A person's role, or `program`; None for allclear.")
    via: str = Field(description="cli, prefect, page, slack, pagerduty, drill ...")
    proof: Proof = Field(
        default=Proof.CLAIMED, description="What proves that it was this person; `claimed` if nothing."
    )
    request: str = Field(
        default="", description="The key of the request that wrote it; one that is repeated is known by it."
    )

    @property
    def person(self) -> bool:
        """Return whether a person wrote it."""
        return self.role is not None and not self.program

    @property
    def program(self) -> bool:
        """Return whether another program wrote it, such as an assistant or a script, with a token of its own."""
        return self.role == PROGRAM


class Entry(Model):
    """A record in the hash chain of its incident."""

    incident: str
    number: int = Field(description="1 for the first entry of the incident.")
    at: Moment
    by: By
    record: Record
    previous_hash: str = Field(description="The hash of the entry before; 64 zeros for the first.")
    hash: str


GENESIS = "0" * 64
"""The previous hash of an incident's first entry."""
