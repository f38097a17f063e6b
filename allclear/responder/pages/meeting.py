"""The review's meeting on the incident's page, and as a file that any calendar opens."""

from __future__ import annotations

from typing import NamedTuple

from allclear.domain.errors import NotFound
from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.plan import Plan
from allclear.domain.review.meeting import meeting_of
from allclear.domain.text import plain

HEADERS = {"Content-Disposition": 'attachment; filename="meeting.ics"'}
MEDIA_TYPE = "text/calendar; charset=utf-8; method=PUBLISH"


class MeetingRow(NamedTuple):
    """The meeting of the review."""

    subject: str
    when: str
    cancelled: bool
    people: list[tuple[str, str]]
    """Who is invited, and how far the invitation got; empty if it was announced in a channel."""


def meeting_row(incident: Incident, plan: Plan) -> MeetingRow | None:
    """Return the meeting as the page shows it; None if no one was invited to one."""
    meeting = meeting_of(incident)
    if meeting is None:
        return None
    minutes = int(meeting.length.total_seconds() // 60)
    people = [(plain(address, 100), how.value) for address, how in meeting.people.items()]
    when = f"{stamp(meeting.start, plan.zone)}, {minutes} minutes"
    return MeetingRow(plain(meeting.subject, 200), when, meeting.cancelled, people)


def calendar_file(incident: Incident) -> bytes:
    """Return the meeting as a calendar file. Raises NotFound if no one was invited to one."""
    from allclear.domain.review.invitation import invitation  # noqa: PLC0415 - the responder starts without calendars

    meeting = meeting_of(incident)
    if meeting is None:
        raise NotFound(f"There is no meeting about {incident.id}.", "Go back to the incident's page.")
    return invitation(
        "PUBLISH",
        uid=meeting.uid,
        sequence=meeting.sequence,
        stamp=meeting.act.finished_at or meeting.act.at,
        start=meeting.start,
        length=meeting.length,
        summary=meeting.subject,
        text=meeting.text,
        location=meeting.location,
        cancelled=meeting.cancelled,
    ).encode()
