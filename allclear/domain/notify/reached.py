"""Since when an audience of the plan's `notifications` knows of an incident, by the record alone. Pure."""

from __future__ import annotations

from datetime import datetime

from allclear.domain.act import Act
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.plan.people import ON_CALL
from allclear.domain.pseudo_phases import NOTICE, REMINDER


def reached_at(plan: Plan, incident: Incident, audience: str) -> datetime | None:
    """Return when the audience was notified first, or None.

    It was notified, too, if one of its people was notified in another role: each person is notified once. The
    runbook's page notifies the on-call, and a person may have recorded with `allclear told` that it was done by hand.
    """
    found = [incident.told.get(audience)]
    for act in incident.acts.values():
        notice = act.proposed.notice
        if notice and act.outcome and act.outcome.good:
            person = plan.person(notice.person)
            if audience in notice.audiences or (person and audience in person.roles):
                found.append(act.finished_at)
    page = page_of(incident) if audience == ON_CALL else None
    if page is not None and page.outcome is not None and page.outcome.good:
        found.append(page.finished_at)
    return min((at for at in found if at), default=None)


def runbook_pages(incident: Incident) -> list[Act]:
    """Return each try of the runbook's pages, oldest first; the pages of reminders and notices are none of them."""
    return [
        act
        for act in incident.acts.values()
        if act.proposed.pages and act.proposed.undoes is None and act.proposed.phase not in (REMINDER, NOTICE)
    ]


def page_of(incident: Incident) -> Act | None:
    """Return the newest try of the runbook's page, or None."""
    pages = runbook_pages(incident)
    good = [act for act in pages if act.outcome and act.outcome.good]
    return (good or pages or [None])[-1]
