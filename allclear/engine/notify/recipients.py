"""Who a reminder is for, how to reach them now, and whether a message can reach them by itself.

A page that goes to the pager's on-call does not reach the CTO. If a page cannot reach the person that is meant, its
text says so, because a responder must call that person then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from allclear.domain.incident import Incident
from allclear.domain.notify.recipients import people_in_role
from allclear.domain.plan import Plan
from allclear.domain.plan.people import ON_CALL
from allclear.domain.records import ReminderDue
from allclear.domain.text import enumerated, plain
from allclear.engine.incidents import overrides_of
from allclear.journal.ports import Journal

_LONGEST = 1000
"""Characters of the text that names the recipients."""


@dataclass(frozen=True)
class Recipient:
    """A person whom a reminder is for."""

    name: str
    contacts: tuple[tuple[str, str], ...] = ()
    """The contacts that work at this hour, the first to be tried first: kind and address."""
    away_until: date | None = None
    """The last day of the person's absence; None if the person is there."""

    def address(self, kind: str | None) -> str | None:
        """Return the address of that kind, or None."""
        return dict(self.contacts).get(kind) if kind else None

    @property
    def words(self) -> str:
        """Return the name and how to reach the person: `Ana (phone +49 …)`, or `Ana (away until 2026-12-31)`."""
        if self.away_until:
            return f"{self.name} (away until {self.away_until})"
        contacts = ", ".join(f"{kind} {address}" for kind, address in self.contacts)
        return f"{self.name} ({contacts})" if contacts else self.name


@dataclass(frozen=True)
class Recipients:
    """The people of each role that a reminder is for."""

    by_role: tuple[tuple[str, tuple[Recipient, ...]], ...]
    """The role's title, and its people; none if the plan names no one."""
    on_call: bool
    """Whether the reminder is for the person on call, whom the pager finds by itself."""
    policy: str = ""
    """The pager's escalation policy of the first of these roles that has one: it wakes people whom we cannot name."""
    policy_of: str = ""
    """The title of that role."""

    @property
    def words(self) -> str:
        """Return the recipients within a sentence: `CTO: Ana (phone +49 …); Tech lead: no one is named`."""
        parts = [
            f"{title}: {', '.join(person.words for person in people) or 'no one is named'}"
            for title, people in self.by_role
        ]
        return "; ".join(parts) or "everyone"

    def addresses(self, kind: str | None) -> list[str]:
        """Return the addresses of that kind, each once."""
        found = (person.address(kind) for _, people in self.by_role for person in people)
        return list(dict.fromkeys(address for address in found if address))

    def to_call(self, kind: str | None) -> list[str]:
        """Return the people whom a page does not reach by itself, by name or else by role; a person must call them.

        `kind` is the contact by which the page chooses its people; None if it reaches the pager's on-call only.
        """
        if kind is None and self.on_call:
            return []
        names: list[str] = []
        policy_of = self.policy_of if kind and not self.addresses(kind) else ""
        for title, people in self.by_role:
            if title == policy_of:
                continue
            names += [person.name for person in people if not person.address(kind)] if people else [title]
        return list(dict.fromkeys(names))


class RecipientFinder:
    """Finds the people of one company's roles: as they are held in an incident, by the rota, or by the plan."""

    def __init__(self, journal: Journal, plan: Plan) -> None:
        self._journal = journal
        self._plan = plan

    def of(self, reminder: ReminderDue, incident: Incident, now: datetime) -> Recipients:
        """Return the recipients of `reminder` in `incident`. Raises JournalError."""
        if reminder.people:
            people = tuple(self._recipient(name, now) for name in reminder.people)
            title = self._plan.role_title(reminder.roles[0]) if reminder.roles else "Next"
            return Recipients(((plain(title, 60), people),), on_call=False)
        by_role = self._by_role(reminder.roles, incident, now)
        first = next((role for role in reminder.roles if self._policy(role)), "")
        title = plain(self._plan.role_title(first), 60) if first else ""
        return Recipients(by_role, on_call=reminder.roles == [ON_CALL], policy=self._policy(first), policy_of=title)

    def _policy(self, role: str) -> str:
        return self._plan.roles[role].pager_policy if role in self._plan.roles else ""

    def to_mention(self, roles: Sequence[str], kind: str, incident: Incident, now: datetime) -> list[str]:
        """Return the addresses of that kind of the first of `roles` that has any. Raises JournalError."""
        for role, people in zip(roles, self._by_role(roles, incident, now), strict=True):
            if found := Recipients((people,), on_call=role == ON_CALL).addresses(kind):
                return found
        return []

    def addresses_of(self, name: str, kind: str, now: datetime) -> list[str]:
        """Return the addresses of that kind of one person; empty without one."""
        address = self._recipient(name, now).address(kind)
        return [address] if address else []

    def _by_role(
        self, roles: Sequence[str], incident: Incident, now: datetime
    ) -> tuple[tuple[str, tuple[Recipient, ...]], ...]:
        overrides = overrides_of(self._journal, self._plan)
        return tuple(
            (
                plain(self._plan.role_title(role), 60),
                tuple(
                    self._recipient(name, now) for name in people_in_role(self._plan, incident, role, now, overrides)
                ),
            )
            for role in roles
        )

    def _away(self, name: str, now: datetime) -> date | None:
        person = self._plan.person(name)
        return person.away_until(now, self._plan.working_time) if person else None

    def _recipient(self, name: str, now: datetime) -> Recipient:
        person = self._plan.person(name)
        if person is None:
            return Recipient(plain(name, 60))
        kinds = person.reached_by(now, self._plan.working_time)
        contacts = tuple((kind, plain(person.contacts[kind].address)) for kind in kinds)
        return Recipient(plain(name, 60), contacts, self._away(name, now))


def recipients_text(recipients: Recipients, *, page: bool, kind: str | None) -> str:
    """Return who the message is for. For a page it also says whom a person must call, because the page cannot.

    `kind` is the contact by which the message chooses its people, or None.
    """
    to_call = recipients.to_call(kind) if page else []
    note = f". This page does not reach {enumerated(to_call)}: call them" if to_call else ""
    return plain(recipients.words + note, _LONGEST)
