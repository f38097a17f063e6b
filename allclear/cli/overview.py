"""`allclear` without a command: the open incidents, and which question waits for whom."""

from __future__ import annotations

from datetime import timedelta

import typer

from allclear.bootstrap import Engine
from allclear.cli.root import app, print_heading, print_line, reading_engine, run
from allclear.domain.ask_state import AskState
from allclear.domain.base import utc_now
from allclear.domain.durations import short_duration
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.template_values import held_words, lead, status, waiting
from allclear.domain.text import answer_commands, asked_words, plain, signature

_REVIEWS_SINCE = timedelta(days=30)
"""How long the questions of a review are listed after the incident's end; `allclear incidents` lists them all."""


@app.callback(invoke_without_command=True)
def overview(context: typer.Context) -> None:
    """List the open incidents, and what waits for whom, if no command is given."""
    if context.invoked_subcommand is None:
        run(_overview())


async def _overview() -> None:
    async with reading_engine() as engine:
        shown = [
            incident
            for incident in engine.conductor.incidents(ended_since=utc_now() - _REVIEWS_SINCE)
            if not incident.over or waiting(incident)
        ]
        for incident in shown:
            _print_incident(engine, incident)
        if not any(not incident.over for incident in shown):
            print_line("No incident is open. Declare one: allclear respond --help")
        print_line("All commands: allclear --help")


def _print_incident(engine: Engine, incident: Incident) -> None:
    simulated = "[SIMULATED] " if incident.opened.simulated else ""
    print_heading(f"{simulated}{incident.id}  {incident.severity}  {status(incident)}  {plain(incident.title)}")
    leader = lead(incident, engine.company.plan)
    leads = f"{leader} leads" if leader else "no one leads"
    print_line(f"  {leads}; open for {short_duration(utc_now() - incident.opened_at)}. allclear show {incident.id}")
    if held := held_words(incident, engine.company.plan):
        print_line(f"  {held}")
    for role, offer in incident.offers.items():
        title, sign = engine.company.plan.role_title(role), signature(engine.company.plan, role)
        print_line(f"  {plain(offer.to, 60)} is asked to be {title}: allclear take-role {incident.id} {role} {sign}")
    if page := engine.links.href(LinkTo(incident=incident.id)):
        print_line(f"  Its page: {page}")
    if not incident.acknowledged and not incident.over:
        print_line(f"  It is not acknowledged: allclear ack {incident.id} {signature(engine.company.plan)}")
    states = waiting(incident)
    for state in states:
        _print_question(engine, state)
    if not states and not incident.over:
        print_line("  No question waits for people.")
    print_line("")


def _print_question(engine: Engine, state: AskState) -> None:
    asked = asked_words(state.ask.policy, engine.company.plan)
    print_line(f"  Waits for {asked}, {short_duration(utc_now() - state.opened)}: {plain(state.ask.title)}")
    for command in answer_commands(state.ask, engine.company.plan):
        print_line(f"      {command}")
