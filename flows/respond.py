"""The way in: opens an incident, or takes up the one that an alert opened, and starts its first phase."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.states import Completed

from allclear.bootstrap import open_engine
from allclear.domain.errors import AllclearError
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.engine.people.people import Declaration
from allclear.engine.response.flow_starts import start_message
from flows.artifacts import publish
from flows.phase_loop import deliver
from flows.run_context import Ended, name_run, not_done


@flow(name="respond", persist_result=False)
async def respond(  # noqa: PLR0913 - the fields of its form
    title: str = "",
    severity: str = "",
    service: str = "",
    runbook: str = "",
    name: str = "",
    role: str = "",
    incident: str = "",
) -> Ended:
    """Start the response to an incident. Fill in what you know; every phase follows by itself.

    Args:
        title: What is wrong, in a few words, as users notice it.
        severity: How bad it is, on the plan's own scale.
        service: What is affected.
        runbook: The procedure to follow.
        name: Who you are; it goes into the record.
        role: In which role you speak.
        incident: Leave empty. An alert fills in the incident that it has opened.
    """
    try:
        said = await _open(title, severity, service, runbook, name, role, incident.strip().upper())
    except AllclearError as error:
        return not_done(str(error))
    get_run_logger().info(said)
    return Completed(message=said)


async def _open(  # noqa: PLR0913 - the fields of the form
    title: str, severity: str, service: str, runbook: str, name: str, role: str, incident: str
) -> str:
    async with open_engine() as engine:
        if not incident:
            by = engine.people.who(name, role or None, "prefect")
            said = Declaration(title=title.strip() or "Trouble", severity=severity, service=service, runbook=runbook)
            incident = engine.people.declare(said, by, first=Phase.DETECT.value)
        elif not engine.conductor.incident(incident).over:
            message = start_message(incident, Phase.DETECT.value)
            engine.journal.append(incident, [], By(actor="allclear", via="flow respond"), outbox=[message])
        state = engine.conductor.incident(incident)
        await name_run(state)
        await publish(engine, incident)
        await deliver(engine, incident)
    if state.ended:  # by people, before Prefect heard of it
        return f"{incident} is over already: {state.ended.reason}"
    return f"{incident} is open; its phases follow as runs of their own: look for `{incident} contain` among the runs."
