"""The messages that tell those who were notified how an incident ended. Pure.

Each person gets one message, by the way that reached the person, or by the next one if that fails. One who was called
gets a text or a mail first, because nothing is to be acknowledged any more. One who may have got a message, and no
proven one, gets it, too. Those whom the pager paged learn it from the pager, where their page is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import cast

from allclear.domain.act import Act
from allclear.domain.base import JsonDict, person_key
from allclear.domain.incident import Incident
from allclear.domain.notify.audiences import ways_to
from allclear.domain.notify.delivery import Delivery
from allclear.domain.notify.notice_tries import Notice, may_have_arrived, step_of
from allclear.domain.notify.recipients import Reaches
from allclear.domain.plan import Notification, Plan
from allclear.domain.pseudo_phases import NOTICE


def due_end_notices(plan: Plan, incident: Incident, reaches: Reaches) -> list[Notice]:
    """Return the messages that are to be sent now that the incident has ended. A person who knows gets none."""
    if incident.ended_at is None:
        return []
    found = (_next(plan, incident, act, incident.ended_at, reaches) for act in _reached(incident))
    return [notice for notice in found if notice is not None]


def _reached(incident: Incident) -> Iterator[Act]:
    """Yield the message by which each person was notified, the first of each, or else one that may have arrived."""
    acts = [act for act in incident.acts.values() if act.proposed.notice is not None and not act.proposed.pages]
    good = [act for act in acts if act.outcome and act.outcome.good]
    seen: set[str] = set()
    for act in [*good, *(act for act in acts if may_have_arrived(act))]:
        notice = act.proposed.notice
        if notice is not None and person_key(notice.person) not in seen:
            seen.add(person_key(notice.person))
            yield act


def _next(plan: Plan, incident: Incident, told: Act, ended_at: datetime, reaches: Reaches) -> Notice | None:
    """Return the next message to the person; None if one got through, may have, or no way is left."""
    first = told.proposed.notice
    if first is None:
        return None
    anyone = Notification(audience=first.audiences[0])
    others, _ = ways_to(plan, anyone, first.person, ended_at, reaches)
    due, rest = ended_at, [way for way in others if way != first.way]
    for way in [*rest, first.way] if _called(told) else [first.way, *rest]:
        step = f"{step_of(first.person, way)}-end"
        act = incident.act_of(NOTICE, step)
        if act is None or act.outcome is None:
            return Notice(tuple(first.audiences), first.person, way, step, due, ended=True)
        if act.outcome.good or act.outcome.changed:
            return None
        due = act.finished_at or due
    return None


def _called(told: Act) -> bool:
    """Return whether the person was called: only a call is meant to be acknowledged."""
    meant, found = (told.change or {}).get("after"), told.outcome.after if told.outcome else None
    return any(Delivery.ACKNOWLEDGED in _deliveries(state) for state in (meant, found))


def _deliveries(state: JsonDict | None) -> list[str]:
    found = cast("dict[str, object]", (state or {}).get("deliveries") or {})
    return [str(one) for one in found.values()]
