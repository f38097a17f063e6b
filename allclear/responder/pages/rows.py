"""The rows of the incident's page and of the list: plain texts that a template shows as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from allclear.domain.review.post_mortem import PostMortemField


class DeadlineRow(NamedTuple):
    """One clock against the plan."""

    title: str
    severity: str
    due: str
    left: str
    tone: str
    """`good`, `bad` or `plain`."""
    until: datetime | None
    """When it is due, while it runs."""


class RoleRow(NamedTuple):
    """Who has a role."""

    role: str
    title: str
    person: str
    proof: str = ""
    """How the person was identified on taking it; empty for a role that the plan's rota gives."""
    offered: str = ""
    """The person who is asked to take it and has not accepted yet."""
    take: str = ""
    """The words of the button with which the reader takes the role; empty if the reader has it or may not have it."""
    accept: bool = False
    """Whether the reader is asked to take it."""


class ActRow(NamedTuple):
    """One act with its change and its outcome."""

    id: str
    title: str
    rows: list[tuple[str, str, str]]
    approved: list[str]
    """Who approved or denied it, and how each was identified."""
    at: str
    outcome: str
    tone: str


class FollowUpRow(NamedTuple):
    """A follow-up, and its ticket."""

    text: str
    ticket: str
    """How its ticket stands; empty if it gets none."""
    url: str
    """Where people read the ticket; empty if that is not known."""


class NotifiedRow(NamedTuple):
    """One person or audience of the plan's notifications, and how far the message got."""

    audience: str
    person: str
    way: str
    at: str
    result: str
    tone: str
    tell: str
    """The audience that a person must tell, for the form that records it; empty if no one has to."""


class InPlaceRow(NamedTuple):
    """A change that is still in place."""

    act: str
    words: str
    undo: bool
    """Whether a person undoes it; the end of the incident closes pages."""


class EventRow(NamedTuple):
    """One key event."""

    at: str
    text: str
    proof: str
    """How its author was identified; empty for allclear."""


class TimelineRow(NamedTuple):
    """One line of the record."""

    number: int
    at: str
    text: str
    detail: Sequence[str]
    tone: str
    proof: str
    """How the author was identified; empty for allclear."""


class SaidRow(NamedTuple):
    """A note or a decision."""

    at: str
    who: str
    proof: str
    """How the author was identified; empty for allclear."""
    text: str
    reason: str
    decided: bool


class FieldRow(NamedTuple):
    """One field of the post-mortem that people write."""

    name: PostMortemField
    title: str
    about: str
    text: str
    suggested: list[tuple[str, str]]


class AlertRow(NamedTuple):
    """One alert."""

    title: str
    source: str
    state: str
    proven: str
    why: str
    """Why it belongs to this incident, by the rule of the plan that decided."""
    at: str


class ListRow(NamedTuple):
    """One incident in the list."""

    id: str
    title: str
    severity: str
    status: str
    service: str
    lead: str
    opened: str
    asked: int
    over: bool
