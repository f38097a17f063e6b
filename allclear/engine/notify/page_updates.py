"""Which updates of pages have to be sent to the pager: that a person has taken a page, and that a page is over.

The updates follow from the record alone, so after a crash the next process finds the missing ones. An update is an act
in the phase `reminder`: it is sent once, and retried if the pager does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from allclear.domain.incident import REMINDER as PHASE
from allclear.domain.incident import Act, Incident

TRIES, PAUSE, LONGEST = 10, timedelta(seconds=30), timedelta(minutes=15)
"""How often a failing message is sent, the back-off for each failed try, and the longest back-off."""

_PAGE_TRIES = 100
"""How often an update of a page is sent, which takes about a day: until it arrives, the page may wake a person."""


@dataclass(frozen=True)
class PageUpdate:
    """An update of an open page that has to be sent."""

    page: Act
    over: bool
    """Whether the page is over; otherwise a person has taken it."""
    due: datetime

    @property
    def step(self) -> str:
        """Return the update's step in the record, as `detect-page-taken`."""
        return _step(self.page, over=self.over)


def page_updates(incident: Incident) -> Iterator[PageUpdate]:
    """Yield the updates that were not sent yet, or failed.

    A reminder's page is over when its reason is gone, and cannot be taken: the person that it wakes has to answer.
    """
    unacknowledged_pages = {act.id for act in incident.unacknowledged_pages}
    for act in incident.acts.values():
        if not act.proposed.pages or not act.in_place or act.outcome is None:
            continue
        over, taken = _over(incident, act), act.id not in unacknowledged_pages and act.proposed.phase != PHASE
        if over or taken:
            due = next_try(incident, PHASE, _step(act, over=over), act.finished_at or act.at, _PAGE_TRIES)
            if due:
                yield PageUpdate(act, over, due)


def next_try(incident: Incident, phase: str, step: str, first: datetime, tries: int = TRIES) -> datetime | None:
    """Return when a message is to be sent or sent again; None if it was sent, or was tried often enough."""
    acts = [act for act in incident.acts.values() if (act.proposed.phase, act.proposed.step) == (phase, step)]
    if not acts or acts[-1].outcome is None:
        return first
    failed = len(list(takewhile(lambda act: act.outcome is not None and not act.outcome.good, reversed(acts))))
    if not failed or failed >= tries:
        return None
    return (acts[-1].finished_at or first) + min(PAUSE * failed, LONGEST)


def _step(page: Act, *, over: bool) -> str:
    return f"{page.id.replace('/', '-')}-{'over' if over else 'taken'}"


def _over(incident: Incident, page: Act) -> bool:
    """Return whether the page does not have to wake a person any more."""
    if incident.over:
        return True
    if page.proposed.phase != PHASE:
        return False
    topics = (
        topic
        for topic, states in incident.reminders.items()
        if any(str(state.number) == page.proposed.step.partition("-")[0] for state in states)
    )
    kind, _, about = next(topics, "").partition(":")
    if kind == "acknowledge":
        return incident.acknowledged is not None
    if kind == "lost":
        return incident.acknowledged is not None or incident.loss is None
    return kind == "answer" and (about not in incident.asks or not incident.asks[about].open)
