"""What a pager reports about a page of ours: who took it, whom it wakes now, and that it ended there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from allclear.domain.records import PageHeard

PAGE, PEOPLE_PAGE, RESPONDERS = "page", "people-page", "page-responders"
"""The families of the resources of pages: of one key, of named people under one key, and of those asked to join."""

PageEvent = Literal[
    "triggered",
    "acknowledged",
    "unacknowledged",
    "reassigned",
    "escalated",
    "delegated",
    "reopened",
    "resolved",
    "responder-added",
    "responder-joined",
    "responder-declined",
    "annotated",
    "merged",
]

RING_AGAIN: frozenset[str] = frozenset({"unacknowledged", "reassigned", "escalated", "delegated", "reopened"})
"""The events after which the page may ring again, although a person had acknowledged it."""


@dataclass(frozen=True)
class PageNews:
    """One event of the pager, which may be about a page of ours. Its texts are untrusted."""

    event: str
    """The pager's id of the event, the same in each repetition."""
    what: PageEvent
    page: str
    """The pager's id of the page."""
    key: str = ""
    """The key under which the page was opened; empty if the event does not say it."""
    at: datetime | None = None
    """When it happened, by the pager's clock."""
    agent: str = ""
    """The pager's id of the person who did it; empty if no person did."""
    agent_name: str = ""
    rings: bool = False
    """Whether the page wakes people after this event."""
    ringing: tuple[tuple[str, str], ...] = ()
    """Those whom it wakes: the pager's id of each, and the name there."""
    text: str = ""
    """What a person wrote: a note, or the message to a responder."""
    into: str = ""
    """For a page that was merged into another: the pager's id of that one, if it says so."""

    @property
    def resources(self) -> tuple[str, ...]:
        """Return the resources that a page of ours with this key has; none without a key."""
        return (f"{PAGE}:{self.key}", f"{PEOPLE_PAGE}:{self.key}") if self.key else ()


@dataclass(frozen=True)
class PagerState:
    """How a page stands at the pager, as far as its webhooks tell. It can change back."""

    act: str
    status: Literal["triggered", "acknowledged", "resolved"] = "triggered"
    ringing: tuple[str, ...] = ()
    rung_at: datetime | None = None
    """When it began to ring last, by the pager's clock."""
    taken_at: datetime | None = None
    """When a person acknowledged it last, by the pager's clock."""
    resolved: int = 0
    """The number of the entry that reports its end; 0 if it is open."""
    resolved_by: str = ""
    resolved_at: datetime | None = None
    """When its end was received."""

    def is_late(self, what: str, at: datetime | None) -> bool:
        """Return whether an event happened before one of the opposite meaning that was received already."""
        if at is None:
            return False
        if what == "acknowledged":
            return self.rung_at is not None and at < self.rung_at
        taken = max((one for one in (self.taken_at, self.rung_at) if one), default=None)
        return what in RING_AGAIN and taken is not None and at < taken

    def after(self, heard: PageHeard, number: int, now: datetime) -> PagerState:
        """Return the state after a report that is not late; `number` and `now` are those of its entry."""
        match heard.event:
            case "acknowledged":
                return replace(self, status="acknowledged", taken_at=heard.at or self.taken_at, resolved=0)
            case "resolved":
                return replace(
                    self, status="resolved", ringing=(), resolved=number, resolved_by=heard.agent, resolved_at=now
                )
            case event if event == "triggered" or (event in RING_AGAIN and heard.rings):
                at, ringing = heard.at or self.rung_at, tuple(heard.ringing)
                return replace(self, status="triggered", ringing=ringing, rung_at=at, resolved=0)
            case _:
                return self
