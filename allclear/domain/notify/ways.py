"""By which ways an urgent message reaches people, and what follows if a page does not get through. Pure.

If a page fails, people get a message at once by the other rule of the plan's `reminders`. If that fails too, each of
the plan's `ways` follows that reaches one of the people. If all of these fail, no way is left: the record says so, and
the responder reports it in its log and in Prefect. A failed page is also sent again, by
`allclear.engine.notify.sender`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from allclear.domain.act import Act
from allclear.domain.base import JsonDict
from allclear.domain.incident import Incident, ReminderState
from allclear.domain.notify.delivery import Delivery
from allclear.domain.notify.on_call import page_answered
from allclear.domain.notify.reached import runbook_pages
from allclear.domain.notify.recipients import Reaches, address_at, people_of_reminder
from allclear.domain.plan import MessageAction, Plan, RotaOverride
from allclear.domain.plan.people import ON_CALL
from allclear.domain.pseudo_phases import REMINDER
from allclear.domain.reminders.reminder import Reminder, known_roles
from allclear.domain.text import bare, plain, shell_word, signature

PAGE_FAILED, NO_WAY_LEFT = "page-failed", "no-way-left"
"""The kinds of topics of the reminders that this module adds."""

NOT_TOLD = "not-told"
"""The topic of the reminder that says which audiences of the plan's `notifications` no one could notify."""

LIST_NOT_TOLD = "list-not-told"
"""The kind of topic of the reminder that says which mailing list was not reached."""


def told_command(incident: Incident, audience: str) -> str:
    """Return how a person records that an audience knows, without who that person is."""
    return f"allclear told {incident.id} {shell_word(audience)}"


def reported_not_told(incident: Incident) -> set[str]:
    """Return the audiences that people were reminded to tell themselves, because no one is left to notify instead.

    Older records have no `audiences`: there the commands in the sentence name them.
    """
    found: set[str] = set()
    for topic, states in incident.reminders.items():
        for reminder in (state.reminder for state in states):
            found.update(reminder.audiences)
            if not reminder.audiences and topic.partition(":")[0] in (NOT_TOLD, LIST_NOT_TOLD):
                found.update(_TOLD.findall(reminder.sentence))
    return found


STALE_MESSAGE = "stale-message"
"""The kind of topic of a live message that could not be brought up to date."""

_TOLD = re.compile(r"allclear told \S+ (\S+) ")
"""The audience in each command that `told_command` returns."""

_ARRIVED = (Delivery.DELIVERED, Delivery.ACKNOWLEDGED)

_LONGEST = 200
"""Characters of the reason for which one way failed."""


@dataclass(frozen=True)
class Way:
    """One way by which a reminder is sent."""

    message: MessageAction
    step: str
    """The step under which the act that sends it is journalled."""
    of_plan: bool = False
    """Whether it is one of the plan's `ways`, with the placeholders of a notice, and not one of `reminders`."""


def ways(
    plan: Plan, incident: Incident, state: ReminderState, reaches: Reaches, overrides: Sequence[RotaOverride]
) -> list[Way]:
    """Return the ways for a reminder, the first choice first; the next one is used as soon as the one before failed.

    Those of an urgent reminder end with the plan's `ways` that reach one of its people, in the plan's order.
    """
    page, message = plan.reminders.page, plan.reminders.message
    rules, more = ([page, message], True) if state.reminder.urgent else ([message], False)
    kind, _, about = state.reminder.topic.partition(":")
    used: set[str] = set()
    if kind == PAGE_FAILED:
        used |= {incident.acts[about].proposed.action} if about in incident.acts else set()
        rules, more = [one for one in (message, page) if one and one.action not in used], True
    elif kind == NOT_TOLD:
        rules, more = [message, page] if state.reminder.urgent else [message], True
    elif kind == STALE_MESSAGE and not (incident.over or incident.contained_at):
        rules, more = [message, page], True  # the channel itself may be broken, and people rely on it now
    found: list[Way] = []
    for one in rules:
        if one and all(one != way.message for way in found):
            found.append(Way(one, _step(state, one) if found else str(state.number)))
    used |= {way.message.action for way in found}
    return found + (_ways_of_plan(plan, incident, state, reaches, overrides, used) if more else [])


def _ways_of_plan(
    plan: Plan,
    incident: Incident,
    state: ReminderState,
    reaches: Reaches,
    overrides: Sequence[RotaOverride],
    used: AbstractSet[str],
) -> list[Way]:
    """Return those of the plan's `ways` with another action that reach one of the reminder's people at its time."""
    people = people_of_reminder(plan, incident, state.reminder, state.at, overrides)
    found: dict[str, Way] = {}
    for name, message in plan.ways.items():
        reached = any(address_at(plan, person, reaches.get(name), state.at) for person in people)
        if reached and message.action not in used:
            found.setdefault(message.action, Way(message, _step(state, message), of_plan=True))
    return list(found.values())


def _step(state: ReminderState, message: MessageAction) -> str:
    return f"{state.number}-{message.action.replace('.', '-').replace('_', '-')}"


def failed(act: Act | None) -> bool:
    """Return whether an act has ended and is not proven to have done what it should."""
    return act is not None and act.outcome is not None and not act.outcome.good


def _reached_no_one(act: Act | None) -> bool:
    """Return whether a message has failed at each of its recipients."""
    if act is None or not failed(act):
        return False
    wanted = _deliveries((act.change or {}).get("after"))
    got = _deliveries(act.outcome.after if act.outcome else None)
    return not any(how in (wanted.get(address), *_ARRIVED) for address, how in got.items())


def _deliveries(state: object) -> Mapping[str, object]:
    """Return each recipient and how far the message got, as `delivery.Sent` has it; empty for another message."""
    found = cast("JsonDict", state).get("deliveries") if isinstance(state, dict) else None
    return cast("Mapping[str, object]", found) if isinstance(found, dict) else {}


def failed_pages(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]) -> Iterator[Act]:
    """Yield the first try of each page of the runbook that has not got through, while someone must still be woken."""
    if incident.over or page_answered(plan, incident, overrides):
        return
    first: dict[tuple[str, str], Act] = {}
    for act in runbook_pages(incident):
        first.setdefault((act.proposed.phase, act.proposed.step), act)
    for key, act in first.items():
        latest = incident.act_of(*key)
        got_through = latest is not None and latest.outcome is not None and latest.outcome.good
        if failed(act) and not got_through:
            yield act


def page_tried_at(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]) -> datetime | None:
    """Return when the first page was sent, or failed: the escalation of an unanswered page counts from then."""
    tries = [incident.paged_at, *(act.finished_at for act in failed_pages(plan, incident, overrides))]
    return min((at for at in tries if at), default=None)


def page_reminders(
    plan: Plan, incident: Incident, overrides: Sequence[RotaOverride], reaches: Reaches
) -> Iterator[Reminder]:
    """Yield the reminders that follow from a page that failed, and from a reminder whose every way failed."""
    for page in failed_pages(plan, incident, overrides):
        at = page.finished_at or page.at
        roles = known_roles(plan, ON_CALL, *_next(plan)) or tuple(plan.roles)
        yield Reminder(f"{PAGE_FAILED}:{page.id}", 1, at, _page_failed(plan, incident, page), roles)
    for states in list(incident.reminders.values()):
        for state in states:
            kind = state.reminder.topic.partition(":")[0]
            if state.reminder.urgent or kind in (PAGE_FAILED, NOT_TOLD):
                yield from _no_way_left(plan, incident, state, ways(plan, incident, state, reaches, overrides))


def _next(plan: Plan) -> list[str]:
    """Return the roles to which an unacknowledged page climbs first."""
    levels = [policy.levels[0].roles for policy in plan.escalation_policies[:1]]
    return [role for roles in levels if not isinstance(roles, str) for role in roles]


def _page_failed(plan: Plan, incident: Incident, page: Act) -> str:
    reason, unknown = (plain(page.outcome.sentence), page.outcome.changed) if page.outcome else ("", False)
    what = "It is not known whether the page woke anyone" if unknown else "The page did not get through and woke no one"
    return f"{what}: {reason} {_call(plan, incident)}"


def _call(plan: Plan, incident: Incident) -> str:
    """Return what the reader must do, and what happens otherwise."""
    sign = signature(plan, ON_CALL).replace("NAME", "THEIR-NAME")
    return (
        f"Call the person on call now. When that person has taken it, run: allclear ack {incident.id} {sign}. "
        "Until then the page is sent again."
    )


def _no_way_left(plan: Plan, incident: Incident, state: ReminderState, chosen: Sequence[Way]) -> Iterator[Reminder]:
    """Yield a reminder, which is only recorded and reported, if each way of this one has been tried and has failed."""
    acts = [incident.act_of(REMINDER, way.step) for way in chosen]
    if incident.over or not all(_reached_no_one(act) for act in acts):
        return
    at = max((act.finished_at for act in acts if act and act.finished_at), default=state.at)
    reasons = "; ".join(
        f"{act.proposed.action}: {plain(bare(act.outcome.sentence), _LONGEST)}" for act in acts if act and act.outcome
    )
    undelivered = state.reminder.sentence if state.reminder.topic == NOT_TOLD else _call(plan, incident)
    sentence = f"NO WAY IS LEFT to tell people{f' ({reasons})' if reasons else ''}. {undelivered}"
    yield Reminder(f"{NO_WAY_LEFT}:{state.number}", 1, at, sentence)
