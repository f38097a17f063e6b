"""A journal with one incident and the dials, for tests of what people start by hand."""

from __future__ import annotations

from dataclasses import replace

from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.domain.records import By, NoteAdded
from allclear.engine.actions.executor import Executor
from allclear.engine.actions.manual import ManualActions, ManualRequest
from allclear.engine.actions.proposals import Proposer
from allclear.engine.people.declare import Declaration
from allclear.engine.people.facade import People
from allclear.engine.response.conductor import Conductor
from allclear.journal.sql_journal import SqlJournal
from tests.property.test_answers_bound import BOOK
from tests.scenario.response_support import vintstreet
from tests.unit.domain.stories import MACHINE
from tests.unit.fakes_actions import KINDS, DialContext, Dials

ANA = By(actor="Ana", role="on_call", via="cli")
CHI = By(actor="Chi", role="communications_lead", via="cli")
"""May start an action by hand, and not approve it."""


class ByHand:
    """An incident that Ana declared, and the dials that people turn by hand."""

    def __init__(self, journal: SqlJournal) -> None:
        company = replace(vintstreet(), runbooks={BOOK.name: BOOK})
        self.journal, self.dials = journal, Dials()
        context = DialContext(self.dials)
        self.executor = Executor(journal, KINDS, context)
        proposer = Proposer(journal, self.executor, company.plan, utc_now)
        self.conductor = Conductor(journal, KINDS, self.executor, proposer, company, context, utc_now)
        self.people = People(journal, company, utc_now)
        self.manual = ManualActions(journal, company, self.executor, proposer, self.conductor, self.people)
        self.id = self.people.declare(Declaration("Dials", "P0", "storefront", BOOK.name), ANA).incident

    @property
    def incident(self) -> Incident:
        """Return the incident as it is now."""
        return self.conductor.incident(self.id)

    def turn(self, to: int = 5) -> ManualRequest:
        """Return the request to turn the dial by hand."""
        return ManualRequest("dial.turn", {"to": to}, "a try", self.id)

    async def note(self, _: Dials, __: str) -> None:
        """Write a note, as the misfortune that another process writes to the incident meanwhile."""
        self.journal.append(self.id, [NoteAdded(text="meanwhile")], MACHINE)
