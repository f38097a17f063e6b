"""A journal with one incident of VintStreet, and the functions for people."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from allclear.company import Company, load_company
from allclear.domain.action import ActStatus, Outcome
from allclear.domain.approval import ONE_PERSON, ApprovalPolicy, Ask, AskKind
from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.domain.plan import Person
from allclear.domain.proof import Proof
from allclear.domain.records import (
    ActFinished,
    ActProposed,
    AskOpened,
    By,
)
from allclear.domain.replay import replay
from allclear.engine.people.declare import Declaration
from allclear.engine.people.facade import People
from allclear.journal.sql_journal import SqlJournal
from tests.contract.simulator_support import REPOSITORY
from tests.unit.domain.stories import MACHINE

ANA = By(actor="Ana", role="on_call", via="cli", proof=Proof.TOKEN)
BEN = By(actor="Ben", role="cto", via="cli", proof=Proof.TOKEN)
CHI = By(actor="Chi", role="communications_lead", via="cli", proof=Proof.TOKEN)
DECLARED = Declaration("Payments fail", "P0", "storefront", "bad-deployment")
TWO = ApprovalPolicy(roles=["on_call", "cto"], people=2)


@cache
def vintstreet() -> Company:
    """Return VintStreet as its folder describes it."""
    return load_company(REPOSITORY / "runbooks" / "vintstreet")


def named(*people: Person) -> Company:
    """Return VintStreet with these people in its plan."""
    return replace(vintstreet(), plan=vintstreet().plan.model_copy(update={"people": list(people)}))


class Room:
    """A journal with one incident, and the functions for people."""

    def __init__(self, journal: SqlJournal) -> None:
        self.journal = journal
        self.people = People(journal, vintstreet(), utc_now)
        self.id = self.people.declare(DECLARED, ANA).incident

    @property
    def incident(self) -> Incident:
        """Return the incident as it is now."""
        incident = replay(self.journal.entries(self.id))
        assert incident is not None
        return incident

    def wrote(self, *records: Any) -> None:  # noqa: ANN401 - records of any kind
        """Append records as the machine."""
        self.journal.append(self.id, records, MACHINE)

    def asked(
        self, kind: AskKind = AskKind.APPROVAL, policy: ApprovalPolicy = ONE_PERSON, phase: str = "contain"
    ) -> str:
        """Open an ask, with an act if it is an approval, and return its id."""
        step = f"step-{len(self.incident.asks) + 1}"
        act = f"contain/{step}" if kind is AskKind.APPROVAL else None
        if act:
            self.wrote(proposed(act, step))
        ask = Ask(
            id=f"{self.id}/{phase}/{step}",
            kind=kind,
            phase=phase,
            step=step,
            title="May it?",
            text="?",
            yes="It is done.",
            no="It is not done.",
            policy=policy,
            act=act,
            digest="d" if act else None,
        )
        self.wrote(AskOpened(ask=ask))
        return ask.id

    def in_place(self) -> str:
        """Record an act that is in place, and return its id."""
        done = Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Done.")
        self.wrote(proposed("contain/turn", "turn"), ActFinished(act="contain/turn", outcome=done))
        return "contain/turn"


def proposed(act: str, step: str) -> ActProposed:
    """Return the record that proposes to turn a dial."""
    return ActProposed(
        act=act,
        phase="contain",
        step=step,
        action="dial.turn",
        title="Turn",
        params={},
        change={},
        digest="d",
        resource="dial:main",
        leaves="dial turned",
    )


NAMED = named(Person(name="Ana Ruiz", roles=["on_call", "scribe"]), Person(name="[Name]", roles=["cto"]))
