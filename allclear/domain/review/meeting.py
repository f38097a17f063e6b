"""A meeting about an incident, as the newest act says that invited to it, moved it or cancelled it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field, ValidationError

from allclear.domain.act import Act
from allclear.domain.action import State
from allclear.domain.base import Model
from allclear.domain.incident import Incident
from allclear.domain.notify.delivery import ON_THE_WAY, Delivery


class MeetingState(State):
    """When a meeting is, and how often it was changed. The base of the states of the actions that invite to one."""

    status: Literal["none", "invited", "cancelled"] = "none"
    sequence: int = Field(default=0, description="How often the meeting was changed.")
    uid: str = Field(default="", description="By which calendars know it.")
    subject: str = ""
    text: str = ""
    location: str = ""
    start: datetime | None = None
    minutes: int = 0


class _Seen(Model):
    """The part of a stored state that says when a meeting is, and who was invited."""

    model_config = {"extra": "ignore"}

    status: str
    sequence: int
    uid: str
    subject: str
    text: str = ""
    location: str = ""
    start: datetime
    minutes: int
    deliveries: dict[str, Delivery] = {}
    taken_off: dict[str, Delivery] = {}


@dataclass(frozen=True)
class Meeting:
    """A meeting as it is now."""

    act: Act
    """The act that invited to it, moved it or cancelled it last."""
    uid: str
    sequence: int
    subject: str
    text: str
    location: str
    start: datetime
    length: timedelta
    cancelled: bool
    people: Mapping[str, Delivery]
    """The addresses that were invited, and how far the message got; empty if it was announced in a channel."""

    taken_off: Mapping[str, Delivery]
    """The addresses that are not invited any more since the last change, and how far the message got."""

    @property
    def reached(self) -> list[str]:
        """Return the addresses of those who are invited, without those whom the message did not reach."""
        return [one for one, how in self.people.items() if how is not Delivery.FAILED]

    @property
    def not_told(self) -> list[str]:
        """Return the addresses that are not invited any more, and may not know it."""
        return [one for one, how in self.taken_off.items() if how not in ON_THE_WAY]

    @property
    def cancelled_for_all(self) -> bool:
        """Return whether it is cancelled, and the message is proven to have reached everyone who was invited."""
        return self.cancelled and self.act.outcome is not None and self.act.outcome.good


def meeting_of(incident: Incident) -> Meeting | None:
    """Return the meeting to which people were invited last, or None.

    An act that changed nothing does not count: what it found was made by another one.
    """
    return next(filter(None, map(meeting_made_by, reversed(list(incident.acts.values())))), None)


def meeting_made_by(act: Act) -> Meeting | None:
    """Return the meeting as an act has left it; None if the act invited to none, or changed nothing."""
    made = act.proposed.invites and act.outcome is not None and act.outcome.changed
    seen = _seen(act.outcome.after) if made and act.outcome else None
    if seen is None:
        return None
    return Meeting(
        act=act,
        uid=seen.uid,
        sequence=seen.sequence,
        subject=seen.subject,
        text=seen.text,
        location=seen.location,
        start=seen.start,
        length=timedelta(minutes=seen.minutes),
        cancelled=seen.status == "cancelled",
        people=seen.deliveries,
        taken_off=seen.taken_off,
    )


def _seen(after: Mapping[str, Any] | None) -> _Seen | None:
    try:
        return _Seen.model_validate(after) if after and after.get("status") != "none" else None
    except ValidationError:  # nothing was sent, so that there is no time
        return None
