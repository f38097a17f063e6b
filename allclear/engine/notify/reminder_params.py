"""What a reminder says, and to whom it is sent: the parameters of its message, for each of its ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from allclear.company import Company
from allclear.domain.base import Clock
from allclear.domain.errors import Refused
from allclear.domain.incident import Incident, ReminderState
from allclear.domain.notify.delivery import MAY_HAVE_IT
from allclear.domain.notify.notice_tries import may_have_arrived
from allclear.domain.notify.on_call import page_answered
from allclear.domain.notify.recipients import address_at, people_of_reminder
from allclear.domain.notify.ways import Way, ways
from allclear.domain.placeholders import render_all
from allclear.domain.plan import RotaOverride
from allclear.domain.privacy import is_private
from allclear.domain.pseudo_phases import REMINDER
from allclear.domain.text import enumerated, plain, with_full_stop
from allclear.engine.actions.message_acts import MessageActs
from allclear.engine.incidents import overrides_of
from allclear.engine.notify.recipients import RecipientFinder, recipients_text
from allclear.engine.notify.refused_contacts import refusal_of
from allclear.engine.response.conductor import Conductor
from allclear.journal.ports import Journal

_NAMES = 200
"""Characters of the names of the people, or roles, that a reminder is for."""


@dataclass(frozen=True)
class ReminderMessage:
    """The parameters of a reminder's message by one way."""

    params: dict[str, Any]
    refused: Refused | None = None
    """Why the way's action refuses the contact of everyone whom it is for; None if it takes one."""


class ReminderParams:
    """Works out the parameters of the reminders of one company."""

    def __init__(
        self, journal: Journal, conductor: Conductor, acts: MessageActs, company: Company, clock: Clock
    ) -> None:
        self._journal = journal
        self._conductor = conductor
        self._acts = acts
        self._plan, self._services = company.plan, company.systems.services
        self._clock = clock
        self._recipients = RecipientFinder(journal, company.plan)

    def ways(self, incident: Incident, state: ReminderState, overrides: Sequence[RotaOverride]) -> list[Way]:
        """Return the ways for a reminder, as `allclear.domain.notify.ways` does."""
        return ways(self._plan, incident, state, self._acts.reaches(self._plan), overrides)

    def message(self, incident: Incident, state: ReminderState, way: Way) -> ReminderMessage:
        """Return the parameters of the message of one way. Raises JournalError."""
        if way.of_plan:
            return self._by_way_of_plan(incident, state, way)
        return ReminderMessage(self._by_rule(incident, state, way))

    def _by_rule(self, incident: Incident, state: ReminderState, way: Way) -> dict[str, Any]:
        """Return the parameters for one of the plan's `reminders`; its people if the action can choose them."""
        kind = self._acts.kind(way.message.action)
        recipients = self._recipients.of(state.reminder, incident, self._clock())
        reminder = {
            "reminder": self._sentence(incident, state),
            "for": recipients_text(recipients, page=kind.pages, kind=kind.reaches),
            "number": str(state.number),
        }
        params = render_all(way.message.with_, self._conductor.values_for(incident, kind).extended(reminder))
        people = recipients.addresses(kind.reaches)
        if not people and kind.reaches and recipients.policy and "policy" in kind.params.model_fields:
            return params | {"policy": recipients.policy}
        return params | ({"people": people} if people else {})

    def _by_way_of_plan(self, incident: Incident, state: ReminderState, way: Way) -> ReminderMessage:
        """Return the parameters for one of the plan's `ways`, without the people whose contact its action refuses."""
        plan, kind, at = self._plan, self._acts.kind(way.message.action), state.at
        overrides = overrides_of(self._journal, plan)
        names = people_of_reminder(plan, incident, state.reminder, at, overrides)
        contacts = {name: address for name in names if (address := address_at(plan, name, kind.reaches, at))}
        values = {
            "audience": self._audience(state),
            "name": plain(enumerated([plain(name, 60) for name in contacts]), _NAMES),
            "notice": self._notice(incident, state, overrides),
            "number": f"reminder-{state.number}",  # a notice has a number alone, so that no two messages have one key
        }
        params = render_all(way.message.with_, self._conductor.values_for(incident, kind).extended(values))
        if "acknowledges" in kind.params.model_fields:
            params["acknowledges"] = not page_answered(plan, incident, overrides)
        people = list(dict.fromkeys(contacts.values()))
        refusals = {one: refusal_of(kind, params | {"people": [one]}, self._services) for one in people}
        taken = [one for one in people if refusals[one] is None]
        refused = next((one for one in refusals.values() if one), None)
        return ReminderMessage(params | {"people": taken or people}, None if taken else refused)

    def _audience(self, state: ReminderState) -> str:
        if set(state.reminder.roles) >= set(self._plan.roles):
            return "everyone"
        titles = [plain(self._plan.role_title(role), 60) for role in state.reminder.roles]
        return plain(enumerated(titles), _NAMES)

    def _notice(self, incident: Incident, state: ReminderState, overrides: Sequence[RotaOverride]) -> str:
        """Return what the incident is and what the reminder says, and whether the reader may have it already."""
        sentence = self._sentence(incident, state)
        if not is_private(self._plan, incident):
            values = self._conductor.values(incident)
            sentence = with_full_stop(f"{incident.id} ({values['severity']}): {values['problem']}") + f" {sentence}"
        tried = (incident.act_of(REMINDER, way.step) for way in self.ways(incident, state, overrides))
        return f"{sentence} {MAY_HAVE_IT}" if any(act and may_have_arrived(act) for act in tried) else sentence

    def _sentence(self, incident: Incident, state: ReminderState) -> str:
        """Return what the reminder says; of a private incident only that something is due."""
        waits = f"{incident.id} waits for its readers: open it in allclear, and answer or do what is due there."
        return waits if is_private(self._plan, incident) else state.reminder.sentence
