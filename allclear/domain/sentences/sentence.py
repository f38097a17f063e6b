"""One sentence of the timeline, and what it takes to write one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Literal, NamedTuple, Self

from allclear.domain.act import Act
from allclear.domain.approval import Ask, AskKind
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.proof import Proof
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.domain.text import plain, role_words

VIA = {
    "cli": "from the command line",
    "prefect": "in Prefect",
    "slack": "in Slack",
    "page": "on the incident's page",
    "api": "through the API",
    "pagerduty": "in PagerDuty",
    "drill": "in the drill",
    "terminal": "at the terminal",
}
"""The channel of an entry -> where its author was, within a sentence."""


def via_words(by: By) -> str:
    """Return where the author of an entry was: `in Prefect`."""
    return VIA.get(by.via, f"via {plain(by.via, 30)}")


def identified_words(by: By) -> str:
    """Return how it is known who wrote an entry: `Identified by a personal link, on the incident's page`.

    A name that was only typed is claimed: `Claimed in Prefect`. Empty for allclear itself.
    """
    if by.role is None:
        return ""
    if by.proof is Proof.CLAIMED:
        return f"Claimed {via_words(by)}"
    words = f"{by.proof.words[0].upper()}{by.proof.words[1:]}"
    return words if by.proof.value == by.via else f"{words}, {via_words(by)}"


Tone = Literal["plain", "good", "bad", "ask", "person"]
"""How a line is coloured: good news, bad news, a question to people, or an entry by a person."""


class Sentence(NamedTuple):
    """What the timeline says about one entry."""

    text: str
    tone: Tone = "plain"
    routine: bool = False
    """Whether only an auditor needs it."""
    detail: Sequence[str] = ()


@dataclass(frozen=True)
class SentenceContext:
    """The incident and the plan, which give acts, questions, phases and roles their titles."""

    incident: Incident | None
    plan: Plan | None
    covered: frozenset[tuple[str, str]]
    """Steps whose end has a sentence already: that of their act, or of a person's answer."""

    @classmethod
    def of(cls, incident: Incident | None, plan: Plan | None) -> Self:
        """Return the context for the entries of `incident`; without one, ids stand in place of titles."""
        covered: set[tuple[str, str]] = set()
        if incident:
            covered.update((act.proposed.phase, act.proposed.step) for act in incident.acts.values())
            asks = [state.ask for state in incident.asks.values()]
            covered.update((ask.phase, ask.step) for ask in asks if ask.kind is AskKind.STEP)
        return cls(incident, plan, frozenset(covered))

    @property
    def zone(self) -> tzinfo:
        """Return the time zone in which people read times; UTC without a plan."""
        return self.plan.zone if self.plan else UTC

    def act(self, act: str | None) -> Act | None:
        """Return the act with that id, or None."""
        return self.incident.acts.get(act) if self.incident and act else None

    def act_title(self, act: str) -> str:
        """Return the title of an act, or its id."""
        known = self.act(act)
        return plain(known.proposed.title if known else act)

    def ask(self, ask: str) -> Ask | None:
        """Return the ask with that id, or None."""
        state = self.incident.asks.get(ask) if self.incident else None
        return state.ask if state else None

    def ask_title(self, ask: Ask) -> str:
        """Return the title of the ask's act, or else its own."""
        return self.act_title(ask.act) if self.act(ask.act) and ask.act else plain(ask.title)

    def author(self, by: By) -> str:
        """Return who wrote an entry: `Ana (tech lead)`, or `allclear`."""
        return f"{plain(by.actor, 60)} ({role_words(by.role, self.plan)})" if by.role else plain(by.actor, 60)

    def phase(self, phase: str) -> str:
        """Return the plan's label of a phase."""
        label = self.plan.phases[Phase(phase)].label if self.plan and phase in set(Phase) else phase
        return plain(label)
