"""Who is notified of an incident by the plan's `notifications`, by which way, and how far that got. Pure.

Each person is notified once in an incident, however often its severity changes, and whatever roles the person has. The
next way is used as soon as one failed or its result stays unknown. If no way reaches a person, the next one is
notified: another one of the role, a deputy, then the levels of the escalation policy. What is due follows from the
record, the plan and the rota alone, so a restart neither loses nor repeats a notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from allclear.domain.base import person_key
from allclear.domain.incident import Incident
from allclear.domain.notify.audiences import first_people, is_pager, next_people, no_one, ways_to
from allclear.domain.notify.notice_tries import Notice, PersonState, named, tries_by_person, walk
from allclear.domain.notify.reached import page_of
from allclear.domain.notify.recipients import Reaches
from allclear.domain.plan import Notification, Plan, RotaOverride, holds
from allclear.domain.plan.people import ON_CALL
from allclear.domain.reminders.deadlines import clock_start
from allclear.domain.runbook import Phase
from allclear.domain.text import bare, enumerated, plain

UNKNOWN_FOR = timedelta(minutes=10)
"""How long a line without `within` waits for the answer to a facet that is not known."""


@dataclass
class AudienceState:
    """How the notice of one audience stands."""

    line: Notification
    since: datetime
    people: list[PersonState] = field(default_factory=list[PersonState])
    """Its own people."""
    instead: list[PersonState] = field(default_factory=list[PersonState])
    """Those who are notified instead of them, in order."""
    again: list[Notice] = field(default_factory=list[Notice])
    """The messages that are sent again to people whom no way reached."""
    told_at: datetime | None = None
    left_at: datetime | None = None
    """When no one was left who could be notified; None while there is someone."""
    reasons: list[str] = field(default_factory=list[str])

    @property
    def audience(self) -> str:
        """Return the role."""
        return self.line.audience

    @property
    def everyone(self) -> list[PersonState]:
        """Return its own people, then those who are notified instead."""
        return [*self.people, *self.instead]

    @property
    def failed(self) -> list[PersonState]:
        """Return its own people whom no way reached."""
        return [person for person in self.people if person.failed_at is not None]


def audience_states(
    plan: Plan, incident: Incident, overrides: Sequence[RotaOverride], reaches: Reaches
) -> list[AudienceState]:
    """Return how the notice of each audience stands, in the plan's order. An audience in words is left out."""
    return _Notices(plan, incident, overrides, reaches).states()


def due_notices(states: Sequence[AudienceState]) -> list[Notice]:
    """Return the messages that are to be sent, each once, with all its audiences."""
    found: dict[str, Notice] = {}
    for state in states:
        for notice in [*(one for person in state.everyone for one in person.due), *state.again]:
            known = found.get(notice.step)
            found[notice.step] = named(known, notice.audiences, notice.stands_in_for) if known else notice
    return list(found.values())


def lines_due(plan: Plan, incident: Incident) -> list[tuple[Notification, datetime]]:
    """Return for each audience the line that applies, and since when (UTC); none until the incident is verified.

    While a facet is not known, a line that depends on it waits for the answer, and then counts as a match.
    """
    ready = verified_at(incident)
    if ready is None or incident.over or not incident.responds:
        return []
    found: dict[str, tuple[Notification, datetime]] = {}
    for line in plan.applying(plan.notifications, incident.severity, incident.kind, incident.facets):
        since = due_since(plan, incident, line, ready)
        named = line.audience in plan.roles or line.audience in plan.mailing_lists
        if named and (line.audience not in found or since < found[line.audience][1]):
            found[line.audience] = line, since
    return list(found.values())


def due_since(plan: Plan, incident: Incident, line: Notification, ready: datetime) -> datetime:
    """Return since when the messages of a line that applies are due (UTC). The incident was verified at `ready`."""
    changed = incident.severities[-1][0] if incident.severities else ready
    since = max(ready, changed) if line.severities is not None else ready
    since = max([since, *(incident.facets_at[name] for name in line.when if name in incident.facets_at)])
    return max(since, unknown_until(plan, incident, line)) if holds(line.when, incident.facets) is None else since


def unknown_until(plan: Plan, incident: Incident, line: Notification) -> datetime:
    """Return until when a line waits for a facet that is not known: three quarters of its `within`, to be in time."""
    begun = clock_start(incident, line.from_) or incident.opened_at
    if line.within is None:
        return begun + UNKNOWN_FOR
    return begun + (plan.working_time.after(begun, line.within) - begun) * 3 / 4


def verified_at(incident: Incident) -> datetime | None:
    """Return when the incident was found to be real; None before that.

    The time of the first act of the detection counts, because a false alarm has none.
    """
    sent = (act.at for act in incident.acts.values() if act.proposed.phase == Phase.DETECT.value)
    first = min(sent, default=None)
    if first is None and incident.phase not in (None, Phase.DETECT.value):
        first = incident.opened_at
    return first


class _Notices:
    """The states of one incident; a person who has several roles has one state."""

    def __init__(self, plan: Plan, incident: Incident, overrides: Sequence[RotaOverride], reaches: Reaches) -> None:
        self._plan = plan
        self._incident = incident
        self._overrides = overrides
        self._reaches = reaches
        self._people: dict[str, PersonState] = {}
        self._sent = tries_by_person(incident)
        self._page = page_of(incident)

    def states(self) -> list[AudienceState]:
        """Return the state of each audience, in the plan's order."""
        states = [AudienceState(line, since) for line, since in lines_due(self._plan, self._incident)]
        for state in states:
            state.told_at = self._incident.told.get(state.audience)
        # The own people of all audiences first: a person who has an own notice needs none in place of another one.
        # The line that is due first decides when a person is notified, so it comes first.
        by_time = sorted(states, key=lambda one: one.since)
        for state in by_time:
            if state.told_at is None:
                self._own_people(state)
        for state in by_time:
            self._conclude(state)
            state.again = self._again(state)
        return states

    def _again(self, state: AudienceState) -> list[Notice]:
        """Return what is sent again to its own people; if there are none, to the first who would stand in for them.

        A person who stood in, and was not reached either, gets nothing more once the own people can be reached again.
        """
        own = [one for one in state.people if one.tried]
        instead = state.instead if state.left_at and not own else []
        return [
            replace(one.again, audiences=(state.audience,), stands_in_for=(state.audience,) if instead else ())
            for one in [*own, *instead]
            if one.again
        ]

    def _own_people(self, state: AudienceState) -> None:
        """Add the people of the audience, or the pager's on-call if the plan names no one."""
        line = state.line
        if line.audience == ON_CALL and self._met_by_page(state):
            return
        names = first_people(self._plan, line.audience, state.since, self._overrides)
        for name in names:
            state.people.append(self._person(line, name, state.since))
        pager = next((way for way in line.by if is_pager(line, way, self._reaches)), None)
        if not names and pager and self._page is None:
            state.people.append(self._walk(line, "", [pager], state.since))
        elif not names and not state.people:
            state.reasons.append(no_one(self._plan, line.audience))

    def _met_by_page(self, state: AudienceState) -> bool:
        """Return whether the runbook's page got through to the on-call, or may still."""
        page = self._page
        if page is None:
            return self._incident.phase == Phase.DETECT.value  # the runbook may page still
        if page.outcome is None:
            return True
        if page.outcome.good:
            state.told_at = page.finished_at
            return True
        state.reasons.append(f"the page: {bare(page.outcome.sentence)}")
        state.since = max(state.since, page.finished_at or page.at)
        return False

    def _conclude(self, state: AudienceState) -> None:
        """Set since when the audience is notified, or add the people who are notified instead of it."""
        own = list(state.people)
        if state.told_at is None and own and not any(one.due for one in own):
            state.told_at = max((one.told_at for one in own if one.told_at), default=None)
        if state.told_at or any(one.due for one in own) or self._waits_for_page(state):
            return
        if not own and (taken := self._taken_at(state)):
            state.told_at = taken
            return
        at = max((one.failed_at for one in own if one.failed_at), default=state.since)
        for name, _ in next_people(self._plan, self._incident, state.audience, state.since, self._overrides):
            line = state.line.model_copy(update={"by": []})
            person = self._person(line, name, at, stands_in=True)
            state.instead.append(person)
            if person.told_at or person.due:
                state.told_at = person.told_at
                return
            at = max(at, person.failed_at or at)
        state.left_at = at

    def _waits_for_page(self, state: AudienceState) -> bool:
        """Return whether the runbook's page may still reach the on-call."""
        page = self._page
        pending = page.outcome is None if page else self._incident.phase == Phase.DETECT.value
        return state.audience == ON_CALL and not state.people and pending

    def _taken_at(self, state: AudienceState) -> datetime | None:
        """Return since when a person has taken the role for which the plan names no one: that person knows."""
        held = self._incident.holders.get(state.audience)
        return held.current.since if held and held.current else None

    def _person(self, line: Notification, name: str, since: datetime, *, stands_in: bool = False) -> PersonState:
        """Return the one state of a person, with the audience of `line` added to what is due from `since` on."""
        key = person_key(name)
        if key not in self._people:
            chosen, why = ways_to(self._plan, line, name, since, self._reaches)
            page = self._page
            if page is not None and line.audience == ON_CALL:
                chosen = [way for way in chosen if self._plan.ways[way].action != page.proposed.action]
            self._people[key] = self._walk(line, name, chosen, since, stands_in=stands_in)
            if why:
                self._people[key].reasons.append(why)
        else:
            person, added = self._people[key], (line.audience,)
            # A message that is sent before the line applies must not name it: the line may never apply.
            person.due = [
                named(one, added, added if stands_in else ()) if since <= one.due else one for one in person.due
            ]
        return self._people[key]

    def _walk(
        self, line: Notification, name: str, chosen: Sequence[str], since: datetime, *, stands_in: bool = False
    ) -> PersonState:
        tried = self._sent.get(person_key(name), {})
        page = self._page if line.audience == ON_CALL and not stands_in else None
        woken = page is not None and page.outcome is not None and page.outcome.changed
        stands_in_for = (line.audience,) if stands_in else ()
        first = Notice((line.audience,), name, "", "", since, repeat=woken, stands_in_for=stands_in_for)
        return walk(first, chosen, tried)


def titles_of(plan: Plan, name: str, audiences: Sequence[str], stands_in_for: Sequence[str]) -> str:
    """Return because of which roles a person is notified: `Tech Lead (instead of CTO and CEO)`."""

    def titles(roles: Sequence[str]) -> str:
        return enumerated([plain(plan.role_title(role), 60) for role in roles])

    person = plan.person(name)
    own = [role for role in audiences if role not in stands_in_for] or (person.roles[:1] if person else [])
    instead = f"(instead of {titles(stands_in_for)})" if stands_in_for else ""
    return " ".join(part for part in (titles(own), instead) if part)
