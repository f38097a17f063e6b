"""The review's meeting as people change it: another time, other people, or no meeting.

Each is an act of the action that invited to it, so that it has the same key: calendars show the one meeting, moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from allclear.company import Company
from allclear.domain.base import Clock, is_blank
from allclear.domain.errors import MissingText, NotAllowed, NotFound, Refused
from allclear.domain.incident import Incident
from allclear.domain.local_times import read_future, stamp
from allclear.domain.notify.published import words_from_now_on
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_private
from allclear.domain.pseudo_phases import MEETING
from allclear.domain.records import By, DecisionMade
from allclear.domain.review.meeting import Meeting, meeting_made_by, meeting_of
from allclear.domain.review.meeting_plan import may_be_invited, outside_window
from allclear.domain.text import enumerated, plain
from allclear.engine.actions.executor import Executor, Preview
from allclear.engine.actions.manual import ManualActions, ManualResult
from allclear.engine.actions.proposals import ActionRequest, Proposer
from allclear.engine.incidents import act_of_request, read_incident
from allclear.journal.ports import Journal

_FARTHEST = timedelta(days=90)
"""How far ahead a meeting may be: more is a slip, as a wrong year."""
_ADDRESS = re.compile(r"[^\s@<>,;:]+@[^\s@<>,;:]+")
"""The shape of one bare address; the action that sends the invitation tests the rest."""


class Meetings:
    """Moves and cancels the meeting of an incident's review, and changes who is invited."""

    def __init__(
        self,
        journal: Journal,
        company: Company,
        executor: Executor,
        proposer: Proposer,
        manual: ManualActions,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._company = company
        self._executor = executor
        self._proposer = proposer
        self._manual = manual
        self._clock = clock

    async def preview_move(self, incident_id: str, start: str) -> tuple[Preview, str]:
        """Return what another time would change, and why it needs a reason (empty: it needs none). Raises as `move`."""
        incident = read_incident(self._journal, incident_id)
        meeting = self._existing(incident)
        moment = self._moment(start)
        why = outside_window(self._company.plan, incident, moment, meeting.length)
        request = ActionRequest(
            MEETING, "preview", meeting.act.proposed.action, self._moved(incident, meeting, moment), ""
        )
        preview, _ = await self._proposer.preview(request)
        return preview, why

    async def preview_cancel(self, incident_id: str) -> Preview:
        """Return what cancelling would change. Raises as `cancel`."""
        incident = read_incident(self._journal, incident_id)
        meeting = self._to_cancel(incident)
        return await self._executor.preview_undo(incident_id, meeting.act, self._params(incident, meeting))

    async def move(self, incident_id: str, start: str, reason: str, by: By, shown: str | None = None) -> ManualResult:
        """Give the meeting another time, and return the result; a meeting that was cancelled takes place again.

        `start` is a time that a person typed, in the plan's zone. `shown` is the digest of the change that the person
        saw. Raises NotFound if no one was invited to a meeting, NotAllowed for no time, one that is over or too far
        away, MissingText without a reason for a time that the plan does not want, Refused if the change is another one.
        """

        def request(incident: Incident) -> ActionRequest:
            plan, meeting, moment = self._company.plan, self._existing(incident), self._moment(start)
            why = outside_window(plan, incident, moment, meeting.length)
            if why and is_blank(reason):
                raise MissingText(f"{why} {stamp(moment, plan.zone)} is not in that time.", "Say why: `reason`.")
            return _request(meeting, "move", self._moved(incident, meeting, moment), reason, shown)

        return await self._manual.carry_out(incident_id, request, by)

    async def change_people(self, incident_id: str, add: str, remove: str, by: By) -> ManualResult:
        """Invite one more, or take one off the list, and return the result.

        Each is a person or a mailing list of the plan, or an e-mail address. Raises NotFound if there is no meeting, or
        no address; NotAllowed if nothing would change; Refused if no one would be left.
        """

        def request(incident: Incident) -> ActionRequest:
            meeting = self._planned(incident)
            params = self._params(incident, meeting) | {"people": self._people(incident, meeting, add, remove)}
            return _request(meeting, "people", params, "", None)

        return await self._manual.carry_out(incident_id, request, by)

    async def cancel(self, incident_id: str, reason: str, by: By, shown: str | None = None) -> ManualResult:
        """Cancel the meeting, and return the result. Raises NotFound, MissingText without a reason, Refused."""
        if is_blank(reason) and act_of_request(read_incident(self._journal, incident_id), by) is None:
            raise MissingText("Those who are invited want to know why.", "Say why: `reason`.")

        def request(incident: Incident) -> ActionRequest:
            meeting = self._to_cancel(incident)
            return cancellation(meeting, self._params(incident, meeting), reason, shown)

        return await self._manual.carry_out(incident_id, request, by)

    def taken_off_as_private(self, result: ManualResult, removed: str = "") -> str:
        """Return whom a change took off the list because the incident is private, as a sentence; empty for no one.

        `removed`: whom the person took off, by name or address.
        """
        incident = read_incident(self._journal, result.incident)
        meetings = filter(None, map(meeting_made_by, incident.acts.values()))
        changed = next(((was, now) for was, now in pairwise(meetings) if now.act.id == result.act), None)
        if changed is None:
            return ""
        was, now = changed
        known = {*now.people, self.address(removed) if removed.strip() else ""}
        off = [one for one in was.people if one.lower() not in {name.lower() for name in known}]
        off = [one for one in off if not may_be_invited(self._company.plan, incident, one)]
        because = f"because {incident.id} is private and they may not read it"
        return f"Taken off the list, {because}: {enumerated(off)}." if off else ""

    # --- the parts -------------------------------------------------------------------------------------

    def _params(self, incident: Incident, meeting: Meeting) -> dict[str, Any]:
        return meeting_params(self._company.plan, incident, meeting)

    def _moved(self, incident: Incident, meeting: Meeting, start: datetime) -> dict[str, Any]:
        """Return the parameters of the meeting at another time. Those who may not read of it any more are left out.

        They get the message that takes it out of their calendars. Raises Refused if no one would be left.
        """
        params = self._params(incident, meeting) | {"start": start.isoformat()}
        if meeting.people and is_private(self._company.plan, incident):  # without people it is announced in a channel
            params["people"] = self._readers(incident, meeting.people)
        return params

    def _readers(self, incident: Incident, people: Iterable[str]) -> list[str]:
        """Return those addresses to which an invitation may go. Raises Refused if there are none."""
        found = [one for one in people if may_be_invited(self._company.plan, incident, one)]
        if not found:
            raise Refused(
                f"No one would be invited any more who may read {incident.id}.",
                f"Invite a reader first, or cancel it: allclear cancel-meeting {incident.id} --reason WHY",
            )
        return found

    def _existing(self, incident: Incident) -> Meeting:
        meeting = meeting_of(incident)
        if meeting is None:
            raise NotFound(
                f"No one was invited to a meeting about {incident.id} yet.",
                "The review invites to it, or start calendar.invite by hand: allclear act calendar.invite --help",
            )
        return meeting

    def _planned(self, incident: Incident) -> Meeting:
        return self._not_over(incident, self._existing(incident))

    def _to_cancel(self, incident: Incident) -> Meeting:
        """Return the meeting, also if it is cancelled and someone may not know it: that message is sent again."""
        meeting = self._existing(incident)
        again = meeting.cancelled and not meeting.cancelled_for_all
        return meeting if again else self._not_over(incident, meeting)

    @staticmethod
    def _not_over(incident: Incident, meeting: Meeting) -> Meeting:
        if meeting.cancelled:
            raise Refused(
                f"The meeting about {incident.id} is cancelled.",
                f'To meet after all: allclear move-meeting {incident.id} "DAY TIME"',
            )
        return meeting

    def _moment(self, text: str) -> datetime:
        zone, now = self._company.plan.zone, self._clock()
        moment = read_future(text, zone, now)
        if moment > now + _FARTHEST:
            raise NotAllowed(
                f"{stamp(moment, zone)} is more than {_FARTHEST.days} days away.", "Check the day, or meet earlier."
            )
        return moment

    def _people(self, incident: Incident, meeting: Meeting, add: str, remove: str) -> list[str]:
        """Return the addresses of those who are invited then."""
        people = list(meeting.people)
        if not people:
            raise Refused(
                "The meeting was announced in a channel and invites no one by e-mail.", "Tell the person the time."
            )
        added, removed = (self.address(text) if text.strip() else "" for text in (add, remove))
        known = {one.lower() for one in people}
        if not added and not removed:
            raise MissingText("Nothing was said.", "Name whom to invite, or whom to take off the list.")
        if added and added.lower() in {one.lower() for one in meeting.reached}:
            raise NotAllowed(f"{added} is invited already.", "Nothing is to be done.")
        if removed and removed.lower() not in known | {one.lower() for one in meeting.not_told}:
            raise NotFound(f"{removed} is not invited.", f"Invited: {enumerated(people)}.")
        if added and not may_be_invited(self._company.plan, incident, added):
            raise NotAllowed(
                f"{incident.id} is private, and {added} is not the address of a person who may read it.",
                f"Tell the person yourself. A person with a role in {incident.id} may be invited.",
            )
        new = [added] if added.lower() not in known else []
        left = [one for one in (*people, *new) if one and one.lower() != removed.lower()]
        if not left:
            step = f'Cancel the meeting: allclear cancel-meeting {incident.id} --reason "WHY"'
            raise Refused("No one would be invited any more.", step)
        return self._readers(incident, left)

    def address(self, text: str) -> str:
        """Return the e-mail address of a person or a mailing list of the plan, or the address that was typed.

        Raises NotFound if there is none, NotAllowed for what is none.
        """
        plan, words = self._company.plan, " ".join(text.split())
        person, name = plan.person(words), plan.audience(words)
        listed = plan.mailing_lists.get(name or "")
        contact = person.contacts.get("email") if person else None
        found = listed.address if listed else contact.address if contact else "" if person else words
        if "@" not in found:
            raise NotFound(
                f"{plain(words, 60)} has no e-mail address in the plan.", "Type the address, as ana@example.com."
            )
        if not _ADDRESS.fullmatch(found):
            raise NotAllowed(f"{plain(found, 60)} is not an e-mail address.", "Write it as ana@example.com.")
        return found


def meeting_params(plan: Plan, incident: Incident, meeting: Meeting) -> dict[str, Any]:
    """Return the parameters of the meeting as it is; without its words, if the incident has become private since."""
    return dict(meeting.act.proposed.params) | dict(words_from_now_on(plan, incident, meeting.act))


def cancellation(meeting: Meeting, params: Mapping[str, Any], reason: str, shown: str | None = None) -> ActionRequest:
    """Return what cancels a meeting; `params` are those of `meeting_params`."""
    return replace(_request(meeting, "cancel", params, reason, shown), undoes=meeting.act)


_TITLES = {"move": "Move the meeting", "people": "Change who is invited", "cancel": "Cancel the meeting"}


def _request(meeting: Meeting, step: str, params: Mapping[str, Any], reason: str, shown: str | None) -> ActionRequest:
    title, why = _TITLES[step], reason.strip()
    return ActionRequest(
        MEETING,
        step,
        meeting.act.proposed.action,
        params,
        title,
        shown=shown,
        confirmed=why or title,
        decision=DecisionMade(text=f"{title}: {plain(meeting.subject)}", reason=why) if why else None,
    )
