"""Whom to tell when a time is over: pages that nobody takes, answers that nobody gives, what is due or left in place.

Pure: what is due next follows from the record, the plan and who had taken over which turn. A reminder is about a topic
and stands on a rung of it; each rung is given once, and a graver one makes those below it needless.
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
"""Where acts stand that people started themselves, outside the runbook."""

QUIET = "quiet"
"""Stands in place of a phase where it is the alerts' silence that leads to a look or a question."""

AGAIN = timedelta(days=1)
"""How often it is said again that something is still in place."""

NEWS = timedelta(minutes=5)
"""How far apart people hear of alerts that joined: what came meanwhile is told together."""

HOLDS = timedelta(minutes=10)
"""How long an escalation is held when a fresh look finds the service well."""


@dataclass(frozen=True)
class Reminder:
    """What is to be said when, unless it has become needless by then."""

    topic: str
    level: int
    due: datetime
    sentence: str
    roles: tuple[str, ...] = ()
    urgent: bool = False
    """Whether it is worth a page; else it is told in the team's channel."""
    becomes: str | None = None
    """The graver severity that the incident gets with it, for an escalation."""


def reminders(plan: Plan, incident: Incident, taken: Sequence[RotaOverride] = ()) -> list[Reminder]:
    """Return what is still to be said, the next first; more than one rung of a topic may stand there.

    `taken` are the takeovers of the rotas' turns, as the journal has them.
    """
    found = [*_left(plan, incident), *_by_hand(plan, incident)]
    if incident.responds:
        found += _dues(plan, incident)
        if not incident.over:
            found += [*_pages(plan, incident, taken), *_answers(plan, incident), *_updates(plan, incident)]
            found += _news(plan, incident)
    return sorted(
        (one for one in found if one.level > _rung(incident, one.topic)), key=lambda one: (one.due, one.level)
    )


def _last(incident: Incident, topic: str) -> ReminderState | None:
    said = incident.reminders.get(topic)
    return said[-1] if said else None


def _rung(incident: Incident, topic: str) -> int:
    last = _last(incident, topic)
    return last.reminder.level if last else 0


def _known(plan: Plan, *roles: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(role for role in roles if role in plan.roles))


def _of(plan: Plan, level: EscalationLevel) -> tuple[str, ...]:
    return tuple(plan.roles) if level.roles == EVERYONE else _known(plan, *level.roles)


# --- a page that nobody takes ------------------------------------------------------------------------


def _pages(plan: Plan, incident: Incident, taken: Sequence[RotaOverride]) -> Iterator[Reminder]:
    """Yield the layers of the rota, one after the other, and behind them those who hear of unanswered approvals."""
    paged = incident.paged_at
    if paged is None or incident.acknowledged_at is not None:
        return
    waited, level = timedelta(0), 0
    shifts = list(rota.on_duty(paged, plan.working_time, taken)) if (rota := _rota(plan)) else []
    for shift, following in pairwise(shifts):
        waited, level = waited + shift.acknowledge_within, level + 1
        said = f"{shift.person} has not acknowledged the page for {in_words(waited)}: {following.person} is next."
        yield Reminder("acknowledge", level, paged + waited, said, (rota.role,) if rota else (), urgent=True)
    waited += shifts[-1].acknowledge_within if shifts else timedelta(0)
    for climb in escalation_policy(plan, incident).levels:
        after, level = waited + climb.after, level + 1
        said = f"Nobody has acknowledged the page for {in_words(after)}."
        yield Reminder("acknowledge", level, paged + after, said, _of(plan, climb), urgent=True)


def _rota(plan: Plan) -> Rota | None:
    return next((rota for rota in plan.rotas if rota.role == ON_CALL), plan.rotas[0] if plan.rotas else None)


# --- an answer that nobody gives ---------------------------------------------------------------------


def _answers(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield the climbs of every question; a step that somebody does takes its time, and has targets of its own."""
    if incident.paged_at and incident.acknowledged_at is None:
        return  # the page climbs already, to the same people
    for state in incident.open_asks:
        if state.ask.kind is not AskKind.STEP or state.ask.phase == QUIET:
            for number, climb in enumerate(escalation_policy(plan, incident).levels, start=1):
                yield _unanswered(plan, incident, state, climb, number)


def _unanswered(plan: Plan, incident: Incident, state: AskState, climb: EscalationLevel, number: int) -> Reminder:
    ask = state.ask
    title, (yes, no) = plain(ask.title).rstrip(". "), answer_commands(ask, plan)
    how = f"{yes} or {no}" if ask.kind is AskKind.FALSE_ALARM else yes
    said = f'"{title}" has waited {in_words(climb.after)} for an answer: {how}'
    # A service that looks healthy wakes nobody, whoever was paged before.
    urgent = incident.paged_at is not None and incident.contained_at is None and ask.kind is not AskKind.FALSE_ALARM
    return Reminder(f"answer:{ask.id}", number, state.opened + climb.after, said, _of(plan, climb), urgent=urgent)


# --- what was promised -------------------------------------------------------------------------------


def _dues(plan: Plan, incident: Incident) -> Iterator[Reminder]:
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
    ClockStart.AWARENESS: "a person's first word",
    ClockStart.DECLARATION: "the declaration",
    ClockStart.RECOVERY: "the recovery",
}
_STILL = {
    ClockStop.ACKNOWLEDGED: "nobody is on it yet",
    ClockStop.CONTAINED: "it is not contained yet",
    ClockStop.RECOVERED: "it is not well again yet",
    ClockStop.ENDED: "it is not over yet",
}


def _missed(one: Deadline, due: datetime) -> str:
    """Return which of the plan's times is over, how long it was, and what has not happened."""
    after, still = "", ""
    if one.target:
        span = one.target.within
        long = in_words(span.length) if span.unit == "clock" else str(span)
        after, still = f", {long} after {_SINCE[one.starts]}", f": {_STILL[one.target.until]}"
    return f'The time for "{plain(one.title)}" ({plain(one.severity, 20)}) was over at {stamp(due)}{after}{still}.'


def _ahead(incident: Incident, one: Deadline, due: datetime, roles: tuple[str, ...]) -> Iterator[Reminder]:
    """Yield a word while a quarter of the time is left, and one when it is over."""
    topic, begun = f"{one.what}:{one.name}", clock_start(incident, one.starts) or due
    soon = max(due - (due - begun) / 4, one.not_before or begun)
    if soon < due:
        yield Reminder(topic, 1, soon, f"Due at {stamp(due)}: {plain(one.title)}.", roles)
    yield Reminder(topic, 2, due, f"Overdue since {stamp(due)}: {plain(one.title)}.", roles)


def _escalation(plan: Plan, incident: Incident, one: Deadline, due: datetime) -> Reminder:
    topic = f"escalation:{one.severity}:{one.name}"
    last = _last(incident, topic)
    said = f"{one.severity} for too long, and not contained: it is {one.name} now."
    roles, level = _known(plan, LEAD, "tech_lead", "cto"), _rung(incident, topic) + 1
    return Reminder(topic, level, last.at + HOLDS if last else due, said, roles, becomes=one.name)


# --- how it stands, for those who wait ---------------------------------------------------------------


def _updates(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    fitting = [
        line
        for line in plan.applying(plan.updates, incident.severity, incident.kind, incident.facets)
        if status_word(incident) in line.status
    ]
    for audience in dict.fromkeys(line.audience for line in fitting):
        topic = f"update:{audience}"
        last = _last(incident, topic)
        since = max(filter(None, (incident.opened_at, _spoken(incident, audience), last.at if last else None)))
        lines = sorted((line for line in fitting if line.audience == audience), key=lambda line: line.after)
        due = _next_update(incident, lines, since)
        if due is not None:
            said = f"An update is due: {plain(plan.role_title(audience))}, last told at {stamp(since)}."
            roles = _known(plan, "communications_lead", LEAD)[:1]
            yield Reminder(topic, _rung(incident, topic) + 1, due, said, roles)


def _spoken(incident: Incident, audience: str) -> datetime | None:
    """Return when `audience` last heard something through an action of its name, as status_page.update."""
    told = (
        act.finished_at
        for act in incident.acts.values()
        if act.proposed.action.partition(".")[0] == audience and act.outcome and act.outcome.changed
    )
    return max((at for at in told if at), default=None)


def _next_update(incident: Incident, lines: list[UpdateSchedule], since: datetime) -> datetime | None:
    """Return when the next word is due; `lines` are of one audience, each counting until the next one's `after`."""
    moments: list[datetime] = []
    for number, line in enumerate(lines):
        due = max(since + line.every, incident.opened_at + line.after)
        ends = incident.opened_at + lines[number + 1].after if number + 1 < len(lines) else None
        if ends is None or due < ends:
            moments.append(due)
    return min(moments, default=None)


def _news(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield one word on all alerts that joined, came back or come and go, since the last one."""
    last = _last(incident, "news")
    untold = [(at, reason) for number, at, reason in incident.news if last is None or number > last.number]
    if not untold:
        return
    due = max(untold[0][0], last.at + NEWS) if last else untold[0][0]
    reason = ", ".join(dict.fromkeys(plain(reason) for _, reason in untold))
    said = (
        f"{counted(len(untold), 'alert')} to know of since {clock(untold[0][0])} ({reason}): "
        f"allclear show {incident.id} --why"
    )
    yield Reminder("news", _rung(incident, "news") + 1, due, said, _known(plan, LEAD, ON_CALL)[:1])


# --- what is left, and what was done beside the runbook ----------------------------------------------


def _left(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    for act in incident.in_place:
        due = act.handed_over.due if act.handed_over else act.proposed.expires
        if due is None:
            continue
        topic = f"left:{act.id}"
        last = _last(incident, topic)
        owner = act.handed_over.to if act.handed_over else ""
        since = f"still in place since {stamp(act.finished_at or act.at)}, to be looked at by {stamp(due)}"
        said = f"{plain(act.proposed.title)} ({plain(act.proposed.resource)}) is {since}" + _whose(owner)
        again = max(due, last.at + AGAIN) if last else due
        yield Reminder(topic, _rung(incident, topic) + 1, again, said, _known(plan, act.proposed.owner, LEAD)[:1])


def _whose(owner: str) -> str:
    return f"; {plain(owner, 60)} has taken it over." if owner else "."


def _by_hand(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    for act in incident.acts.values():
        if act.proposed.phase == MANUAL and act.outcome and act.outcome.changed and act.finished_at:
            yield Reminder(f"manual:{act.id}", 1, act.finished_at, _done_by_hand(act), _known(plan, LEAD))


def _done_by_hand(act: Act) -> str:
    what = str((act.change or {}).get("summary") or act.proposed.title).rstrip(". ")
    return f"BY HAND, outside the runbook: {plain(act.by.actor, 60)} did this: {plain(what)}."
