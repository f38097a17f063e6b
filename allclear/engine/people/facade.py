"""Everything that a person can do in an incident, through whichever channel: command line, Prefect's forms, a link.

The command line, the flows and the drill each use most of these functions, so they get them from one object. The
rules are in the other files of this package.
"""

from __future__ import annotations

from allclear.company import Company
from allclear.domain.base import Clock
from allclear.domain.links import Links, NoLinks
from allclear.engine.people.approve_and_answer import Answers
from allclear.engine.people.assess import Assessments
from allclear.engine.people.close import Closing
from allclear.engine.people.declare import Declarations
from allclear.engine.people.hold import Hold
from allclear.engine.people.identity import Identity
from allclear.engine.people.incident_writer import IncidentWriter
from allclear.engine.people.notes import Notes
from allclear.engine.people.pages_heard import PagesHeard
from allclear.engine.people.roles import Roles
from allclear.engine.response.step_context import StepContext
from allclear.journal.ports import Journal


class People:
    """The functions for people, by name. Each checks that the person may do it, journals it, and returns a sentence."""

    def __init__(self, journal: Journal, company: Company, clock: Clock, links: Links | None = None) -> None:
        writer = IncidentWriter(journal, company.plan)
        identity = Identity(company)
        assessments = Assessments(company, writer, clock)
        declarations = Declarations(journal, company, writer, assessments)
        roles = Roles(journal, company, clock, writer, identity)
        steps = StepContext(journal, company, clock, links or NoLinks())
        answers = Answers(company, writer, assessments, steps, clock)
        notes = Notes(company, writer)
        closing = Closing(writer)
        pages_heard = PagesHeard(journal, company, writer, identity)
        hold = Hold(company, writer)

        self.who = identity.who
        self.declare = declarations.declare
        self.opening = declarations.opening
        self.acknowledge = roles.acknowledge
        self.hand_over = roles.hand_over
        self.take_role = roles.take_role
        self.take_over = roles.take_over
        self.is_our_page = pages_heard.is_ours
        self.shares_page = pages_heard.is_shared
        self.hear_page = pages_heard.take
        self.answer = answers.answer
        self.question = answers.question
        self.decision = answers.decision
        self.severity = assessments.severity
        self.assess = assessments.assess
        self.check_known = assessments.check_known
        self.check_severity = assessments.check_severity
        self.note = notes.note
        self.decide = notes.decide
        self.told = notes.told
        self.write_post_mortem = notes.write_post_mortem
        self.follow_up = notes.follow_up
        self.follow_up_done = notes.follow_up_done
        self.hold = hold.hold
        self.release = hold.release
        self.check_may_end = closing.check_may_end
        self.resolve = closing.resolve
        self.false_alarm = closing.false_alarm
