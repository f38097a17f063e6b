"""The reminders that an incident needs: unacknowledged pages, unanswered questions, deadlines, what is left in place.

Pure: they follow from the record, the plan and the overrides of the rota. A reminder has a topic and a level.
A level of a topic is given once, and a higher level replaces those below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from allclear.domain.approval import AskKind
from allclear.domain.deadlines import Deadline, clock_start, deadlines, duties, escalation_policy, status_word
from allclear.domain.durations import counted, in_words
from allclear.domain.incident import Act, AskState, Incident, ReminderState
from allclear.domain.plan import (
    EVERYONE,
    ClockStart,
    ClockStop,
    EscalationLevel,
    Plan,
    Rota,
    RotaOverride,
    UpdateSchedule,
)
from allclear.domain.template_values import LEAD
from allclear.domain.text import answer_commands, clock, plain, stamp

ON_CALL = "on_call"
MANUAL = "manual"
"""Stands in place of a phase in acts that people started themselves, outside the runbook."""

RECOVERY = "recovery"
"""Stands in place of a phase in the checks and questions that follow when all alerts have resolved."""

LEFT_AGAIN_AFTER = timedelta(days=1)
"""How often people are reminded of what is still in place."""

NEWS_EVERY = timedelta(minutes=5)
"""The shortest time between two notifications of new alerts; those in between are reported together."""

POSTPONED_BY = timedelta(minutes=10)
"""How long an escalation is postponed when a new check finds the service healthy."""


@dataclass(frozen=True)
class Reminder:
    """A reminder, and when it is due unless the incident changes first."""

    topic: str
    level: int
    due: datetime
    sentence: str
    roles: tuple[str, ...] = ()
    urgent: bool = False
    """Whether it is sent as a page; otherwise it is a message to the team's channel."""
    becomes: str | None = None
    """For an escalation: the severity that the incident gets."""


def reminders(plan: Plan, incident: Incident, taken: Sequence[RotaOverride] = ()) -> list[Reminder]:
    """Return the reminders still to come, the next one first; a topic may have several levels.

    `taken` are the overrides of the rotas, from the journal.
    """
    due = [*_left(plan, incident), *_manual(plan, incident)]
    if incident.responds:
        due += _deadline_reminders(plan, incident)
        if not incident.over:
            due += [*_pages(plan, incident, taken), *_answers(plan, incident), *_updates(plan, incident)]
            due += _news(plan, incident)
    return sorted(
        (reminder for reminder in due if reminder.level > _level(incident, reminder.topic)),
        key=lambda reminder: (reminder.due, reminder.level),
    )


def _last(incident: Incident, topic: str) -> ReminderState | None:
    given = incident.reminders.get(topic)
    return given[-1] if given else None


def _level(incident: Incident, topic: str) -> int:
    last = _last(incident, topic)
    return last.reminder.level if last else 0


def _known(plan: Plan, *roles: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(role for role in roles if role in plan.roles))


def _of(plan: Plan, level: EscalationLevel) -> tuple[str, ...]:
    return tuple(plan.roles) if level.roles == EVERYONE else _known(plan, *level.roles)


# --- an unacknowledged page ----------------------------------------------------------------------------


def _pages(plan: Plan, incident: Incident, taken: Sequence[RotaOverride]) -> Iterator[Reminder]:
    """Yield one reminder for each layer of the rota in turn, then those of the escalation policy."""
    paged = incident.paged_at
    if paged is None or incident.acknowledged_at is not None:
        return
    waited, level = timedelta(0), 0
    shifts = list(rota.on_duty(paged, plan.working_time, taken)) if (rota := _rota(plan)) else []
    for shift, following in pairwise(shifts):
        waited, level = waited + shift.acknowledge_within, level + 1
        sentence = (
            f"{shift.person} has not acknowledged the page within {in_words(waited)}: {following.person} is paged next."
        )
        yield Reminder("acknowledge", level, paged + waited, sentence, (rota.role,) if rota else (), urgent=True)
    waited += shifts[-1].acknowledge_within if shifts else timedelta(0)
    for escalation in escalation_policy(plan, incident).levels:
        after, level = waited + escalation.after, level + 1
        sentence = f"No one has acknowledged the page within {in_words(after)}."
        yield Reminder("acknowledge", level, paged + after, sentence, _of(plan, escalation), urgent=True)


def _rota(plan: Plan) -> Rota | None:
    return next((rota for rota in plan.rotas if rota.role == ON_CALL), plan.rotas[0] if plan.rotas else None)


# --- an unanswered question --------------------------------------------------------------------------


def _answers(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield the escalation of every open question; a person's step has targets of its own instead."""
    if incident.paged_at and incident.acknowledged_at is None:
        return  # the page itself escalates to the same people
    for state in incident.open_asks:
        if state.ask.kind is not AskKind.STEP or state.ask.phase == RECOVERY:
            for number, level in enumerate(escalation_policy(plan, incident).levels, start=1):
                yield _unanswered(plan, incident, state, level, number)


def _unanswered(plan: Plan, incident: Incident, state: AskState, level: EscalationLevel, number: int) -> Reminder:
    ask = state.ask
    title, (yes, no) = plain(ask.title).rstrip(". "), answer_commands(ask, plan)
    how = f"{yes} or {no}" if ask.kind is AskKind.FALSE_ALARM else yes
    sentence = f'"{title}" has had no answer for {in_words(level.after)}. Answer with: {how}'
    # While the service looks healthy no one is paged, even if a page was sent before.
    urgent = incident.paged_at is not None and incident.contained_at is None and ask.kind is not AskKind.FALSE_ALARM
    return Reminder(f"answer:{ask.id}", number, state.opened + level.after, sentence, _of(plan, level), urgent=urgent)


# --- deadlines ---------------------------------------------------------------------------------------


def _deadline_reminders(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    for one in deadlines(plan, incident):
        if one.due is None or one.met or one.declined:
            continue
        match one.what:
            case "target":
                topic = f"target:{one.severity}:{one.name}"
                yield Reminder(topic, 1, one.due, _missed(one, one.due), _known(plan, LEAD, ON_CALL))
            case "escalation":
                yield _escalation(plan, incident, one, one.due)
            case "duty":
                role = next((duty.role for duty in duties(plan, incident) if duty.name == one.name), LEAD)
                yield from _ahead(incident, one, one.due, _known(plan, role))
            case "post-mortem":
                yield from _ahead(incident, one, one.due, _known(plan, LEAD))


_SINCE = {
    ClockStart.ALERT: "the alert",
    ClockStart.AWARENESS: "a person became aware",
    ClockStart.DECLARATION: "the declaration",
    ClockStart.RECOVERY: "the recovery",
}
_STILL = {
    ClockStop.ACKNOWLEDGED: "it is not acknowledged yet",
    ClockStop.CONTAINED: "it is not contained yet",
    ClockStop.RECOVERED: "it has not recovered yet",
    ClockStop.ENDED: "it has not ended yet",
}


def _missed(one: Deadline, due: datetime) -> str:
    """Return which target was missed, how long it was, and what has not happened yet."""
    after, still = "", ""
    if one.target:
        span = one.target.within
        long = in_words(span.length) if span.unit == "clock" else str(span)
        after, still = f", {long} after {_SINCE[one.starts]}", f": {_STILL[one.target.until]}"
    return f'Missed the target "{plain(one.title)}" ({plain(one.severity, 20)}), due {stamp(due)}{after}{still}.'


def _ahead(incident: Incident, one: Deadline, due: datetime, roles: tuple[str, ...]) -> Iterator[Reminder]:
    """Yield a reminder when a quarter of the time is left, and one when it is over."""
    topic, begun = f"{one.what}:{one.name}", clock_start(incident, one.starts) or due
    soon = max(due - (due - begun) / 4, one.not_before or begun)
    if soon < due:
        yield Reminder(topic, 1, soon, f"Due at {stamp(due)}: {plain(one.title)}.", roles)
    yield Reminder(topic, 2, due, f"Overdue since {stamp(due)}: {plain(one.title)}.", roles)


def _escalation(plan: Plan, incident: Incident, one: Deadline, due: datetime) -> Reminder:
    topic = f"escalation:{one.severity}:{one.name}"
    last = _last(incident, topic)
    sentence = f"{one.severity} is not contained in time: the severity becomes {one.name}."
    roles, level = _known(plan, LEAD, "tech_lead", "cto"), _level(incident, topic) + 1
    return Reminder(topic, level, last.at + POSTPONED_BY if last else due, sentence, roles, becomes=one.name)


# --- status updates, and news of alerts --------------------------------------------------------------


def _updates(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    fitting = [
        line
        for line in plan.applying(plan.updates, incident.severity, incident.kind, incident.facets)
        if status_word(incident) in line.status
    ]
    for audience in dict.fromkeys(line.audience for line in fitting):
        topic = f"update:{audience}"
        last = _last(incident, topic)
        since = max(filter(None, (incident.opened_at, _last_update(incident, audience), last.at if last else None)))
        lines = sorted((line for line in fitting if line.audience == audience), key=lambda line: line.after)
        due = _next_update(incident, lines, since)
        if due is not None:
            sentence = (
                f"A status update for {plain(plan.role_title(audience))} is due; the last one was at {stamp(since)}."
            )
            roles = _known(plan, "communications_lead", LEAD)[:1]
            yield Reminder(topic, _level(incident, topic) + 1, due, sentence, roles)


def _last_update(incident: Incident, audience: str) -> datetime | None:
    """Return when an action of the audience's name, as status_page.update, last changed something, or None."""
    finished = (
        act.finished_at
        for act in incident.acts.values()
        if act.proposed.action.partition(".")[0] == audience and act.outcome and act.outcome.changed
    )
    return max((at for at in finished if at), default=None)


def _next_update(incident: Incident, lines: list[UpdateSchedule], since: datetime) -> datetime | None:
    """Return when the next update is due. `lines` are of one audience; each counts until the `after` of the next."""
    moments: list[datetime] = []
    for number, line in enumerate(lines):
        due = max(since + line.every, incident.opened_at + line.after)
        ends = incident.opened_at + lines[number + 1].after if number + 1 < len(lines) else None
        if ends is None or due < ends:
            moments.append(due)
    return min(moments, default=None)


def _news(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield one reminder of all alerts that joined, fired again or started flapping since the last one."""
    last = _last(incident, "news")
    unreported = [(at, reason) for number, at, reason in incident.news if last is None or number > last.number]
    if not unreported:
        return
    due = max(unreported[0][0], last.at + NEWS_EVERY) if last else unreported[0][0]
    reason = ", ".join(dict.fromkeys(plain(reason) for _, reason in unreported))
    sentence = (
        f"{counted(len(unreported), 'alert')} since {clock(unreported[0][0])} ({reason}). "
        f"For details: allclear show {incident.id} --why"
    )
    yield Reminder("news", _level(incident, "news") + 1, due, sentence, _known(plan, LEAD, ON_CALL)[:1])


# --- what is left in place, and manual actions -------------------------------------------------------


def _left(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    for act in incident.in_place:
        due = act.handed_over.due if act.handed_over else act.proposed.expires
        if due is None:
            continue
        topic = f"left:{act.id}"
        last = _last(incident, topic)
        owner = act.handed_over.to if act.handed_over else ""
        since = f"still in place since {stamp(act.finished_at or act.at)}, to be reviewed by {stamp(due)}"
        sentence = f"{plain(act.proposed.title)} ({plain(act.proposed.resource)}) is {since}" + _taken_over(owner)
        again = max(due, last.at + LEFT_AGAIN_AFTER) if last else due
        yield Reminder(topic, _level(incident, topic) + 1, again, sentence, _known(plan, act.proposed.owner, LEAD)[:1])


def _taken_over(owner: str) -> str:
    return f"; {plain(owner, 60)} has taken it over." if owner else "."


def _manual(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    for act in incident.acts.values():
        if act.proposed.phase == MANUAL and act.outcome and act.outcome.changed and act.finished_at:
            yield Reminder(f"manual:{act.id}", 1, act.finished_at, _manual_sentence(act), _known(plan, LEAD))


def _manual_sentence(act: Act) -> str:
    what = str((act.change or {}).get("summary") or act.proposed.title).rstrip(". ")
    return f"MANUAL action outside the runbook by {plain(act.by.actor, 60)}: {plain(what)}."
