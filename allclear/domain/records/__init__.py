"""The records of the journal: a closed list, each one fact that happened.

An *entry* is a record with its author, time, channel, and place in the hash chain. Replaying an incident's entries
gives its state (`allclear.domain.replay`).
"""

from __future__ import annotations

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
from allclear.domain.records.alerts import FIRES_AGAIN, AlertJoined, AlertsCollapsed, StormJoined, StormPassed
from allclear.domain.records.entry import GENESIS, PROGRAM, RECORD, By, Entry, Record
from allclear.domain.records.people import (
    Acknowledged,
    AudienceTold,
    DecisionMade,
    FollowUpAdded,
    FollowUpDone,
    NoteAdded,
    PageHeard,
    PostMortemWritten,
    ReminderDue,
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

__all__ = [
    "FIRES_AGAIN",
    "GENESIS",
    "PROGRAM",
    "RECORD",
    "Acknowledged",
    "ActFinished",
    "ActIntended",
    "ActProposed",
    "ActSettled",
    "AlertJoined",
    "AlertsCollapsed",
    "AnswerRefused",
    "AskAnswered",
    "AskOpened",
    "AskWithdrawn",
    "Assessed",
    "AudienceTold",
    "By",
    "Contained",
    "DecisionMade",
    "Entry",
    "FollowUpAdded",
    "FollowUpDone",
    "IncidentEnded",
    "IncidentOpened",
    "LedgerHandedOver",
    "LedgerNoted",
    "LedgerSuperseded",
    "NoteAdded",
    "PageHeard",
    "PhaseEntered",
    "PhaseLeft",
    "PostMortemWritten",
    "Record",
    "Recovered",
    "ReminderDue",
    "RoleTaken",
    "RunReplaced",
    "RunStarted",
    "SeverityChanged",
    "StepDone",
    "StormJoined",
    "StormPassed",
    "VetoWindowEnded",
]
