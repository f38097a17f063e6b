"""By which ways an urgent message reaches people, and what follows if a page does not get through. Pure.

If a page fails, people get a message at once by the plan's other way. If that fails too, no way is left: the record
says so, and the responder reports it in its log and in Prefect. A failed page is also sent again, by
`allclear.engine.notify.sender`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from allclear.domain.act import Act
from allclear.domain.incident import Incident, ReminderState
from allclear.domain.on_call import page_answered
from allclear.domain.plan import MessageAction, Plan, ReminderRules, RotaOverride
from allclear.domain.pseudo_phases import NOTICE, REMINDER
from allclear.domain.reminder import ON_CALL, Reminder, known_roles
from allclear.domain.text import bare, plain, signature

PAGE_FAILED, NO_WAY_LEFT = "page-failed", "no-way-left"
"""The kinds of topics of the reminders that this module adds."""

NOT_TOLD = "not-told"
"""The topic of the reminder that says which audiences of the plan's `notifications` no one could notify."""

LIST_NOT_TOLD = "list-not-told"
"""The kind of topic of the reminder that says which mailing list was not reached."""

STALE_MESSAGE = "stale-message"
"""The kind of topic of a live message that could not be brought up to date."""


@dataclass(frozen=True)
class Way:
    """One way by which a reminder is sent."""

    message: MessageAction
    step: str
    """The step under which the act that sends it is journalled."""


def ways(rules: ReminderRules, incident: Incident, state: ReminderState) -> list[Way]:
    """Return the ways for a reminder, the first choice first; the next one is used as soon as the one before failed."""
    messages = [rules.page, rules.message] if state.reminder.urgent else [rules.message]
    kind, _, page = state.reminder.topic.partition(":")
    if kind == PAGE_FAILED:
        failed = incident.acts[page].proposed.action if page in incident.acts else ""
        messages = [one for one in (rules.message, rules.page) if one and one.action != failed]
    elif kind == NOT_TOLD:
        messages = [rules.message, rules.page] if state.reminder.urgent else [rules.message]
    elif kind == STALE_MESSAGE and not (incident.over or incident.contained_at):
        messages = [rules.message, rules.page]  # the channel itself may be broken, and people rely on it now
    found: list[Way] = []
    for message in messages:
        if message and all(message != way.message for way in found):
            action = message.action.replace(".", "-").replace("_", "-")
            found.append(Way(message, f"{state.number}-{action}" if found else str(state.number)))
    return found


def failed(act: Act | None) -> bool:
    """Return whether an act has ended and is not proven to have done what it should."""
    return act is not None and act.outcome is not None and not act.outcome.good


def failed_pages(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]) -> Iterator[Act]:
    """Yield the first try of each page of the runbook that has not got through, while someone must still be woken."""
    if incident.over or page_answered(plan, incident, overrides):
        return
    first: dict[tuple[str, str], Act] = {}
    for act in incident.acts.values():
        if act.proposed.pages and act.proposed.undoes is None and act.proposed.phase not in (REMINDER, NOTICE):
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


def page_reminders(plan: Plan, incident: Incident, overrides: Sequence[RotaOverride]) -> Iterator[Reminder]:
    """Yield the reminders that follow from a page that failed, and from a reminder whose every way failed."""
    for page in failed_pages(plan, incident, overrides):
        at = page.finished_at or page.at
        roles = known_roles(plan, ON_CALL, *_next(plan)) or tuple(plan.roles)
        yield Reminder(f"{PAGE_FAILED}:{page.id}", 1, at, _page_failed(plan, incident, page), roles)
    for states in list(incident.reminders.values()):
        for state in states:
            kind = state.reminder.topic.partition(":")[0]
            if state.reminder.urgent or kind in (PAGE_FAILED, NOT_TOLD):
                yield from _no_way_left(plan, incident, state)


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


def _no_way_left(plan: Plan, incident: Incident, state: ReminderState) -> Iterator[Reminder]:
    """Yield a reminder, which is only recorded and reported, if each way of this one has been tried and has failed."""
    acts = [incident.act_of(REMINDER, way.step) for way in ways(plan.reminders, incident, state)]
    if incident.over or not all(failed(act) for act in acts):
        return
    at = max((act.finished_at for act in acts if act and act.finished_at), default=state.at)
    reasons = "; ".join(f"{act.proposed.action}: {bare(act.outcome.sentence)}" for act in acts if act and act.outcome)
    undelivered = state.reminder.sentence if state.reminder.topic == NOT_TOLD else _call(plan, incident)
    sentence = f"NO WAY IS LEFT to tell people{f' ({plain(reasons, 400)})' if reasons else ''}. {undelivered}"
    yield Reminder(f"{NO_WAY_LEFT}:{state.number}", 1, at, sentence)
