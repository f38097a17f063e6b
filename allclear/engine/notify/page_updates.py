"""What a pager still has to be told: that somebody has taken a page, and that it is over.

Pure: it follows from the record alone, so whoever looks after a crash finds what is missing. What is told is an act
like any other, in the phase `reminder`: it is sent once, and tried again where the pager is away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from allclear.domain.incident import REMINDER as PHASE
from allclear.domain.incident import Act, Incident

TRIES, PAUSE, LONGEST = 10, timedelta(seconds=30), timedelta(minutes=15)
"""How often a message is tried that could not be sent, and after how long, times the tries so far."""

_TRIES = 100
"""How often a pager is told that a page is over, which is for about a day: somebody may be woken until it is."""


@dataclass(frozen=True)
class PageUpdate:
    """Something to be said of an open page."""

    page: Act
    over: bool
    """Whether it is over; else somebody has taken it."""
    due: datetime

    @property
    def step(self) -> str:
        """Return the name under which it stands in the record: `detect-page-taken`."""
        return _step(self.page, over=self.over)


def page_updates(incident: Incident) -> Iterator[PageUpdate]:
    """Yield what has not been said, or could not be.

    A page for a reminder is over with its reason and never merely taken: who was woken to answer has to answer.
    """
    unacknowledged_pages = {act.id for act in incident.unacknowledged_pages}
    for act in incident.acts.values():
        if not act.proposed.pages or not act.in_place or act.outcome is None:
            continue
        over, taken = _over(incident, act), act.id not in unacknowledged_pages and act.proposed.phase != PHASE
        if over or taken:
            due = next_try(incident, PHASE, _step(act, over=over), act.finished_at or act.at, _TRIES)
            if due:
                yield PageUpdate(act, over, due)


def next_try(incident: Incident, phase: str, step: str, first: datetime, tries: int = TRIES) -> datetime | None:
    """Return when a message is to be sent that has not arrived; None once it has, or was tried often enough."""
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
    """Return whether nobody needs to be woken by it any more."""
    if incident.over:
        return True
    if page.proposed.phase != PHASE:
        return False
    topics = (
        topic
        for topic, states in incident.reminders.items()
        if any(str(state.number) == page.proposed.step for state in states)
    )
    kind, _, about = next(topics, "").partition(":")
    if kind == "acknowledge":
        return incident.acknowledged_at is not None
    return kind == "answer" and (about not in incident.asks or not incident.asks[about].open)
