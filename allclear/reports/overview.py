"""The open incidents, then the ended ones in which a question waits: what `allclear` prints without a command."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from allclear.domain.ask_state import AskState
from allclear.domain.base import utc_now
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.plan import Plan
from allclear.domain.template_values import PRIVATE_TITLE, held_with_command, lead, status, waiting
from allclear.domain.text import answer_commands, asked_words, plain, signature
from allclear.reports.base import Page, Reader, Report
from allclear.reports.incidents import row_of

if TYPE_CHECKING:
    from allclear.bootstrap import Engine

_REVIEWS_SINCE = timedelta(days=30)
"""How long the questions of a review are listed after the incident's end; `allclear incidents` lists them all."""


class Overview(Report):
    """The open incidents: who leads, and which question waits for whom with the commands that answer it."""

    name: ClassVar[str] = "overview"
    title: ClassVar[str] = "The open incidents, and what waits for whom"

    @override
    def _write(self, engine: Engine, reader: Reader, page: Page) -> list[dict[str, Any]]:
        shown = [
            incident
            for incident in engine.conductor.incidents(ended_since=utc_now() - _REVIEWS_SINCE)
            if not incident.over or waiting(incident)
        ]
        open_now = [incident for incident in shown if not incident.over]
        for incident in open_now:
            if reader.may_read(engine.company.plan, incident):
                _incident(engine, incident, page)
            else:
                page.heading(f"{incident.id}  {incident.severity}  {status(incident)}  {PRIVATE_TITLE}")
                page.line("  It is private, and not for you. Ask its incident lead for a role in it.\n")
        if not open_now:
            page.line("No incident is open. Declare one: allclear respond --help\n")
        ended = [one for one in shown if one.over and reader.may_read(engine.company.plan, one)]
        if ended:
            page.heading("Ended, but questions are still open:")
        for incident in ended:
            _incident(engine, incident, page)
        page.line("All commands: allclear --help")
        return [row_of(engine, incident, reader) for incident in shown]


def _incident(engine: Engine, incident: Incident, page: Page) -> None:
    simulated = "[SIMULATED] " if incident.opened.simulated else ""
    page.heading(f"{simulated}{incident.id}  {incident.severity}  {status(incident)}  {plain(incident.title)}")
    page.line(f"  {_lead_and_age(incident, engine.company.plan)}. allclear show {incident.id}")
    if held := held_with_command(incident, engine.company.plan):
        page.line(f"  {held}")
    for role, offer in () if incident.over else incident.offers.items():
        title, sign = engine.company.plan.role_title(role), signature(engine.company.plan, role)
        page.line(f"  {plain(offer.to, 60)} is asked to be {title}: allclear take-role {incident.id} {role} {sign}")
    if link := engine.links.href(LinkTo(incident=incident.id)):
        page.line(f"  Its page: {link}")
    if not incident.acknowledged and not incident.over:
        page.line(f"  It is not acknowledged: allclear ack {incident.id} {signature(engine.company.plan)}")
    checking, states = engine.conductor.running_check(incident), waiting(incident)
    if checking:
        page.line(f"  {checking}")
    for state in states:
        _question(engine, state, page)
    if not states and not incident.over:
        page.line("  No question waits for people.")
    page.line("")


def _lead_and_age(incident: Incident, plan: Plan) -> str:
    """Return who leads and for how long the incident has been open, or how long ago it ended."""
    if incident.ended_at:
        return f"ended {short_duration(utc_now() - incident.ended_at)} ago"
    leader = lead(incident, plan)
    return f"{leader or 'no one'} leads; open for {short_duration(utc_now() - incident.opened_at)}"


def _question(engine: Engine, state: AskState, page: Page) -> None:
    asked = asked_words(state.ask.policy, engine.company.plan)
    page.line(f"  Waits for {asked}, {short_duration(utc_now() - state.opened)}: {plain(state.ask.title)}")
    for command in answer_commands(state.ask, engine.company.plan):
        page.line(f"      {command}")
