"""How often each audience of the plan's `updates` gets an update, and which time for the next one is promised. Pure.

The rhythm depends on the severity, the status and the age of the incident. A text that says when the next update
follows is a promise: it counts from when the text was written, by the rhythm of that moment, and a slower rhythm later
does not postpone it. People are reminded before it lapses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.plan import Plan, StatusWord, UpdateSchedule
from allclear.domain.plan.people import LEAD
from allclear.domain.reminders.deadlines import status_word
from allclear.domain.reminders.reminder import Reminder, known_roles, last_given, level_given
from allclear.domain.states import StateHistory
from allclear.domain.text import plain, shell_word, signature

STATUS_PAGE = "status_page"
"""The audience that reads the status page."""

CUSTOMERS = "customers"
"""The audience that gets the customers' mail."""

PUBLIC = frozenset({STATUS_PAGE, CUSTOMERS})
"""The audiences for which an action of ours publishes an update."""

_INFORMS = {"email.customers": CUSTOMERS}

_AHEAD = timedelta(minutes=10)
"""How long before a promised update people are reminded, at most; a quarter of its rhythm if that is shorter."""


_SENT_WITHIN = timedelta(minutes=5)
"""How long after it was due people are reminded of an update that is sent by itself."""


@dataclass(frozen=True)
class Update:
    """The last update of an audience."""

    told: datetime
    """When the audience was informed."""
    promised: datetime | None
    """When its text said that the next one follows; None if the plan had no rhythm then."""


def audience_of(action: str) -> str:
    """Return the audience that an action informs: `status_page` for `status_page.update`."""
    return _INFORMS.get(action, action.partition(".")[0])


def rhythm(plan: Plan, incident: Incident, audience: str, at: datetime) -> UpdateSchedule | None:
    """Return how often `audience` gets an update, by the severity, status and age of the incident at `at`."""
    age, status = at - incident.opened_at, _status_at(incident, at)
    lines = plan.applying(plan.updates, _severity_at(incident, at), incident.kind, incident.facets)
    fitting = [line for line in lines if line.audience == audience and status in line.status and age >= line.after]
    return max(fitting, key=lambda line: line.after, default=None)


def next_update(plan: Plan, incident: Incident, audience: str, now: datetime) -> datetime | None:
    """Return when an update that is written now promises the next one; None if none follows."""
    line = rhythm(plan, incident, audience, now)
    if line is None and audience == CUSTOMERS:
        line = rhythm(plan, incident, STATUS_PAGE, now)  # where customers read it
    return now + line.every if line else None


def last_update(plan: Plan, incident: Incident, audience: str) -> Update | None:
    """Return the last update of an audience, or None if it had none. A reminder to inform it does not count.

    Either an action that informs it was verified, a notice or a leaders' update was sent to one of its people, or a
    person recorded it with `allclear told`.
    """
    written: list[tuple[datetime, datetime]] = [
        (act.finished_at, act.at)
        for act in incident.acts.values()
        if audience_of(act.proposed.action) == audience
        and act.outcome
        and act.outcome.good
        and act.outcome.changed
        and act.finished_at
    ]
    written += [
        (act.finished_at, act.finished_at)
        for act in incident.acts.values()
        if act.proposed.notice
        and audience in act.proposed.notice.audiences
        and act.outcome
        and act.outcome.good
        and act.finished_at
    ]
    if by_hand := incident.told.get(audience):
        written.append((by_hand, by_hand))
    if not written:
        return None
    told, begun = max(written)
    return Update(told, next_update(plan, incident, audience, begun))


def update_reminders(plan: Plan, incident: Incident) -> Iterator[Reminder]:
    """Yield for each audience the reminder of its next update: before it is due, when it is due, then once a rhythm."""
    for audience, lines in rhythms_now(plan, incident).items():
        if found := _next(plan, incident, audience, lines):
            yield found


def rhythms_now(plan: Plan, incident: Incident) -> dict[str, list[UpdateSchedule]]:
    """Return each audience's lines by the severity and status of now; each counts until the `after` of the next."""
    found: dict[str, list[UpdateSchedule]] = {}
    for line in plan.applying(plan.updates, incident.severity, incident.kind, incident.facets):
        if status_word(incident) in line.status:
            found.setdefault(line.audience, []).append(line)
    return {audience: sorted(lines, key=lambda line: line.after) for audience, lines in found.items()}


def is_sent(plan: Plan, audience: str) -> bool:
    """Return whether an audience gets its updates by itself: the people of a role whom the plan's ways can reach."""
    return bool(plan.ways) and audience in plan.roles and bool(plan.holders(audience))


def _next(plan: Plan, incident: Incident, audience: str, lines: list[UpdateSchedule]) -> Reminder | None:
    topic, update = f"update:{audience}", last_update(plan, incident, audience)
    last = last_given(incident, topic)
    given = last.at if last and (update is None or last.at > update.told) else None
    since = update.told if update else incident.opened_at
    due = due_after(incident, lines, since)
    if update and update.promised:
        due = min(due, update.promised) if due else update.promised
    at, promise = due, due
    if due is not None and update and given is None:  # before the first update nothing was promised
        at = max(since, due - min(_AHEAD, (due - since) / 4))
    elif given is not None and (due is None or given >= due):
        at = due_after(incident, lines, given)
    if at is not None and given is None and is_sent(plan, audience):
        at = promise = (due or at) + _SENT_WITHIN  # only if what is sent by itself did not arrive
    if at is not None and incident.loss and max(since, given or since) < incident.loss.at:
        at, promise = incident.loss.at, None  # what this audience has read last is not true any more
    if at is None:
        return None
    sentence = (
        f"{_what(plan, audience, promise, at)}; {_known(plan, update, at)}. "
        f"If you have told them: allclear told {incident.id} {shell_word(audience)} {signature(plan)}"
    )
    roles = known_roles(plan, "communications_lead", LEAD)[:1]
    return Reminder(topic, level_given(incident, topic) + 1, at, sentence, roles)


def _what(plan: Plan, audience: str, promise: datetime | None, at: datetime) -> str:
    who = plain(plan.role_title(audience))
    if promise is not None and at < promise:
        return f"The next status update for {who} is due at {stamp(promise, plan.zone)}"
    return f"A status update for {who} is due"


def _known(plan: Plan, update: Update | None, at: datetime) -> str:
    if update is None:
        return "there was none yet"
    lapsed = update.promised is not None and update.promised <= at
    promised = (
        f" and promised the next one for {stamp(update.promised, plan.zone)}" if update.promised and lapsed else ""
    )
    return f"the last one was at {stamp(update.told, plan.zone)}{promised}"


def due_after(incident: Incident, lines: Sequence[UpdateSchedule], since: datetime) -> datetime | None:
    """Return when the update that follows one at `since` is due, by its audience's `rhythms_now`; None for never."""
    moments: list[datetime] = []
    for number, line in enumerate(lines):
        due = max(since + line.every, incident.opened_at + line.after)
        ends = incident.opened_at + lines[number + 1].after if number + 1 < len(lines) else None
        if ends is None or due < ends:
            moments.append(due)
    return min(moments, default=None)


def _severity_at(incident: Incident, at: datetime) -> str:
    had = [change.now for when, change in incident.severities if when <= at]
    return had[-1] if had else incident.opened.severity


def _status_at(incident: Incident, at: datetime) -> StatusWord:
    if incident.ended_at is not None and incident.ended_at <= at:
        return "resolved"
    states: tuple[tuple[StatusWord, StateHistory], ...] = (
        ("resolved", incident.recovery),
        ("contained", incident.containment),
    )
    for word, history in states:
        if any(one.since <= at and (one.until is None or at < one.until) for one in history.periods):
            return word
    return "investigating"
