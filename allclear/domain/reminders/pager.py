"""The reminder that a page ended at the pager while the incident is still open. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.plan.people import ON_CALL
from allclear.domain.reminders.reminder import Reminder, led_by
from allclear.domain.text import plain, signature


def pager_reminders(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield one message for each page that was resolved at the pager: its end is not the end of the trouble."""
    for state in incident.pager.values():
        if not state.resolved or state.resolved_at is None:
            continue
        by = f" by {plain(state.resolved_by, 60)}" if state.resolved_by else ""
        sentence = (
            f"The page in PagerDuty was resolved{by}, and the incident is still open. If you work on it: "
            f"allclear ack {incident.id} {signature(plan)}. What is asked now: allclear show {incident.id}"
        )
        yield Reminder(
            f"page-resolved:{state.resolved}", 1, state.resolved_at, sentence, led_by(plan, incident, ON_CALL)
        )
