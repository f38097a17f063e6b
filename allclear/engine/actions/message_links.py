"""Whom the link in a message is for: the one person who reads the message, or no one if many people can read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from allclear.domain.base import Clock
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.notify.delivery import from_command_line
from allclear.domain.notify.on_call import person_on_call
from allclear.domain.plan import Plan
from allclear.domain.plan.people import ON_CALL
from allclear.engine.actions.registry import ActionType
from allclear.engine.incidents import overrides_of
from allclear.journal.ports import Journal


class MessageLinks:
    """Finds out where the links in the messages of one company lead."""

    def __init__(self, journal: Journal, plan: Plan, clock: Clock) -> None:
        self._journal = journal
        self._plan = plan
        self._clock = clock

    def link(self, incident: Incident, kind: ActionType, params: Mapping[str, Any], ask: str) -> LinkTo:
        """Return where the link of a message leads; `ask` is the question that it is about, or empty.

        A page is read by the person whom it wakes: the one in its parameter `people`, or else the on-call. A personal
        message is read by its one recipient. Every other message can be read by many people, and so can one for
        several. Raises JournalError.
        """
        person, role = self._reader(kind, params) if kind.pages or kind.personal else ("", "")
        return LinkTo(incident=incident.id, person=person, role=role, ask=ask, paged=kind.pages and bool(person))

    def _reader(self, kind: ActionType, params: Mapping[str, Any]) -> tuple[str, str]:
        if kind.reaches and params.get("policy"):
            return "", ""  # the pager alone knows whom a policy wakes
        people = params.get("people") if kind.reaches else None
        if people:
            addresses = cast("list[object]", from_command_line(people))
            known = self._plan.person_at(kind.reaches or "", str(addresses[0]).strip())
            if len(addresses) > 1 or known is None:
                return "", ""
            return known.name, ON_CALL if ON_CALL in known.roles else known.roles[0]
        if not kind.pages:
            return "", ""
        return person_on_call(self._plan, self._clock(), overrides_of(self._journal, self._plan)) or ("", "")
