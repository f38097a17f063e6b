"""One action in one incident, from the proposal to its outcome and undo."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from allclear.domain.action import ActStatus, Outcome, Refusal
from allclear.domain.base import JsonDict
from allclear.domain.records import (
    ActIntended,
    ActProposed,
    By,
    LedgerHandedOver,
    LedgerSuperseded,
)


@dataclass(frozen=True)
class LedgerNews:
    """Something that people must know about a change that is still in place."""

    key: str
    text: str
    at: datetime


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
    settled_at: datetime | None = None
    """When a later read told what had become of it; None if its first outcome stands."""
    handed_over: LedgerHandedOver | None = None
    superseded: LedgerSuperseded | None = None
    superseded_at: datetime | None = None
    superseded_by: By | None = None
    news: tuple[LedgerNews, ...] = ()
    number: int = 0
    """The number of the entry that proposed it."""
    issued: int = 0
    """The number of the entry with its intent; 0 without one."""

    @property
    def stage_at(self) -> datetime:
        """Return the time of its latest stage: finished, else begun, else proposed."""
        return self.finished_at or self.intended_at or self.at

    @property
    def id(self) -> str:
        """Return its id."""
        return self.proposed.act

    @property
    def refusals(self) -> list[Refusal]:
        """Return the reasons against it when it was proposed."""
        return self.proposed.refusals

    @property
    def status(self) -> ActStatus:
        """Return its status."""
        if self.undone_by:
            return ActStatus.UNDONE
        if self.superseded:
            return ActStatus.SUPERSEDED
        if self.outcome:
            return self.outcome.status
        return ActStatus.REFUSED if self.refusals else ActStatus.PLANNED

    @property
    def change(self) -> JsonDict | None:
        """Return the change as it was issued, or else as it was proposed."""
        return self.intended.change if self.intended else self.proposed.change

    @property
    def begun(self) -> bool:
        """Return whether it was issued and has no outcome yet."""
        return self.intended is not None and self.outcome is None

    @property
    def in_place(self) -> bool:
        """Return whether something of it may still be in place, so that a person must undo it or take it over."""
        if self.proposed.leaves is None or self.undone_by is not None or self.superseded is not None:
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
    def unsettled(self) -> bool:
        """Return whether it may have changed something that no read has proven, so that a later read may tell."""
        doubtful = {ActStatus.INDETERMINATE, ActStatus.UNVERIFIED}
        return self.outcome is not None and self.outcome.changed and self.status in doubtful

    @property
    def not_handed_over(self) -> bool:
        """Return whether it is in place and no person has taken it over."""
        return self.in_place and self.handed_over is None
