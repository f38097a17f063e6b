"""Waiting for a person's answer in Prefect: the run is suspended, and its form shows the question.

The run's process ends while it waits. When the question is answered, in this form or elsewhere, the run starts again
from its first line and finds the answer in the journal. An answer in Prefect's form is written there first.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Literal

from prefect import get_run_logger
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from pydantic import Field, create_model

from allclear.bootstrap import Engine
from allclear.domain.approval import Ask, AskKind
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError
from allclear.domain.text import markdown_safe
from allclear.engine.outbox import ANSWERED_ELSEWHERE
from flows.run_context import run_id

QUICK = 5.0
"""Seconds to wait for an answer before the run is suspended: to start it again costs more than that."""

_POLL_SECONDS = 0.2

LONGEST_WAIT = 400 * 24 * 3600
"""Seconds. Prefect fails a run when its wait is over, so this must never be reached: the journal has the deadlines."""

_MOST_FORMS = 100
"""How often one run shows the form again, after answers that did not count."""

_YES_NO: dict[AskKind, tuple[str, str]] = {
    AskKind.APPROVAL: ("approve", "deny"),
    AskKind.STEP: ("done", "not done"),
    AskKind.FALSE_ALARM: ("false alarm", "it is real: go on"),
    AskKind.RETRY: ("check again", "go on without"),
}

ELSEWHERE = ANSWERED_ELSEWHERE["decision"]

_NOT_BLANK = r"\S"


def _decisions(ask: Ask) -> tuple[tuple[str, ...], str]:
    """Return the form's words for yes (one for each candidate, if there are any) and its word for no."""
    if ask.kind is AskKind.CHOICE:
        return tuple(candidate.name for candidate in ask.choices), "none of them"
    yes, no = _YES_NO[ask.kind]
    return (yes,), no


class Answer(RunInput):
    """The fields of every form."""

    decision: str
    name: str
    role: str = ""
    reason: str = ""


async def wait_for_answer(engine: Engine, incident: str, ask_id: str) -> None:
    """Return once the question is answered in the journal; suspend the flow run until then."""
    run = run_id()
    if await _answered_quickly(engine, incident, ask_id):
        return
    engine.journal.add_waiting_run(run, incident, ask_id)
    problem = ""
    for attempt in range(1, _MOST_FORMS):
        state = engine.conductor.incident(incident).asks[ask_id]
        if not state.open:
            return
        form = form_for(engine, state.ask, problem)
        get_run_logger().info(
            "Waiting for an answer: %s. Answer with Resume on this page, or: allclear approve %s --as NAME",
            state.ask.title,
            ask_id,
        )
        given = await asuspend_flow_run(wait_for_input=form, key=_key(ask_id, attempt), timeout=LONGEST_WAIT)
        problem = _record(engine, state.ask, given)
        if problem:
            get_run_logger().warning("The answer from Prefect's form did not count; asking again: %s", problem)


async def _answered_quickly(engine: Engine, incident: str, ask_id: str) -> bool:
    """Return whether an answer comes within QUICK of the question; a run that starts again does not wait once more."""
    state = engine.conductor.incident(incident).asks[ask_id]
    while state.open and (utc_now() - state.opened).total_seconds() < QUICK:
        await asyncio.sleep(_POLL_SECONDS)
        state = engine.conductor.incident(incident).asks[ask_id]
    return not state.open


def form_for(engine: Engine, ask: Ask, problem: str = "") -> type[Answer]:
    """Return the form for `ask`: its decisions, the roles that may answer, and the question in Markdown.

    `problem` says why the answer before did not count.
    """
    yes, no = _decisions(ask)
    roles = [role for role in ask.policy.roles if role in engine.company.plan.roles]
    reason: Any = (
        Field(
            min_length=1, pattern=_NOT_BLANK, title="Reason or note", description="Required. It goes into the record."
        )
        if ask.policy.reason_needed
        else Field(default="", title="Reason or note", description="It goes into the record.")
    )
    fields: dict[str, Any] = {
        "decision": (
            Literal[(*yes, no, ELSEWHERE)],
            Field(
                title="Decision",
                description=(
                    f"{' or '.join(yes)}: {ask.yes} {no}: {ask.no} "
                    f"{ELSEWHERE}: this run only reads the answer from the journal."
                ),
            ),
        ),
        "name": (
            str,
            Field(
                min_length=1, pattern=_NOT_BLANK, title="Your name", description="Required. It goes into the record."
            ),
        ),
        # Not a Literal: Prefect's form turns a single role into a constant that cannot be entered.
        "role": (
            str,
            Field(
                default=roles[0],
                title="Your role",
                description="The roles that may answer.",
                json_schema_extra={"enum": [*roles]},
            ),
        ),
        "reason": (str, reason),
    }
    form: type[Answer] = create_model("Answer", __base__=Answer, **fields)
    return form.with_initial_data(description=_description(engine, ask, problem))


def _description(engine: Engine, ask: Ask, problem: str) -> str:
    simulated = "**SIMULATED: nothing here touches production.**\n\n" if engine.settings.simulated else ""
    warning = f"**The last answer did not count: {problem}**\n\n" if problem else ""
    command = f"`allclear approve {ask.id} --as NAME`"
    elsewhere = (
        "" if ask.policy.prefect_may else f"\n\nThis approval cannot be given in Prefect. Give it with {command}."
    )
    return f"{simulated}{warning}### {markdown_safe(ask.title)}\n\n{ask.text}{elsewhere}"


def _record(engine: Engine, ask: Ask, given: Answer) -> str:
    """Write the form's answer into the journal; return why it does not count, or nothing."""
    yes, no = _decisions(ask)
    if given.decision not in (*yes, no):
        return ""
    choice = given.decision if ask.kind is AskKind.CHOICE and given.decision in yes else None
    try:
        by = engine.people.who(given.name, given.role, "prefect")
        engine.people.answer(ask.id, by, yes=given.decision in yes, reason=given.reason, choice=choice)
    except AllclearError as error:
        return str(error)
    return ""


def _key(ask_id: str, attempt: int) -> str:
    """Return the key of the form in Prefect, which takes lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", ask_id.lower()) + (f"-try-{attempt}" if attempt > 1 else "")
