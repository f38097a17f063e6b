"""How the messages to one person stand: by which way one got through, which is next, and which is sent again. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from allclear.domain.act import Act
from allclear.domain.backoff import Backoff
from allclear.domain.base import digest, person_key
from allclear.domain.incident import Incident
from allclear.domain.notify.delivery import Delivery
from allclear.domain.text import bare

NO_RESULT_FOR = timedelta(minutes=2)
"""After this time a message without any result counts as one whose result is unknown, and the next way is used."""

AGAIN = Backoff(first=60, factor=2, longest=1800)
"""The pauses, in seconds, after which a message is sent again that no way could deliver, until the incident ends."""

_WRITTEN_AGAIN = 3
"""How often a message whose words were outdated is written again at once."""

_NO_NAME = "on-call"
"""Stands in a step for the person whom the pager has on call."""


@dataclass(frozen=True)
class Notice:
    """A message to one person that is to be sent, or whose sending was interrupted."""

    audiences: tuple[str, ...]
    person: str
    """As the plan writes it, or the address of a mailing list; empty for the person whom the pager has on call."""
    way: str
    step: str
    due: datetime
    repeat: bool = False
    """Whether an earlier message may have arrived, so that this one may be a repeat."""
    stands_in_for: tuple[str, ...] = ()
    """Those of `audiences` of which no one could be reached, so that this person is notified instead."""
    update: int = 0
    """The number of the leaders' update that it is, 1 for the first after the notice; 0 if it is none."""
    ended: bool = False
    """Whether it tells how the incident ended; see `end_notices.py`."""


@dataclass
class PersonState:
    """How the notice of one person stands."""

    name: str
    since: datetime
    """When it became due."""
    told_at: datetime | None = None
    due: list[Notice] = field(default_factory=list[Notice])
    failed_at: datetime | None = None
    """When the last way failed; None while one may still work."""
    reasons: list[str] = field(default_factory=list[str])
    again: Notice | None = None
    """The message that is sent again, after every way has failed."""
    after_all: str = ""
    """The way by which a message got through that was sent again; empty if the first one did, or none."""
    tried: bool = False
    """Whether any message was tried; otherwise the plan has no way to this person."""


def named(notice: Notice, audiences: Sequence[str], stands_in_for: Sequence[str]) -> Notice:
    """Return the message with further audiences."""
    return replace(
        notice,
        audiences=tuple(dict.fromkeys((*notice.audiences, *audiences))),
        stands_in_for=tuple(dict.fromkeys((*notice.stands_in_for, *stands_in_for))),
    )


def walk(first: Notice, chosen: Sequence[str], tried: Mapping[str, Sequence[Act]]) -> PersonState:
    """Return how a person's notice stands, way by way; those that were tried already come first.

    `first` has everything of the message but its way; its `repeat` is whether a page may have woken the person before.
    `tried` are the tries by way, oldest first.
    """
    state, repeat, start = PersonState(first.person, first.due), first.repeat, first.due
    for way in dict.fromkeys([*tried, *chosen]):
        acts = tried.get(way, ())
        notice = replace(first, way=way, step=_step(first.person, way, acts), due=start, repeat=repeat)
        if not acts:
            state.due.append(notice)
            return state
        state.tried = True
        if good := next((act for act in acts if act.outcome and act.outcome.good), None):
            state.told_at, state.due = good.finished_at, []
            state.after_all = way if good is not acts[0] else ""
            return state
        if _is_written_again(acts):
            state.due.append(replace(notice, due=acts[-1].finished_at or start))
            return state
        if acts[0].outcome is None:
            state.due.append(replace(notice, due=acts[0].at))
            start, repeat = acts[0].at + NO_RESULT_FOR, True
            continue
        state.reasons.append(f"{way}: {bare(acts[0].outcome.sentence)}")
        start, repeat = acts[0].finished_at or start, repeat or may_have_arrived(acts[0])
    if not state.due:
        state.failed_at = start
        state.again = _again(first, tried)
    return state


def _is_written_again(acts: Sequence[Act]) -> bool:
    """Return whether the message was not sent because its words were outdated, so that new ones are sent at once."""
    outdated = [act.outcome is not None and act.outcome.drifted and not act.outcome.changed for act in acts]
    return outdated[-1] and sum(outdated) <= _WRITTEN_AGAIN


def _again(first: Notice, tried: Mapping[str, Sequence[Act]]) -> Notice | None:
    """Return the message that is sent again after every way failed: all ways in order, then a longer pause.

    A way by which a message may have arrived, or that refuses the contact, is left out. None if no way is left.
    """
    open_ways = {
        way: acts
        for way, acts in tried.items()
        if not any(may_have_arrived(act) for act in acts) and not acts[-1].refusals
    }
    if not open_ways:
        return None
    repeat = first.repeat or len(open_ways) < len(tried)
    rounds = min(len(acts) for acts in open_ways.values())
    last = max(act.finished_at or act.at for acts in open_ways.values() for act in acts)
    under_way = any(len(acts) > rounds for acts in open_ways.values())
    due = last if under_way else last + timedelta(seconds=AGAIN.pause(rounds))
    way = next(way for way, acts in open_ways.items() if len(acts) == rounds)
    begun = next((way for way, acts in open_ways.items() if acts[-1].outcome is None), None)
    if begun is not None:
        way, due = begun, open_ways[begun][-1].at
    return replace(first, way=way, step=_step(first.person, way, open_ways[way]), due=due, repeat=repeat)


def may_have_arrived(act: Act) -> bool:
    """Return whether the recipient may have a message that is not proven to have arrived."""
    if act.outcome is None or not act.outcome.changed:
        return False
    found: Any = (act.outcome.after or {}).get("deliveries")
    known = cast("dict[str, object]", found) if found else {}
    return not known or any(str(one) != Delivery.FAILED for one in known.values())


def _step(name: str, way: str, acts: Sequence[Act]) -> str:
    return acts[0].proposed.step if acts else step_of(name, way)


def step_of(name: str, way: str) -> str:
    """Return the step under which the message to a person by a way is recorded, as `ana-ruiz-email`.

    Two people, or two ways, never have one step: `Ana-Ruiz` is not `Ana Ruiz`, and would get nothing.
    """
    key = person_key(name)
    shown = re.sub(r"[^\w]+", "-", key).strip("-") or _NO_NAME
    simple = not key or (shown == key.replace(" ", "-") and "-" not in key and shown != _NO_NAME)
    step = f"{shown}-{way}"
    return step if simple and "-" not in way else f"{step}-{digest([key, way])[:8]}"


def begun_notices(incident: Incident) -> list[Notice]:
    """Return the messages whose sending was interrupted, also if they are no longer due: one may have been sent."""
    return [
        Notice(tuple(notice.audiences), notice.person, notice.way, act.proposed.step, act.at, update=notice.update)
        for act in incident.acts.values()
        if (notice := act.proposed.notice) is not None and act.begun
    ]


def tries_by_person(incident: Incident) -> dict[str, dict[str, list[Act]]]:
    """Return the messages that were sent, or tried: the key of the person -> way -> acts, oldest first."""
    found: dict[str, dict[str, list[Act]]] = {}
    for act in incident.acts.values():
        notice = act.proposed.notice
        if notice is not None and not notice.update:
            found.setdefault(person_key(notice.person), {}).setdefault(notice.way, []).append(act)
    return found
