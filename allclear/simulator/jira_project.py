"""The simulated project in Jira: its tickets, statuses and people. A search shows a new ticket after a while only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from allclear.simulator.event_log import Clock
from allclear.simulator.scenario_schema import JiraSpec

STATUSES = {
    "11": ("To Do", "new"),
    "12": ("Backlog", "new"),
    "21": ("In Progress", "indeterminate"),
    "31": ("Done", "done"),
}
"""Id of a transition -> the status to which it leads, and its category."""


@dataclass
class SimulatedTicket:
    """A ticket."""

    number: int
    summary: str
    description: Any
    labels: list[str]
    assignee: str | None
    created_at: datetime
    status: str = "To Do"
    category: str = "new"
    history: list[str] = field(default_factory=list[str])


class JiraProject:
    """Everything of one project, and what changes it."""

    def __init__(self, spec: JiraSpec, clock: Clock) -> None:
        self.spec, self._clock = spec, clock
        self.tickets: list[SimulatedTicket] = []

    def create(self, summary: str, description: object, labels: list[str], assignee: str | None) -> SimulatedTicket:
        """Create a ticket."""
        ticket = SimulatedTicket(len(self.tickets) + 1, summary, description, labels, assignee, self._clock())
        self.tickets.append(ticket)
        return ticket

    def key(self, ticket: SimulatedTicket) -> str:
        """Return its key, as OPS-1."""
        return f"{self.spec.project}-{ticket.number}"

    def find(self, key: str) -> SimulatedTicket | None:
        """Return the ticket of that key."""
        return next((ticket for ticket in self.tickets if self.key(ticket) == key), None)

    def search(self, label: str) -> list[SimulatedTicket]:
        """Return the tickets with a label that the search shows already."""
        shown = [ticket for ticket in self.tickets if self._clock() - ticket.created_at >= self.spec.search_lags]
        return [ticket for ticket in shown if label in ticket.labels]

    def ways(self, ticket: SimulatedTicket) -> dict[str, tuple[str, str]]:
        """Return the statuses to which a ticket can go now, as `STATUSES` has them."""
        open_ones = ["To Do", "In Progress", "Done"]
        names = self.spec.done_leads_to if ticket.category == "done" else open_ones
        return {id_: one for id_, one in STATUSES.items() if one[0] in names and one[0] != ticket.status}

    def account(self, person: str) -> dict[str, Any] | None:
        """Return the account of a person of the scenario."""
        if person not in self.spec.people:
            return None
        number = self.spec.people.index(person) + 1
        name = person.partition("@")[0].title()
        return {"accountId": f"712020:{number:04d}", "displayName": name, "active": True, "accountType": "atlassian"}

    def by_account(self, account: str | None) -> str | None:
        """Return the person whose account has that id."""
        return next((one for one in self.spec.people if (self.account(one) or {})["accountId"] == account), None)
