"""Waiting for a person in Prefect: the run is suspended, its form shows what is asked, the journal decides.

The process ends while it waits. Whoever answers, and by whichever way, the run starts again from its first line and
finds the answer in the journal; an answer given in Prefect's own form is written there first.
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
from flows.run_context import run_id

QUICK = 5.0
"""Seconds that an answer is waited for before the run is suspended: starting it again costs more than that."""

_CHECK_EVERY = 0.2

LONGEST_WAIT = 400 * 24 * 3600
"""Seconds. Prefect fails a run whose wait is over, so this must never be reached: the journal has the deadlines."""

_YES_NO: dict[AskKind, tuple[str, str]] = {
    AskKind.APPROVAL: ("approve", "deny"),
    AskKind.STEP: ("done", "not done"),
    AskKind.FALSE_ALARM: ("false alarm", "it is real: go on"),
    AskKind.AGAIN: ("look again", "go on without"),
}

ELSEWHERE = "answered elsewhere"


def _words(ask: Ask) -> tuple[tuple[str, ...], str]:
    """Return the words for yes, one a candidate where there are some, and the word for no."""
    if ask.kind is AskKind.CHOICE:
        return tuple(candidate.name for candidate in ask.choices), "none of them"
    yes, no = _YES_NO[ask.kind]
    return (yes,), no


class Answer(RunInput):
    """What every form has."""

    decision: str
    name: str
    role: str = ""
    reason: str = ""


async def wait_for_answer(engine: Engine, incident: str, ask_id: str) -> None:
    """Return once the ask is answered in the journal; suspends the flow run until then."""
    run = run_id()
    if await _quickly(engine, incident, ask_id):
        return
    engine.journal.wait(run, incident, ask_id)
    problem = ""
    for attempt in range(1, 100):
        state = engine.conductor.incident(incident).asks[ask_id]
        if not state.open:
            return
        form = form_for(engine, state.ask, problem)
        get_run_logger().info(
            "%s waits for people. Here: Resume. Elsewhere: allclear approve %s", state.ask.title, ask_id
        )
        said = await asuspend_flow_run(wait_for_input=form, key=_key(ask_id, attempt), timeout=LONGEST_WAIT)
        problem = _write_down(engine, state.ask, said)
        if problem:
            get_run_logger().warning(problem)


async def _quickly(engine: Engine, incident: str, ask_id: str) -> bool:
    """Return whether somebody answers within QUICK of the question; a run that starts again does not wait once more."""
    state = engine.conductor.incident(incident).asks[ask_id]
    while state.open and (utc_now() - state.opened).total_seconds() < QUICK:
        await asyncio.sleep(_CHECK_EVERY)
        state = engine.conductor.incident(incident).asks[ask_id]
    return not state.open


def form_for(engine: Engine, ask: Ask, problem: str = "") -> type[Answer]:
    """Return the form for `ask`: its choices, the roles that may answer, and what is asked, in Markdown."""
    yes, no = _words(ask)
    roles = [role for role in ask.policy.roles if role in engine.company.plan.roles]
    reason: Any = (
        Field(min_length=1, title="Reason or note", description="Needed: it goes into the record.")
        if ask.policy.reason_needed
        else Field(default="", title="Reason or note", description="It goes into the record.")
    )
    fields: dict[str, Any] = {
        "decision": (
            Literal[(*yes, no, ELSEWHERE)],
            Field(
                title="Decision",
                description=f"{' or '.join(yes)}: {ask.yes} {no}: {ask.no} ({ELSEWHERE}: only look.)",
            ),
        ),
        "name": (str, Field(title="Your name", description="Goes into the record.")),
        # Not a Literal: of a single role Prefect's form would make a constant that nobody can enter.
        "role": (
            str,
            Field(
                default=roles[0], title="Your role", description="Who may answer.", json_schema_extra={"enum": [*roles]}
            ),
        ),
        "reason": (str, reason),
    }
    form: type[Answer] = create_model("Answer", __base__=Answer, **fields)
    return form.with_initial_data(description=_description(engine, ask, problem))


def _description(engine: Engine, ask: Ask, problem: str) -> str:
    simulated = "**SIMULATED: nothing here touches production.**\n\n" if engine.settings.simulated else ""
    warning = f"**That did not count: {problem}**\n\n" if problem else ""
    where = "" if ask.policy.prefect_may else "\n\nThis one cannot be given here: "
    where = where and f"{where}`allclear approve {ask.id} --as NAME`."
    return f"{simulated}{warning}### {markdown_safe(ask.title)}\n\n{ask.text}{where}"


def _write_down(engine: Engine, ask: Ask, said: Answer) -> str:
    """Write the form's answer into the journal; returns why it does not count, or nothing."""
    yes, no = _words(ask)
    if said.decision not in (*yes, no):
        return ""
    choice = said.decision if ask.kind is AskKind.CHOICE and said.decision in yes else None
    try:
        by = engine.people.who(said.name, said.role, "prefect")
        engine.people.answer(ask.id, by, yes=said.decision in yes, reason=said.reason, choice=choice)
    except AllclearError as error:
        return str(error)
    return ""


def _key(ask_id: str, attempt: int) -> str:
    """Prefect's keys go into its addresses: lower case, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", ask_id.lower()) + (f"-try-{attempt}" if attempt > 1 else "")
