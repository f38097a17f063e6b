"""What can stand in the journal: a closed list of records, each one fact that happened.

An *entry* is a record with its place in the chain: who, when, by which way, and the hash of the entry
before it. The state of an incident is what replaying its entries gives (`allclear.domain.incident`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from allclear.domain.action import Finding, Outcome, Refusal
from allclear.domain.approval import Ask
from allclear.domain.base import JsonDict, Model, Moment

FIRES_AGAIN = "it fires again"
"""Why people hear of an alert that was over, in an incident that was contained."""


class IncidentOpened(Model):
    """Somebody or something says that there is trouble."""

    kind: Literal["incident.opened"] = "incident.opened"
    company: str
    title: str
    severity: str
    service: str
    runbook: str
    incident_kind: str = "outage"
    impact: str = Field(default="", description="What users notice, as the plan words it for this alert.")
    feature: str = Field(default="", description="What is affected, as users know it; the service's title if empty.")
    reported: str = Field(description="How it became known, as `alert from alertmanager` or `declared by Ana`.")
    began_at: Moment | None = Field(default=None, description="When the trouble began, as far as its source knows.")
    facets: dict[str, str] = Field(default={}, description="What is known of it, by the plan's own facets.")
    simulated: bool = False
    manual: bool = Field(default=False, description="Opened for one act by hand: no response was asked for.")
    umbrella: bool = Field(default=False, description="Opened for a storm of alerts: new troubles join it.")


class AlertJoined(Model):
    """An alert that belongs to this incident; its text is untrusted."""

    kind: Literal["alert.joined"] = "alert.joined"
    delivery: str = Field(description="The delivery in the inbox that it came with.")
    source: str
    key: str
    state: Literal["firing", "resolved"]
    title: str
    at: Moment | None = Field(default=None, description="The source's own time.")
    authenticated: bool = Field(default=False, description="Whether the source proved who it is.")
    flapping: bool = Field(default=False, description="Whether it changes too often: its state is held.")
    news: str = Field(default="", description="Why people are to hear of it again; empty: they are not.")


class AlertsCollapsed(Model):
    """Alerts that came in masses and stand in no entry of their own; each is among what was heard."""

    kind: Literal["alerts.collapsed"] = "alerts.collapsed"
    count: int = Field(description="How many since the last such entry.")
    up_to: int = Field(description="The number of the last one among what was heard.")


class StormJoined(Model):
    """Alerts storm in: from here on, people approve every act in this incident."""

    kind: Literal["storm.joined"] = "storm.joined"
    umbrella: str = Field(description="The incident that new troubles join; this one itself while they do.")


class StormPassed(Model):
    """The storm is over and an alert came anew: this incident is as any other again."""

    kind: Literal["storm.passed"] = "storm.passed"
    umbrella: str = Field(description="The incident that gathered new troubles.")


class Acknowledged(Model):
    """A person is on it."""

    kind: Literal["acknowledged"] = "acknowledged"


class SeverityChanged(Model):
    """The incident weighs more, or less, than was thought."""

    kind: Literal["severity.changed"] = "severity.changed"
    was: str
    now: str
    reason: str


class Assessed(Model):
    """More is known of the incident: what it touches, or of which kind it is."""

    kind: Literal["assessed"] = "assessed"
    facets: dict[str, str] = {}
    incident_kind: str | None = None
    reason: str = ""


class ReminderDue(Model):
    """A time was over, and people were to be told: once for each rung of each topic."""

    kind: Literal["reminder.due"] = "reminder.due"
    topic: str = Field(description="What it is about, as `answer:VS-1/contain/roll-back`.")
    level: int = Field(ge=1, description="How far it has climbed, or how often it has been said.")
    sentence: str
    roles: list[str] = Field(default=[], description="Whom it is for.")
    urgent: bool = Field(default=False, description="Whether it is worth waking somebody for.")


class RoleTaken(Model):
    """Somebody wears a hat from now on."""

    kind: Literal["role.taken"] = "role.taken"
    role: str
    person: str
    was: str | None = None


class PhaseEntered(Model):
    """A phase begins."""

    kind: Literal["phase.entered"] = "phase.entered"
    phase: str


class PhaseLeft(Model):
    """A phase is done."""

    kind: Literal["phase.left"] = "phase.left"
    phase: str
    sentence: str = ""


class StepDone(Model):
    """A step has a result: a look, a person's answer, or the end of an act."""

    kind: Literal["step.done"] = "step.done"
    phase: str
    step: str
    title: str
    finding: Finding
    health_check: bool = Field(default=False, description="Whether it was the look that says how users are served.")


class ActProposed(Model):
    """A change was worked out: this is what would be done, and why it should not be, if anything speaks against it."""

    kind: Literal["act.proposed"] = "act.proposed"
    act: str
    phase: str
    step: str
    action: str
    title: str
    params: JsonDict
    change: JsonDict | None = Field(description="The change in full; None where none could be worked out.")
    digest: str | None = None
    resource: str = ""
    refusals: list[Refusal] = []
    auto_approve: bool = Field(default=False, description="Whether it acts without approval after its veto window.")
    undoes: str | None = Field(default=None, description="The act that this one undoes.")
    pages: bool = Field(default=False, description="Whether it wakes somebody: the clock to acknowledge starts.")
    leaves: str | None = None
    owner: str | None = None
    expires: Moment | None = None


class AskOpened(Model):
    """People are asked."""

    kind: Literal["ask.opened"] = "ask.opened"
    ask: Ask


class AskAnswered(Model):
    """A person answered."""

    kind: Literal["ask.answered"] = "ask.answered"
    ask: str
    yes: bool
    reason: str = ""
    choice: str | None = Field(default=None, description="Which candidate, where that was the question.")
    identity: str = Field(default="claimed", description="How far the name can be trusted: claimed, or proven how.")


class VetoWindowEnded(Model):
    """The time to stop an act that the plan authorised beforehand is over, and nobody did."""

    kind: Literal["veto-window.ended"] = "veto-window.ended"
    ask: str


class AskWithdrawn(Model):
    """A question lost its ground, for the world has moved; its answers count no more."""

    kind: Literal["ask.withdrawn"] = "ask.withdrawn"
    ask: str
    reason: str


class ActIntended(Model):
    """The act is about to be issued, by this holder; written before the write."""

    kind: Literal["act.intended"] = "act.intended"
    act: str
    digest: str
    change: JsonDict = Field(description="The change with what was read last, right before the write.")
    holder: str


class ActFinished(Model):
    """What became of an act."""

    kind: Literal["act.finished"] = "act.finished"
    act: str
    outcome: Outcome


class Contained(Model):
    """Users are well served again, proven by a look from outside: the bleeding has stopped."""

    kind: Literal["contained"] = "contained"
    by: str = Field(description="The act's title, or what a person did.")
    finding: Finding


class Recovered(Model):
    """The service is back to normal, proven by a look from outside."""

    kind: Literal["recovered"] = "recovered"
    finding: Finding


class LedgerHandedOver(Model):
    """What is still in place has a named person and a date now."""

    kind: Literal["ledger.handed-over"] = "ledger.handed-over"
    act: str
    to: str
    due: Moment


class NoteAdded(Model):
    """The scribe writes something down."""

    kind: Literal["note.added"] = "note.added"
    text: str


class DecisionMade(Model):
    """Something was decided, and why."""

    kind: Literal["decision.made"] = "decision.made"
    text: str
    reason: str = ""


class PostMortemWritten(Model):
    """A person's words for one field of the post-mortem; the last one counts."""

    kind: Literal["post-mortem.written"] = "post-mortem.written"
    field: str
    text: str


class FollowUpAdded(Model):
    """Something to be done so that it does not happen again."""

    kind: Literal["follow-up.added"] = "follow-up.added"
    text: str
    owner: str
    due: Moment


class IncidentEnded(Model):
    """All clear, or a false alarm."""

    kind: Literal["incident.ended"] = "incident.ended"
    ending: Literal["resolved", "false-alarm"]
    reason: str


class RunStarted(Model):
    """Prefect runs a phase of this incident: each time that the run begins, or begins again after it was suspended."""

    kind: Literal["run.started"] = "run.started"
    phase: str
    run: str
    holder: str = ""
    """The process that it runs in, as the journal knows who is alive; empty in older records."""


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
    | VetoWindowEnded
    | AskWithdrawn
    | ActIntended
    | ActFinished
    | Contained
    | Recovered
    | LedgerHandedOver
    | NoteAdded
    | DecisionMade
    | PostMortemWritten
    | FollowUpAdded
    | IncidentEnded
    | RunStarted,
    Field(discriminator="kind"),
]
RECORD: TypeAdapter[Any] = TypeAdapter(Record)
"""Reads any record from JSON."""


class By(Model):
    """Who says something, and by which way it came in."""

    actor: str = Field(description="A person's name, or `allclear`.")
    role: str | None = Field(default=None, description="The hat a person wears; None for the machine.")
    via: str = Field(description="cli, prefect, responder, drill ...")

    @property
    def person(self) -> bool:
        """Return whether a person speaks."""
        return self.role is not None


class Entry(Model):
    """One link of an incident's chain."""

    incident: str
    number: int = Field(description="1 for the first entry of the incident.")
    at: Moment
    by: By
    record: Record
    previous_hash: str = Field(description="The hash of the entry before; 64 zeros for the first.")
    hash: str


GENESIS = "0" * 64
"""What the first entry of an incident has for the hash before it."""
