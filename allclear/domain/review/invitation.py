"""A meeting as calendars read it: the same bytes for the same meeting, so that a repeat is no second meeting.

*Source:* RFC 5545 and 5546, 2026-11. A changed meeting has the same UID and a higher SEQUENCE. METHOD:CANCEL takes it
out of the calendars of those whom it names; it has a STATUS only if the whole meeting is cancelled. METHOD:PUBLISH is
for a file that a person opens, and names no one. The organizer is the sender's address, because mail programs else
offer no buttons [from memory].
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from icalendar import STATUS, Calendar, Event, vCalAddress, vText

Method = Literal["REQUEST", "CANCEL", "PUBLISH"]

_PRODUCT = "-//allclear//incident response//EN"


def invitation(  # noqa: PLR0913 - the parts of a meeting
    method: Method,
    *,
    uid: str,
    sequence: int,
    stamp: datetime,
    start: datetime,
    length: timedelta,
    summary: str,
    text: str,
    location: str,
    organizer: str = "",
    people: Sequence[str] = (),
    cancelled: bool = False,
) -> str:
    """Return a calendar with one meeting, for `people`. `cancelled` is whether no one meets any more."""
    attendees = [vCalAddress(f"mailto:{one}") for one in people]
    for one in attendees:
        one.params["ROLE"] = vText("REQ-PARTICIPANT")
        one.params["PARTSTAT"] = vText("NEEDS-ACTION")
        one.params["RSVP"] = vText("TRUE")
    meets = None if method == "CANCEL" else STATUS.CONFIRMED
    event = Event.new(
        uid=uid,
        sequence=sequence,
        stamp=stamp,
        start=start,
        end=start + length,
        summary=summary,
        description=text,
        location=location or None,
        organizer=vCalAddress(f"mailto:{organizer}") if organizer else None,
        attendees=attendees or None,
        status=STATUS.CANCELLED if cancelled else meets,
    )
    calendar = Calendar.new(prodid=_PRODUCT, method=method, uid=f"calendar-{uid}", subcomponents=[event])
    return calendar.to_ical().decode()
