"""The reminders that an incident needs: unacknowledged pages, unanswered questions, deadlines, what is left in place.

Pure: they follow from the record, the plan and the overrides of the rota. A reminder has a topic and a level.
A level of a topic is given once, and a higher level replaces those below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from allclear.domain.act import Act
from allclear.domain.base import person_key
from allclear.domain.durations import counted, in_words
from allclear.domain.fact_questions import fact_reminders
from allclear.domain.incident import Incident
from allclear.domain.local_times import named_clock, stamp
from allclear.domain.notify.recipients import Reaches
from allclear.domain.notify.update_rhythm import update_reminders
from allclear.domain.notify.ways import STALE_MESSAGE, page_reminders
from allclear.domain.plan import (
    ClockStart,
    ClockStop,
    Plan,
    RotaOverride,
)
from allclear.domain.plan.people import LEAD, ON_CALL
from allclear.domain.pseudo_phases import LIVE_MESSAGE, MANUAL
from allclear.domain.records import RunReplaced
from allclear.domain.reminders.deadlines import Deadline, clock_start, deadlines, duties
from allclear.domain.reminders.escalation import page_escalation, question_escalation, severity_escalation
from allclear.domain.reminders.follow_ups import follow_up_reminders
from allclear.domain.reminders.meetings import meeting_reminders
from allclear.domain.reminders.pager import pager_reminders
from allclear.domain.reminders.reminder import Reminder, known_roles, last_given, led_by, level_given
from allclear.domain.reminders.reviews import OVERDUE, overdue_again, review_due
from allclear.domain.reminders.roles import role_reminders
from allclear.domain.reminders.tickets import ticket_reminders
from allclear.domain.reminders.undelivered_notices import notice_reminders
from allclear.domain.sentences.progress import BY_A_PERSON, was_replaced
from allclear.domain.text import answer_commands, bare, plain, signature, with_full_stop

LEFT_AGAIN_AFTER = timedelta(days=1)
"""How often people are reminded of what is still in place."""

STALE_AFTER = 2
"""After this many failed updates in a row people are reminded that a live message shows an old state."""

NEWS_EVERY = timedelta(minutes=5)
"""The shortest time between two notifications of new alerts; those in between are reported together."""


def reminders(
    plan: Plan, incident: Incident, overrides: Sequence[RotaOverride] = (), reaches: Reaches | None = None
) -> list[Reminder]:
    """Return the reminders still to come, the next one first; a topic may have several levels.

    `overrides` are those of the rotas, from the journal. `reaches` says what each way of the plan reaches; without it,
    the reminders of notices are left out, and none of the plan's `ways` reaches anyone.
    """
    due = [
        *_left(plan, incident),
        *_left_news(plan, incident),
        *_manual(plan, incident),
        *follow_up_reminders(plan, incident),
        *_replaced_runs(plan, incident),
        *ticket_reminders(plan, incident),
        *meeting_reminders(plan, incident),
    ]
    if incident.responds:
        due += [*_deadline_reminders(plan, incident), *_stale_messages(plan, incident)]
        if not incident.over:
            due += [*page_escalation(plan, incident, overrides), *question_escalation(plan, incident, overrides)]
            due += page_reminders(plan, incident, overrides, reaches or {})
            due += notice_reminders(plan, incident, overrides, reaches) if reaches is not None else ()
            due += fact_reminders(plan, incident)
            due += _loss(plan, incident)
            due += pager_reminders(plan, incident)
            due += role_reminders(plan, incident)
            due += update_reminders(plan, incident)
            due += _news(plan, incident)
    return sorted(
        (reminder for reminder in due if reminder.level > level_given(incident, reminder.topic)),
        key=lambda reminder: (reminder.due, reminder.level),
    )


# --- deadlines ---------------------------------------------------------------------------------------


def _deadline_reminders(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    for one in deadlines(plan, incident):
        if one.due is None or one.met or one.declined:
            continue
        match one.what:
            case "target":
                again = f":{one.restarted:%Y%m%dT%H%M%S}" if one.restarted else ""
                topic = f"target:{one.severity}:{one.name}{again}"
                yield Reminder(topic, 1, one.due, _missed(plan, one, one.due), led_by(plan, incident, ON_CALL))
            case "escalation":
                yield severity_escalation(plan, incident, one, one.due)
            case "duty":
                role = next((duty.role for duty in duties(plan, incident) if duty.name == one.name), LEAD)
                yield from _ahead(plan, incident, one, one.due, known_roles(plan, role))
            case "post-mortem":
                due = review_due(incident, one, one.due)
                yield from _ahead(plan, incident, one, due, led_by(plan, incident))
                yield from overdue_again(plan, incident, one, due)
            case "notification":
                pass  # see `notice_reminders.py`


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
_LOST = {
    ClockStop.ACKNOWLEDGED: "it needed people again",
    ClockStop.CONTAINED: "it was no longer contained",
    ClockStop.RECOVERED: "it failed again",
    ClockStop.ENDED: "it ended",
}


def _missed(plan: Plan, one: Deadline, due: datetime) -> str:
    """Return which target was missed, how long it was, and what has not happened yet."""
    after, still = "", ""
    if one.target:
        span = one.target.within
        long = in_words(span.length) if span.unit == "clock" else str(span)
        since = _LOST[one.target.until] if one.restarted else _SINCE[one.starts]
        after, still = f", {long} after {since}", f": {_STILL[one.target.until]}"
    title, at = f'"{plain(one.title)}" ({plain(one.severity, 20)})', stamp(due, plan.zone)
    return f"Missed the target {title}, due {at}{after}{still}."


def _ahead(plan: Plan, incident: Incident, one: Deadline, due: datetime, roles: tuple[str, ...]) -> Iterator[Reminder]:
    """Yield a reminder when a quarter of the time is left, and one when it is over."""
    topic, begun = f"{one.what}:{one.name}", clock_start(incident, one.starts) or due
    soon = max(due - (due - begun) / 4, one.not_before or begun)
    if soon < due:
        yield Reminder(topic, 1, soon, f"Due at {stamp(due, plan.zone)}: {plain(one.title)}.", roles)
    yield Reminder(topic, OVERDUE, due, f"Overdue since {stamp(due, plan.zone)}: {plain(one.title)}.", roles)


# --- a contained incident that fails again -----------------------------------------------------------


def _loss(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield the page that tells people that the incident is not contained, or has not recovered, any more.

    It is only a message if the incident stays contained, because the check could not judge that.
    """
    loss, last = incident.loss, next(reversed(incident.recovery.lost), None)
    if loss:
        number, at, why, urgent = loss.number, loss.at, loss.sentence, incident.paged_at is not None
    elif last and last.until and incident.containment.current and incident.recovery.current is None:
        number, at, why, urgent = last.ended_by, last.until, last.reason, False
    else:
        return
    what = "is not contained any more" if incident.containment.ended_by(number) else "has not recovered after all"
    still = "" if loss else " It is still contained."
    sentence = (
        f"{incident.id} {what}: {plain(why)}{still} Answer what is asked now, or act: allclear show {incident.id}"
    )
    yield Reminder(f"lost:{number}", 1, at, sentence, led_by(plan, incident, ON_CALL), urgent=urgent)


# --- news of alerts --------------------------------------------------------------


def _news(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield one reminder of all alerts that joined, fired again or started flapping since the last one."""
    last = last_given(incident, "news")
    unreported = [(at, reason) for number, at, reason in incident.news if last is None or number > last.number]
    if not unreported:
        return
    due = max(unreported[0][0], last.at + NEWS_EVERY) if last else unreported[0][0]
    reason = ", ".join(dict.fromkeys(plain(reason) for _, reason in unreported))
    sentence = (
        f"{counted(len(unreported), 'alert')} since {named_clock(unreported[0][0], plan.zone)} ({reason}). "
        f"For details: allclear show {incident.id} --why"
    )
    roles = led_by(plan, incident) or known_roles(plan, ON_CALL)
    yield Reminder("news", level_given(incident, "news") + 1, due, sentence, roles)


# --- live messages -----------------------------------------------------------------------------------


def _stale_messages(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield a reminder for each live message that could not be brought up to date: people read an old state in it."""
    for step in incident.steps_tried(LIVE_MESSAGE):
        failed = incident.failed_in_a_row(LIVE_MESSAGE, step)
        if len(failed) < STALE_AFTER:
            continue
        first, told = failed[0], failed[STALE_AFTER - 1]
        reason = bare(told.outcome.sentence) if told.outcome else ""
        sentence = (
            f'This message has shown an old state since {named_clock(first.at, plan.zone)}: "'
            f'{plain(first.proposed.title)}". It could not be updated, because: {reason}. '
            f"Read the present state: allclear show {incident.id}"
        )
        roles = known_roles(plan, LEAD, ON_CALL)
        yield Reminder(f"{STALE_MESSAGE}:{first.id}", 1, told.finished_at or told.at, sentence, roles)


# --- what is left in place, and manual actions -------------------------------------------------------


def _left(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    for act in incident.in_place:
        due = act.handed_over.due if act.handed_over else act.proposed.expires
        if due is None:
            continue
        topic = f"left:{act.id}"
        last = last_given(incident, topic)
        owner = act.handed_over.to if act.handed_over else ""
        begun = stamp(act.finished_at or act.at, plan.zone)
        since = f"still in place since {begun}, to be reviewed by {stamp(due, plan.zone)}"
        sentence = f"{plain(act.proposed.title)} ({plain(act.proposed.resource)}) is {since}" + _taken_over(owner)
        again = max(due, last.at + LEFT_AGAIN_AFTER) if last else due
        yield Reminder(
            topic,
            level_given(incident, topic) + 1,
            again,
            sentence,
            known_roles(plan, act.proposed.owner)[:1] or led_by(plan, incident),
        )


def _left_news(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield each piece of news about what is still in place once, at the moment when it was recorded."""
    for act in incident.in_place:
        roles = known_roles(plan, act.proposed.owner, LEAD)[:1]
        for news in act.news:
            undo = f"Undo it: allclear undo {incident.id} {act.id} {signature(plan)}"
            sentence = f"{plain(act.proposed.title)} is still in place. {with_full_stop(plain(news.text))} {undo}"
            yield Reminder(f"left-news:{act.id}:{news.key}", 1, news.at, sentence, roles)


def _taken_over(owner: str) -> str:
    return f"; {plain(owner, 60)} has taken it over." if owner else "."


def _manual(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    for act in incident.acts.values():
        if act.proposed.phase == MANUAL and act.outcome and act.outcome.changed and act.finished_at:
            yield Reminder(
                f"manual:{act.id}", 1, act.finished_at, _manual_sentence(incident, act), led_by(plan, incident)
            )


def _manual_sentence(incident: Incident, act: Act) -> str:
    """Return who has done what by hand, who approved it if that was another person, and what went wrong."""
    what = str((act.change or {}).get("summary") or act.proposed.title).rstrip(". ")
    answers = [answer for ask in act.asks if ask in incident.asks for answer in incident.asks[ask].answers]
    others = [one.by.actor for one in answers if one.yes and person_key(one.by.actor) != person_key(act.by.actor)]
    approved = f", approved by {' and '.join(plain(name, 60) for name in dict.fromkeys(others))}" if others else ""
    failed = (
        f" It is not proven: {with_full_stop(plain(act.outcome.sentence))}"
        if act.outcome and not act.outcome.good
        else ""
    )
    return f"MANUAL action outside the runbook by {plain(act.by.actor, 60)}{approved}: {plain(what)}.{failed}"


# --- flow runs that a person took away in Prefect ----------------------------------------------------


def _replaced_runs(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    for run, (replaced, at) in incident.replaced_runs.items():
        if replaced.state in BY_A_PERSON:
            sentence = f"{was_replaced(replaced)} {_still_asked(plan, incident, replaced)}"
            yield Reminder(f"run:{run}", 1, at, sentence, known_roles(plan, LEAD, ON_CALL)[:1])


def _still_asked(plan: Plan, incident: Incident, replaced: RunReplaced) -> str:
    """Return what goes on after the run was replaced, and the commands for what it asked."""
    state = incident.asks.get(replaced.ask or "")
    if state is None:
        return f"The response goes on in a new run, and its questions stay open: allclear show {incident.id}"
    yes, no = answer_commands(state.ask, plan)
    return f"Its question stays open, and a new run shows it. Answer there, or with: {yes} or: {no}"
