"""Who was notified of an incident: audience, person, way, when, and how far it got. Pure: it needs the record alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast

from allclear.domain.act import Act
from allclear.domain.base import Model
from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.notify.audiences import next_people, no_one, unnamed
from allclear.domain.notify.notices import due_since, titles_of, unknown_until, verified_at
from allclear.domain.notify.reached import reached_at
from allclear.domain.notify.recipients import has_rota
from allclear.domain.notify.ways import reported_not_told, told_command
from allclear.domain.plan import Notification, Person, Plan, is_blank, not_known
from allclear.domain.plan.people import ON_CALL
from allclear.domain.pseudo_phases import MANUAL, NOTICE, REMINDER
from allclear.domain.reminders.deadlines import notifications_due
from allclear.domain.text import bare, enumerated, plain, signature

_CELL = 200
_SENDING = timedelta(minutes=1)
"""How long a message that is due may take until it is recorded as begun. Later, something has prevented it."""


class Notified(Model):
    """One person or audience of the plan's `notifications`, and how far the message got."""

    audience: str
    """The titles of the roles because of which the person is notified."""
    person: str = ""
    way: str = ""
    at: datetime | None = None
    result: str
    """delivered, acknowledged, accepted, failed, unknown, being sent; or why there is none yet."""
    reached: bool = False
    """Whether the message got through, as far as the vendor can tell."""
    not_notified: bool = False
    """Whether no message can reach the audience any more, so that a person must tell it."""
    tell: str = ""
    """The audience in the plan that a person must tell now; empty if no one has to."""
    then_run: str = ""
    """The command that records that a person told it; empty if no one has to."""

    def words(self, plan: Plan) -> str:
        """Return the row as one line: `CTO: Cara by slack, 2026-11-22 03:00 UTC: accepted`."""
        by = " ".join(part for part in (self.person, f"by {self.way}" if self.way else "") if part)
        at = f", {stamp(self.at, plan.zone)}" if self.at else ""
        then = f" Then run: {self.then_run}" if self.then_run else ""
        return f"{self.audience}: {by}{at}: {self.result}" if by else f"{self.audience}: {self.result}{at}{then}"


def notified(plan: Plan, incident: Incident, now: datetime) -> list[Notified]:
    """Return whom a person must tell, then who was notified, in the order of the messages, then who was not yet."""
    acts = [act for act in incident.acts.values() if not (act.proposed.notice and act.proposed.notice.update)]
    newest = {(act.proposed.phase, act.proposed.step): act for act in acts}
    sent = [row for act in newest.values() for row in _sent(plan, act)]
    by_hand = [
        Notified(audience=_title(plan, audience), at=at, result="notified by hand, as a person recorded", reached=True)
        for audience, at in incident.told.items()
        if any(line.audience == audience for line in plan.notifications)
    ]
    waiting = list(_waiting(plan, incident, now))
    left = [*_left(plan, incident), *(row for row in waiting if row.not_notified)]
    return [*left, *sent, *by_hand, *(row for row in waiting if not row.not_notified and not incident.over)]


def open_lines(plan: Plan, incident: Incident) -> list[Notification]:
    """Return the lines that apply now and whose audience was not reached yet, each audience once.

    There is none after a false alarm or an abandoned incident: no one has to be notified of it.
    """
    if incident.ended_unresolved:
        return []
    lines = {line.audience: line for line in reversed(notifications_due(plan, incident))}
    return [line for line in reversed(lines.values()) if reached_at(plan, incident, line.audience) is None]


def _sent(plan: Plan, act: Act) -> Iterator[Notified]:
    notice = act.proposed.notice
    if notice is not None:
        titles = titles_of(plan, notice.person, notice.audiences, notice.stands_in_for)
        titles += f" (instead of {plain(notice.instead_of, 60)})" if notice.instead_of else ""
        person = plain(notice.person, 60)
        person += " (mailing list)" if plan.mailing_list_at(notice.person) else ""
    elif act.proposed.pages and act.proposed.undoes is None and _is_on_call(plan, act):
        titles, person = _title(plan, ON_CALL), "the person on call"
    else:
        return
    way = notice.way if notice else _way_of(plan, act.proposed.action)
    reached = act.outcome is not None and act.outcome.good
    at = act.finished_at or act.at
    yield Notified(audience=titles, person=person, way=way, at=at, result=_result(act), reached=reached)


def _way_of(plan: Plan, action: str) -> str:
    """Return the plan's way with this action, or else the system to which the action belongs."""
    return next((name for name, way in plan.ways.items() if way.action == action), action.partition(".")[0])


def _is_on_call(plan: Plan, act: Act) -> bool:
    """Return whether an act is the runbook's page, which meets the line of the on-call."""
    runbooks = act.proposed.phase not in (REMINDER, NOTICE, MANUAL)
    return runbooks and any(line.audience == ON_CALL for line in plan.notifications)


def _result(act: Act) -> str:
    """Return how far a message got, by the stored state; a proven message without such a state was accepted."""
    if act.outcome is None:
        return "being sent"
    found: Any = (act.outcome.after or {}).get("deliveries")
    known = list(dict.fromkeys(str(one) for one in cast("dict[str, object]", found).values())) if found else []
    if act.outcome.good:
        return ", ".join(known) or "accepted"
    word = "unknown" if act.outcome.changed else "failed"
    return f"{word}: {plain(bare(act.outcome.sentence), _CELL)}"


def _left(plan: Plan, incident: Incident) -> Iterator[Notified]:
    """Yield each audience for which a reminder said that no one is left to notify: a person must tell it."""
    for line in open_lines(plan, incident):
        if _is_left(incident, line.audience):
            lacks = _lacks(plan, incident, line.audience)
            why = f"because {lacks}" if lacks else "and no one is left to notify instead"
            yield _must_be_told(plan, incident, line.audience, why)


def _is_left(incident: Incident, audience: str) -> bool:
    notices = [(act, act.proposed.notice) for act in incident.acts.values() if act.proposed.notice]
    under_way = any(act.outcome is None and audience in notice.audiences for act, notice in notices)
    return not under_way and audience in reported_not_told(incident)


def _must_be_told(plan: Plan, incident: Incident, audience: str, why: str) -> Notified:
    """Return the row of an audience that a person must tell: how to reach them, and what to run then."""
    title = _title(plan, audience)
    if incident.over:
        result = f"NOT NOTIFIED, {why}. No one recorded that a person told them."
        return Notified(audience=title, result=result, not_notified=True)
    listed = plan.mailing_lists.get(audience)
    address = [plain(listed.address, 80)] if listed and listed.known else []
    people = enumerated(address or [_contacts(one) for one in plan.holders(audience)]) or "them"
    command = f"{told_command(incident, audience)} {signature(plan)}"
    result = f"NOT NOTIFIED, {why}. Tell {people} yourself."
    return Notified(audience=title, result=result, not_notified=True, tell=audience, then_run=command)


def _lacks(plan: Plan, incident: Incident, audience: str) -> str:
    """Return what plan.yaml lacks, so that no message can be sent for an audience; empty if it names someone.

    While the incident is open, the words say what to write into the plan. The pager knows who is on call without the
    plan, and a rota always names people.
    """
    lacks = unnamed(plan, audience) if incident.over else no_one(plan, audience)
    if audience in plan.mailing_lists:
        return "" if plan.mailing_lists[audience].known else lacks
    if audience not in plan.roles:
        return "it is no role and no mailing list of the plan"
    if audience == ON_CALL or has_rota(plan, audience) or plan.holders(audience):
        return ""
    return "" if any(next_people(plan, incident, audience, incident.opened_at, ())) else lacks


def _contacts(person: Person) -> str:
    """Return a person with the contacts that the plan names, as `Kim Sato (phone +4915112345678)`."""
    contacts = [
        f"{kind} {plain(contact.address, 60)}"
        for kind, contact in person.contacts.items()
        if not is_blank(contact.address)
    ]
    return plain(person.name, 60) + (f" ({', '.join(contacts)})" if contacts else "")


def _waiting(plan: Plan, incident: Incident, now: datetime) -> Iterator[Notified]:
    """Yield each audience for which no message was begun, and why."""
    begun = {
        audience for act in incident.acts.values() if act.proposed.notice for audience in act.proposed.notice.audiences
    }
    for line in open_lines(plan, incident):
        if line.audience not in begun and not _is_left(incident, line.audience):
            yield _not_begun(plan, incident, line, incident.ended_at or now)


def _not_begun(plan: Plan, incident: Incident, line: Notification, now: datetime) -> Notified:
    """Return the row of an audience to which no message was begun, with the reason."""
    unknown = [plain(plan.facets[name].title) for name in not_known(line.when, incident.facets) if name in plan.facets]
    lacks, verified = _lacks(plan, incident, line.audience), verified_at(incident)
    due = due_since(plan, incident, line, verified) if verified else unknown_until(plan, incident, line)
    shown = stamp(due, plan.zone)
    if unknown and now < due:
        then = f"a person must tell them at {shown}, because {lacks}" if lacks else f"the message is sent at {shown}"
        result = f"not notified yet, because this is not known: {', '.join(unknown)}. Without an answer, {then}."
    elif verified is None:
        result = "not notified yet: the incident is not verified"
    elif lacks:
        return _must_be_told(plan, incident, line.audience, f"because {lacks}")
    elif unknown and now >= due + _SENDING:
        return _must_be_told(plan, incident, line.audience, f"because the message that was due at {shown} was not sent")
    elif incident.over:
        return _must_be_told(plan, incident, line.audience, "because the incident ended before a message was sent")
    else:
        result = "not notified yet"
    return Notified(audience=_title(plan, line.audience), result=result)


def _title(plan: Plan, audience: str) -> str:
    return plain(plan.role_title(audience), 60)
