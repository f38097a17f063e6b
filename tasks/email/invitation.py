"""An invitation as calendars read it: the same bytes for the same meeting, so that a repeat is no second meeting.

*Source:* RFC 5545 and 5546, 2026-11. A changed meeting has the same UID and a higher SEQUENCE; METHOD:CANCEL takes it
out of the calendars. The organizer is the sender's address, because mail programs else offer no buttons [from memory].
"""

from __future__ import annotations

from datetime import datetime, timedelta
from email.message import EmailMessage

from icalendar import STATUS, Calendar, Event, vCalAddress, vText

_PRODUCT = "-//allclear//incident response//EN"


def invitation(  # noqa: PLR0913 - the parts of a meeting
    *,
    uid: str,
    sequence: int,
    stamp: datetime,
    start: datetime,
    length: timedelta,
    summary: str,
    text: str,
    location: str,
    organizer: str,
    people: list[str],
    cancelled: bool,
) -> str:
    """Return a calendar with one meeting that invites `people`, or with `cancelled` takes the meeting back."""
    attendees = [vCalAddress(f"mailto:{one}") for one in people]
    for one in attendees:
        one.params["ROLE"] = vText("REQ-PARTICIPANT")
        one.params["PARTSTAT"] = vText("NEEDS-ACTION")
        one.params["RSVP"] = vText("TRUE")
    event = Event.new(
        uid=uid,
        sequence=sequence,
        stamp=stamp,
        start=start,
        end=start + length,
        summary=summary,
        description=text,
        location=location or None,
        organizer=vCalAddress(f"mailto:{organizer}"),
        attendees=attendees,
        status=STATUS.CANCELLED if cancelled else STATUS.CONFIRMED,
    )
    method = "CANCEL" if cancelled else "REQUEST"
    calendar = Calendar.new(prodid=_PRODUCT, method=method, uid=f"calendar-{uid}", subcomponents=[event])
    return calendar.to_ical().decode()


def attach(message: EmailMessage, calendar: str, *, cancelled: bool) -> None:
    """Add a calendar to a message: as an alternative of its text, and as a file for programs that want one."""
    method = "CANCEL" if cancelled else "REQUEST"
    message.add_alternative(calendar, subtype="calendar", params={"method": method})
    content = calendar.encode()
    message.add_attachment(content, maintype="application", subtype="ics", filename="invite.ics")
