"""The reminder that a meeting could not be cancelled after a false alarm. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.plan.people import LEAD, ON_CALL
from allclear.domain.pseudo_phases import MEETING
from allclear.domain.reminders.reminder import Reminder, known_roles
from allclear.domain.review.meeting import meeting_of
from allclear.domain.text import bare, enumerated, plain

CANCEL = "cancel"
"""The step of the act that cancels it."""

TRIES = 5
"""How often allclear tries it, which takes about five minutes."""


def meeting_reminders(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield that a meeting that should be cancelled is not, and whom to tell."""
    if incident.ended is None or incident.ended.ending != "false-alarm":
        return
    failed, meeting = incident.failed_in_a_row(MEETING, CANCEL), meeting_of(incident)
    if len(failed) < TRIES or meeting is None:
        return
    last = failed[-1]
    why = bare(last.outcome.sentence) if last.outcome else ""
    who = plain(enumerated(list(meeting.people)), 400)
    tell = (
        f"Tell those who are invited yourself: {who}." if who else "Say it yourself in the channel that announced it."
    )
    sentence = (
        f"The meeting about {incident.id}, which was a false alarm, could not be cancelled ({plain(why, 200)}). {tell}"
    )
    yield Reminder("meeting-cancel", 1, last.finished_at or last.at, sentence, known_roles(plan, LEAD, ON_CALL)[:1])
