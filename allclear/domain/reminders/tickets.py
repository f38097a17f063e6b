"""The reminders that a ticket could not be opened or closed, or that no one knows whether it was. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from allclear.domain.act import Act
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.plan.people import LEAD, ON_CALL
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.reminders.reminder import Reminder, known_roles
from allclear.domain.review.follow_up_tickets import trouble_of
from allclear.domain.text import bare, plain

TRIES = 20
"""How often a ticket is tried, which takes about four hours: a failed try changes nothing and is two entries."""

REPORTED_AFTER = 5
"""After this many failed tries people are reminded of it, which takes about five minutes."""

IN_DOUBT_FOR = timedelta(hours=1)
"""How long the tracker's search may lag before people are reminded that no one knows whether a ticket was opened."""


def ticket_reminders(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield what people must know about the tickets that are not as they should be."""
    roles = known_roles(plan, LEAD, ON_CALL)[:1]
    for step in incident.steps_tried(TICKET):
        failed = incident.failed_in_a_row(TICKET, step)
        topic = f"ticket:{step}"
        if failed and failed[-1].unsettled:
            due = (failed[-1].finished_at or failed[-1].at) + IN_DOUBT_FOR
            ask = "allclear does not write it again. Look into the tracker, and do it by hand if it is missing."
            yield Reminder(topic, 1, due, f"{_what(failed[-1])} {ask}", roles)
            continue
        for level, tried in ((1, REPORTED_AFTER), (2, TRIES)):
            if len(failed) >= tried:
                act = failed[tried - 1]
                then = "allclear does not try again: do it by hand." if level > 1 else "allclear tries it again."
                sentence = f"{_what(act)} It has failed {tried} times. {then}"
                yield Reminder(topic, level, act.finished_at or act.at, sentence, roles)


def _what(act: Act) -> str:
    return f"{bare(plain(act.proposed.title))}: {trouble_of(act)}."
