"""An entry: a record with its author, in the hash chain of its incident; and the list of all records."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from allclear.domain.base import Model, Moment
from allclear.domain.proof import Proof
from allclear.domain.records.acts import (
    ActFinished,
    ActIntended,
    ActProposed,
    ActSettled,
    AnswerRefused,
    AskAnswered,
    AskOpened,
    AskWithdrawn,
    LedgerHandedOver,
    LedgerNoted,
    LedgerSuperseded,
    VetoWindowEnded,
)
from allclear.domain.records.alerts import AlertJoined, AlertsCollapsed, StormJoined, StormPassed
from allclear.domain.records.people import (
    Acknowledged,
    AudienceTold,
    DecisionMade,
    FollowUpAdded,
    FollowUpDone,
    HoldEnded,
    HoldStarted,
    NoteAdded,
    PageHeard,
    PostMortemWritten,
    ReminderDue,
    RoleOffered,
    RoleTaken,
)
from allclear.domain.records.progress import (
    Assessed,
    Contained,
    IncidentEnded,
    IncidentOpened,
    PhaseEntered,
    PhaseLeft,
    Recovered,
    RunReplaced,
    RunStarted,
    SeverityChanged,
    StepDone,
)

Record = Annotated[
    IncidentOpened
    | AlertJoined
    | AlertsCollapsed
    | StormJoined
    | StormPassed
    | Acknowledged
    | PageHeard
    | HoldStarted
    | HoldEnded
    | SeverityChanged
    | Assessed
    | ReminderDue
    | RoleOffered
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
