"""The reminders of notices that did not reach the people whom the plan names, or not in time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.notify.notices import AudienceState, audience_states
from allclear.domain.notify.recipients import Reaches
from allclear.domain.notify.ways import LIST_NOT_TOLD, NOT_TOLD, reported_not_told, told_command
from allclear.domain.plan import Plan, RotaOverride
from allclear.domain.plan.people import ON_CALL
from allclear.domain.reminders.deadlines import clock_start
from allclear.domain.reminders.reminder import Reminder, led_by, level_given
from allclear.domain.text import plain, signature

_LONGEST = 300
"""Characters of the reasons for which one person was not reached."""


def notice_reminders(
    plan: Plan, incident: Incident, overrides: Sequence[RotaOverride], reaches: Reaches
) -> Iterator[Reminder]:
    """Yield who is notified instead of whom, who could not be notified at all, and what is late."""
    states = audience_states(plan, incident, overrides, reaches)
    for state in states:
        yield from _stand_in(plan, incident, state)
        yield from _late(plan, incident, state)
        yield from _after_all(plan, incident, state)
    left = [state for state in states if state.left_at is not None]
    yield from _not_told(plan, incident, [state for state in left if state.audience not in plan.mailing_lists])
    for state in left:
        if state.audience in plan.mailing_lists:
            yield _list_not_told(plan, incident, state)


def _stand_in(plan: Plan, incident: Incident, state: AudienceState) -> Iterator[Reminder]:
    """Yield that no one of an audience could be reached, and who was notified instead, for the timeline."""
    told = next((one for one in state.instead if one.told_at), None)
    if told is None or told.told_at is None:
        return
    at = max([state.since, told.told_at, *(one.failed_at for one in state.failed if one.failed_at)])
    who = plain(plan.role_title(state.audience), 60)
    sentence = f"{who} could not be notified: {_reasons(state)}. Notified instead: {plain(told.name, 60)}."
    yield Reminder(f"stand-in:{state.audience}", len(state.failed) or 1, at, sentence, led_by(plan, incident))


def _after_all(plan: Plan, incident: Incident, state: AudienceState) -> Iterator[Reminder]:
    """Yield who was notified after all: to everyone who has read that this person could not be."""
    for number, one in enumerate((one for one in state.people if one.after_all), start=1):
        if one.told_at is not None:
            title, name = plain(plan.role_title(state.audience), 60), plain(one.name, 60) or "the person on call"
            sentence = (
                f"Notified after all: {title} ({name}), by {one.after_all} at {stamp(one.told_at, plan.zone)}. "
                "No one has to do that by hand any more."
            )
            roles = tuple(plan.roles) if NOT_TOLD in incident.reminders else led_by(plan, incident)
            yield Reminder(f"after-all:{state.audience}", number, one.told_at, sentence, roles)


def _late(plan: Plan, incident: Incident, state: AudienceState) -> Iterator[Reminder]:
    """Yield that an audience was not notified by the time that the plan names."""
    begun = clock_start(incident, state.line.from_)
    if state.line.within is None or begun is None:
        return
    due = plan.working_time.after(begun, state.line.within)
    if state.told_at is not None and state.told_at <= due:
        return
    who = plain(plan.role_title(state.audience), 60)
    sentence = f"{who} was to be notified by {stamp(due, plan.zone)}, and was not. {_by_hand(plan, incident, [state])}"
    yield Reminder(f"notify:{state.audience}", 1, max(due, state.since), sentence, led_by(plan, incident))


def _not_told(plan: Plan, incident: Incident, left: list[AudienceState]) -> Iterator[Reminder]:
    """Yield one message to everyone about all audiences for which no one is left; a later one adds those that follow.

    It is a page if a message failed, and not if the plan only lacks a name: that is known before the incident.
    """
    level, reported = level_given(incident, NOT_TOLD), reported_not_told(incident)
    for at in sorted({max(state.left_at or state.since, state.since) for state in left}):
        by_then = [one for one in left if max(one.left_at or at, one.since) <= at]
        if new := {one.audience for one in by_then} - reported:
            level, reported = level + 1, reported | new
            yield _not_told_at(plan, incident, by_then, at, level)


def _not_told_at(plan: Plan, incident: Incident, left: list[AudienceState], at: datetime, level: int) -> Reminder:
    """Return the message about the audiences for which no one is left at `at`."""
    what = "; ".join(f"{plain(plan.role_title(state.audience), 60)} ({_reasons(state)})" for state in left)
    sentence = f"NOT NOTIFIED, and no one is left to notify instead: {what}. {_by_hand(plan, incident, left)}"
    urgent = any(one.tried for state in left for one in state.everyone)
    roles = tuple(plan.roles) if urgent else led_by(plan, incident, ON_CALL)
    audiences = tuple(state.audience for state in left)
    return Reminder(NOT_TOLD, level, at, sentence, roles, urgent=urgent, audiences=audiences)


def _list_not_told(plan: Plan, incident: Incident, state: AudienceState) -> Reminder:
    """Return the message that a mailing list could not be notified. It is no page: the people on call know already."""
    title, at = plain(plan.role_title(state.audience), 60), max(state.left_at or state.since, state.since)
    sentence = f"{title} could not be notified: {_reasons(state)}. {_by_hand(plan, incident, [state])}"
    roles = led_by(plan, incident, ON_CALL)
    return Reminder(f"{LIST_NOT_TOLD}:{state.audience}", 1, at, sentence, roles, audiences=(state.audience,))


def _by_hand(plan: Plan, incident: Incident, states: Sequence[AudienceState]) -> str:
    """Return what the reader must do for these audiences, with one command for each."""
    commands = "; ".join(f"{told_command(incident, one.audience)} {signature(plan)}" for one in states)
    return f"Tell them yourself, then record it: {commands}"


def _reasons(state: AudienceState) -> str:
    people = [
        f"{plain(one.name, 60)}: {', '.join(one.reasons)}" if one.tried else ", ".join(one.reasons)
        for one in state.failed
    ]
    return plain("; ".join([*state.reasons, *people]), _LONGEST)
