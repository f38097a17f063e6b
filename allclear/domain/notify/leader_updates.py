"""The leaders' updates: short texts that allclear sends to each person of a role in the plan's `updates`. Pure.

Each person gets them by the rhythm of the roles that the person has, from the notice on. An update that no way could
deliver is not sent later: the next one says what is true then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from allclear.domain.act import Act
from allclear.domain.base import person_key
from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.notify.audiences import first_people, ways_to
from allclear.domain.notify.notice_tries import Notice, step_of
from allclear.domain.notify.notices import verified_at
from allclear.domain.notify.recipients import Reaches
from allclear.domain.notify.update_rhythm import due_after, is_sent, next_update, rhythms_now
from allclear.domain.placeholders import Unknown
from allclear.domain.plan import Notification, Plan, RotaOverride, UpdateSchedule
from allclear.domain.pseudo_phases import MESSAGES, NOTICE
from allclear.domain.text import bare, enumerated, plain, with_full_stop

_MOST_SKIPPED = 100
"""How many updates in a row may fall into hours in which a person is not reached: a day of them, each 15 minutes."""
_DONE = 3
"""How many of the last changes of production an update names."""


def due_leader_updates(
    plan: Plan, incident: Incident, overrides: Sequence[RotaOverride], reaches: Reaches
) -> list[Notice]:
    """Return the next update of each person; none until the incident is verified, and none after its end."""
    begun = verified_at(incident)
    if begun is None or incident.over or not incident.responds:
        return []
    people: dict[str, tuple[str, dict[str, list[UpdateSchedule]]]] = {}
    for audience, lines in rhythms_now(plan, incident).items():
        if is_sent(plan, audience):
            for name in first_people(plan, audience, begun, overrides):
                people.setdefault(person_key(name), (name, {}))[1][audience] = lines
    sent = {act.proposed.step: act for act in incident.acts.values() if act.proposed.phase == NOTICE}
    notified = _notified_at(incident)
    found = (
        _next(plan, incident, name, rhythms, notified.get(key, begun), reaches, sent)
        for key, (name, rhythms) in people.items()
    )
    return [notice for notice in found if notice is not None]


def _next(  # noqa: PLR0913 - what an update depends on
    plan: Plan,
    incident: Incident,
    name: str,
    rhythms: Mapping[str, Sequence[UpdateSchedule]],
    since: datetime,
    reaches: Reaches,
    sent: Mapping[str, Act],
) -> Notice | None:
    """Return the next update of one person; None if no role of that person gets one now, or no way reaches them.

    `rhythms` has the lines of each role of the person; `since` is when the person got the notice. An update that is due
    in hours in which no way reaches the person is left out, and the one after it is sent.
    """
    number, skipped = 1, 0
    while True:
        moments = {role: at for role, lines in rhythms.items() if (at := due_after(incident, lines, since))}
        if not moments:
            return None
        due = min(moments.values())
        audiences = tuple(role for role, at in moments.items() if at == due)
        ways, _ = ways_to(plan, Notification(audience=audiences[0]), name, due, reaches)
        tried = [way for way in plan.ways if f"{step_of(name, way)}-update-{number}" in sent]
        last: datetime | None = None
        for way in dict.fromkeys([*tried, *ways]):
            step = f"{step_of(name, way)}-update-{number}"
            act = sent.get(step)
            if act is None or act.outcome is None:
                return Notice(audiences, name, way, step, last or (act.at if act else due), update=number)
            last = act.finished_at or act.at
            if act.outcome.good or act.outcome.changed:
                break
        if last is not None:
            since, number = last, number + 1
        elif skipped < _MOST_SKIPPED and _has_hours(plan, name):
            since, skipped = due, skipped + 1
        else:
            return None


def _has_hours(plan: Plan, name: str) -> bool:
    """Return whether a person is reached at some hours only, so that a later moment may be one of them."""
    person = plan.person(name)
    return person is not None and any(contact.hours for contact in person.contacts.values())


def _notified_at(incident: Incident) -> dict[str, datetime]:
    """Return when each person, by `person_key`, got the first notice; without those who got none."""
    found: dict[str, datetime] = {}
    for act in incident.acts.values():
        notice = act.proposed.notice
        if notice and not notice.update and act.finished_at and act.outcome and act.outcome.good:
            key = person_key(notice.person)
            found[key] = min(found.get(key, act.finished_at), act.finished_at)
    return found


def leader_update_text(plan: Plan, incident: Incident, values: Mapping[str, str], audience: str, now: datetime) -> str:
    """Return what leaders need: what, since when, the impact, what was done, who leads, and when the next one follows.

    It states about customers' data only what a person has stated. A fact that is not known is left out.
    """
    following, data = next_update(plan, incident, audience, now), values["data_statement"]
    parts = [
        f"{incident.id} ({values['severity']}): {values['problem']}, {values['status']}",
        _known("Since", values["began"]) or f"Noticed {values['detected']}",
        "" if values["impact"] == values["problem"] else f"Impact: {values['impact']}",
        _known("About data:", data),
        _done(incident),
        f"Led by {values['lead']}",
        f"Next update by {stamp(following, plan.zone)}" if following else "",
    ]
    return " ".join(with_full_stop(bare(part)) for part in parts if part)


def _known(before: str, value: str) -> str:
    return "" if isinstance(value, Unknown) or not value else f"{before} {value}"


def _done(incident: Incident) -> str:
    """Return the last changes of production that were done and proven; empty without any."""
    done = [
        plain(str((act.change or {}).get("summary") or act.proposed.title), 120).rstrip(". ")
        for act in incident.acts.values()
        if act.intended
        and act.outcome
        and act.outcome.good
        and not act.proposed.tells
        and act.proposed.phase not in MESSAGES
    ]
    return f"Done: {enumerated(list(dict.fromkeys(done))[-_DONE:])}" if done else "Nothing was changed yet"
