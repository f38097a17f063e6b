"""Which updates of pages have to be sent to the pager: that a page is acknowledged, and that it is over.

The updates follow from the record and the rota, so after a crash the next process finds the missing ones. An update is
an act in the phase `reminder`: it is sent once, and retried if the pager does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from allclear.domain.act import Act
from allclear.domain.incident import Incident
from allclear.domain.notify.on_call import page_answered
from allclear.domain.plan import Plan, RotaOverride
from allclear.domain.pseudo_phases import REMINDER as PHASE
from allclear.engine.notify.message_retries import next_try

_PAGE_TRIES = 100
"""How often an update of a page is sent, which takes about a day: until it arrives, the page may wake a person."""


@dataclass(frozen=True)
class PageUpdate:
    """An update of an open page that has to be sent."""

    page: Act
    over: bool
    """Whether the page is over; otherwise a person has acknowledged it."""
    due: datetime
    step: str
    """The update's step in the record, as `detect-page-taken`."""


def page_updates(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]) -> Iterator[PageUpdate]:
    """Yield the updates that were not sent yet, or failed.

    A reminder's page is over when its reason is gone, and is never acknowledged: the person that it wakes has to
    answer.
    """
    answered = page_answered(plan, incident, overrides)
    for act in incident.acts.values():
        if not act.proposed.pages or not act.in_place or act.outcome is None:
            continue
        over = _over(incident, act, answered=answered)
        if not over and _taken_there(incident, act):
            continue  # the person acknowledged it at the pager itself
        if over or (act.proposed.phase != PHASE and page_answered(plan, incident, overrides, act)):
            due = next_try(incident, PHASE, _step(incident, act, over=over), act.finished_at or act.at, _PAGE_TRIES)
            if due:
                yield PageUpdate(act, over, due, _step(incident, act, over=over))


def _step(incident: Incident, page: Act, *, over: bool) -> str:
    """Return the step of an update. A page that rings again is acknowledged again, under a step of its own."""
    again = incident.rung_again
    times = f"-{again[0]}" if again and not over and again[0] > page.number else ""
    return f"{page.id.replace('/', '-')}-{'over' if over else 'taken'}{times}"


def _taken_there(incident: Incident, page: Act) -> bool:
    """Return whether the pager has reported that a person acknowledged the page, or ended it, there."""
    states = [state for state in incident.pager.values() if state.act == page.id]
    return bool(states) and all(state.status != "triggered" for state in states)


def _over(incident: Incident, page: Act, *, answered: bool) -> bool:
    """Return whether the page does not have to wake a person any more; `answered`: whether any page was answered."""
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
        return answered
    if kind == "lost":
        return answered or incident.loss is None
    return kind == "answer" and (about not in incident.asks or not incident.asks[about].open)
