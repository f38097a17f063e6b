"""The start of a response: open an incident, or continue one that is open, and start its first phase."""

from __future__ import annotations

import asyncio

from prefect import flow

from allclear.bootstrap import Engine
from allclear.commands.assess import read_facts
from allclear.commands.base import read_fields
from allclear.commands.company import Declare
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.domain.template_values import waiting
from allclear.engine.people.declare import DeclareResult, declared_words
from allclear.engine.response.flow_starts import start_message
from flows.artifacts import publish
from flows.run_context import Ended, author, deliver, name_run
from flows.shown import Shown, carried_out

_TRIES, _PAUSE = 25, 0.2
"""How often, and with how many seconds between, to look for the first question, so that the run's page shows it."""


@flow(name="respond", persist_result=False)
async def respond(  # noqa: PLR0913, PLR0917 - the fields of its form
    title: str = "",
    severity: str = "",
    service: str = "",
    runbook: str = "",
    name: str = "",
    role: str = "",
    incident: str = "",
    began: str = "",
    known_since: str = "",
    facts: list[str] | None = None,
    kind: str = "",
) -> Ended:
    """Start the response to an incident. Each phase then starts the next one.

    Args:
        title: What is wrong, in a few words, as users notice it.
        severity: How bad it is, on the plan's own scale.
        service: The service that is affected.
        runbook: The runbook to follow.
        name: Who you are. It goes into the record.
        role: The role in which you act.
        incident: The incident's id, as VS-12.
        began: When the trouble began, as 2026-11-20 17:00 in the plan's time zone; empty if that is not known.
        known_since: When the company became aware of it, if that was earlier than now. Duties count from it.
        facts: What is known, each as facet=value, as customer_facing=yes. Whom the plan names for it is notified.
        kind: The kind of incident. Empty for the runbook's.
    """
    said = {
        "title": title.strip(),
        "severity": severity or None,
        "service": service,
        "runbook": runbook,
        "began": began,
        "known_since": known_since,
        "kind": kind or None,
    }

    async def work(engine: Engine, shown: Shown) -> str:
        if known := incident.strip().upper():
            _continue(engine, known)
            started = DeclareResult(known, joined=False)
        else:
            command = read_fields(Declare, {**said, "facts": read_facts(facts or [])})
            started = command.open(engine, author(engine, name, role), Phase.DETECT.value)
        shown.about(started.incident)
        return await _show(engine, started)

    return await carried_out(work, incident)


def _continue(engine: Engine, incident: str) -> None:
    """Start the first phase of an incident that an alert or a command has opened."""
    if not engine.conductor.incident(incident).over:
        message = start_message(incident, Phase.DETECT.value)
        engine.journal.append(incident, [], By(actor="allclear", via="flow respond"), outbox=[message])


async def _show(engine: Engine, started: DeclareResult) -> str:
    """Publish the incident in Prefect, start what is due, and return what the run's end tells its reader."""
    incident = started.incident
    state = engine.conductor.incident(incident)
    await name_run(engine, state)
    await deliver(engine, incident)
    for _ in range(_TRIES):
        if state.over or state.opened.ticket or waiting(state):
            break
        await asyncio.sleep(_PAUSE)
        state = engine.conductor.incident(incident)
    await publish(engine, incident)
    if state.ended and not state.opened.ticket:  # people ended it before this run started
        return f"{incident} has ended already: {state.ended.reason}"
    words = declared_words(state, started)
    if state.opened.ticket:
        return words
    asked = ", ".join(one.ask.id for one in waiting(state)) or "nothing yet"
    return f"{words} Asked now: {asked}. Go on from the artifact {incident.lower()} of this run."
