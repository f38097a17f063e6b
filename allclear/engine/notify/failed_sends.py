"""When a reminder is sent by its next way, and when a failed page is sent again, by the record and the rota."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from allclear.domain.act import Act
from allclear.domain.action import ActStatus
from allclear.domain.incident import Incident, ReminderState
from allclear.domain.notify.notice_tries import may_have_arrived
from allclear.domain.notify.ways import Way, failed, failed_pages
from allclear.domain.plan import Plan, RotaOverride
from allclear.domain.pseudo_phases import REMINDER
from allclear.engine.notify.message_retries import next_try


def next_ways(incident: Incident, state: ReminderState, chosen: Sequence[Way]) -> Iterator[tuple[Way, datetime]]:
    """Yield each way that is to be tried, or tried again, and when.

    A way is used as soon as the one before has failed. Those before are tried again too, because a message in a channel
    wakes no one. A way that succeeded ends all that follow it.
    """
    start = state.at
    told = any((act := incident.act_of(REMINDER, way.step)) and act.outcome and act.outcome.good for way in chosen)
    for way in chosen:
        act = incident.act_of(REMINDER, way.step)
        at = next_try(incident, REMINDER, way.step, start)
        if at and not (way.of_plan and _needless(incident, act, told=told)):
            yield way, at
        if not failed(act):
            return
        start = (act.finished_at if act else None) or start


def _needless(incident: Incident, act: Act | None, *, told: bool) -> bool:
    """Return whether one of the plan's `ways` is not to be used, or not again, for a reminder.

    `act` is the newest try, and `told` whether any way succeeded. What may have arrived, or was refused, is not sent
    again. What was begun is carried on.
    """
    if act is not None and act.outcome is None:
        return False
    return told or incident.over or (act is not None and (may_have_arrived(act) or act.status is ActStatus.REFUSED))


def failed_page_tries(
    plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]
) -> Iterator[tuple[Act, datetime]]:
    """Yield each page of the runbook that has not got through yet, and when it is sent again."""
    for first in failed_pages(plan, incident, overrides):
        key = first.proposed.phase, first.proposed.step
        latest = incident.act_of(*key) or first
        if at := next_try(incident, *key, first.finished_at or first.at):
            yield latest, at
