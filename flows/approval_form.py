"""Waiting for a person's answer in Prefect: the run is suspended, and its form shows the question.

The run's process ends while it waits. When the question is answered, in this form or elsewhere, the run starts again
from its first line and finds the answer in the journal. An answer in Prefect's form is written there first.
"""

from __future__ import annotations

import asyncio
import logging
import re
from itertools import count
from typing import Any, Literal

from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from pydantic import Field, create_model

from allclear.bootstrap import Engine
from allclear.commands.answers import Answer as AnswerCommand
from allclear.domain.approval import Ask
from allclear.domain.ask_state import AskState
from allclear.domain.base import digest, utc_now
from allclear.domain.decisions import decisions
from allclear.domain.errors import AllclearError, JournalError
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.privacy import is_private, where_to_read
from allclear.domain.question import question_of, text_now
from allclear.domain.records import AnswerRefused, By
from allclear.domain.template_values import held_with_command
from allclear.domain.text import answer_commands, markdown_safe, with_full_stop, with_proof
from allclear.engine.flow_runs import is_asked, shown_ask
from allclear.engine.outbox import ANSWERED_ELSEWHERE
from flows.run_context import author, run_id
from flows.shown import Shown

QUICK = 5.0
"""Seconds to wait for an answer before the run is suspended: to start it again costs more than that."""

POLL_SECONDS = 0.2

LONGEST_WAIT = 400 * 24 * 3600
"""Seconds. Prefect fails a run when its wait is over, so this must never be reached: the journal has the deadlines."""

ELSEWHERE = ANSWERED_ELSEWHERE["decision"]

_NOT_BLANK = r"\S"


class Answer(RunInput):
    """The fields of every form."""

    decision: str
    name: str
    role: str = ""
    reason: str = ""


async def wait_for_answer(engine: Engine, shown: Shown, incident: str, ask_id: str) -> None:
    """Return once the question is answered in the journal; suspend the flow run until then.

    A run that starts again goes through its forms from the first one, and Prefect returns what was submitted before.
    """
    if await _answered_quickly(engine, incident, ask_id):
        return
    engine.journal.add_waiting_run(run_id(), incident, ask_id)
    problem = ""
    for attempt in count(1):
        current = engine.conductor.incident(incident)
        state = current.asks[ask_id]
        if not is_asked(current, ask_id):  # answered, withdrawn, or its incident has ended
            return
        shown.log(waits_words(engine, current, state))
        form = form_for(engine, state.ask, problem)
        key = form_key(shown_ask(engine.company.plan, current, ask_id), attempt)
        given = await asuspend_flow_run(wait_for_input=form, key=key, timeout=LONGEST_WAIT)
        problem = record_answer(engine, ask_id, key, given)
        if problem and not was_refused(state, key):
            shown.log(f"The answer from Prefect's form did not count; asking again: {problem}", logging.ERROR)


def waits_words(engine: Engine, incident: Incident, state: AskState) -> str:
    """Return the line of the log that a suspended run's page shows first: what is asked, the change, and where to go.

    The address stands alone on its line, because Prefect's page has no links in a log.
    """
    plan = engine.company.plan
    asked, (yes, no) = question_of(incident, state, plan, utc_now()), answer_commands(state.ask, plan)
    change = [f"{f'{name}: ' if name else ''}{was} -> {then}" for name, was, then in asked.rows]
    page = engine.links.href(LinkTo(incident=incident.id, ask=state.ask.id))
    on_page = ["Answer on the incident's page:", page, "or with Resume here, or:"] if page else ["Resume here, or:"]
    return "\n".join([with_full_stop(asked.title), *change, *on_page, yes, no])


def was_refused(state: AskState, form: str) -> bool:
    """Return whether the record has the refusal of that form: a run that starts again does not log it again."""
    return any(refused.form == form for refused in state.refused)


async def _answered_quickly(engine: Engine, incident: str, ask_id: str) -> bool:
    """Return whether an answer comes within QUICK of the question; a run that starts again does not wait once more."""
    state = engine.conductor.incident(incident).asks[ask_id]
    while state.open and (utc_now() - state.opened).total_seconds() < QUICK:
        await asyncio.sleep(POLL_SECONDS)
        state = engine.conductor.incident(incident).asks[ask_id]
    return not state.open


def form_for(engine: Engine, ask: Ask, problem: str = "") -> type[Answer]:
    """Return the form for `ask`: its decisions, the roles that may answer, and the question in Markdown.

    Each decision names the question, because a form may stay open in a browser while the run goes on to the next
    question: Prefect's server then refuses the old decision. `problem` says why the answer before did not count.
    """
    yes, no = ask.words
    incident = engine.conductor.incident(ask.id.partition("/")[0])
    offered = [] if is_private(engine.company.plan, incident) else [decision.text for decision in decisions(ask)]
    roles = [role for role in ask.policy.roles if role in engine.company.plan.roles]
    needed = f'"{yes}" needs one. ' if ask.reason_needed(yes=True) else ""
    reason: Any = (
        Field(
            min_length=1, pattern=_NOT_BLANK, title="Reason or note", description="Required. It goes into the record."
        )
        if ask.reason_needed(yes=False)
        else Field(
            default="",
            title="Reason or note",
            description=f"{needed}It goes into the record.",
        )
    )
    fields: dict[str, Any] = {
        "decision": (
            Literal[(*offered, ELSEWHERE)],
            Field(
                title="Decision",
                description=(
                    f'"{yes}": {ask.yes} "{no}": {ask.no} '
                    f'Do not choose "{ELSEWHERE}": allclear uses it if the question is answered outside this form.'
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
    return form.with_initial_data(description=description_of(engine, ask, problem))


def description_of(engine: Engine, ask: Ask, problem: str) -> str:
    """Return what the form says above its fields, in Markdown: the question, and why the last answer did not count."""
    incident = engine.conductor.incident(ask.id.partition("/")[0])
    if is_private(engine.company.plan, incident):
        reason = "It cannot be answered in Prefect, because Prefect does not know who reads this."
        return f"{where_to_read(incident.id, engine.links.href(LinkTo(incident=incident.id)))}\n\n{reason}"
    state = incident.asks.get(ask.id)
    text = text_now(incident, state, utc_now(), engine.company.plan.zone) if state else ask.text
    held = held_with_command(incident, engine.company.plan)
    hold = f"**{markdown_safe(held)}**\n\n" if held else ""
    simulated = "**SIMULATED: nothing here touches production.**\n\n" if engine.settings.simulated else ""
    warning = f"**The last answer did not count: {markdown_safe(problem, 2000)}**\n\n" if problem else ""
    where, elsewhere = _elsewhere(engine, ask)
    return f"{simulated}{hold}{warning}### {markdown_safe(ask.title)}\n\n{where}{text}\n\n{elsewhere}"


def _elsewhere(engine: Engine, ask: Ask) -> tuple[str, str]:
    """Return where else the question can be answered: the incident's page, which comes first, and the command line."""
    yes, no = answer_commands(ask, engine.company.plan)
    page = engine.links.href(LinkTo(incident=ask.id.partition("/")[0], ask=ask.id))
    on_page = f"on [the incident's page]({page})" if page else ""
    if ask.policy.prefect_may:
        return f"Answer here, or {on_page}.\n\n" if page else "", f"On the command line: `{yes}` or: `{no}`"
    why = "this approval needs proof of who you are" if ask.policy.needs_proof else "the plan does not allow it"
    refused = f"**It cannot be approved in Prefect, because {why}.** "
    command = f"On the command line: {with_proof(f'`{yes}`', ask.policy)}. A denial counts here, too."
    return f"{refused}{f'Approve it {on_page}.' if page else ''}\n\n", command


def record_answer(engine: Engine, ask_id: str, form: str, given: Answer) -> str:
    """Journal what a form about `ask_id` was answered, for the question that it names; return why it does not count.

    The returned text is empty if it counts. An answer that did not count stays so when the form is read again.
    """
    question = engine.people.question(ask_id)
    for refused in question.refused:
        if refused.form == form:
            return refused.problem
    incident = ask_id.partition("/")[0]
    still_asked = is_asked(engine.conductor.incident(incident), ask_id)
    # allclear submits this only after the question is closed. If it is still open, a person chose it.
    if given.decision == ELSEWHERE:
        problem = f'"{ELSEWHERE}" is no answer, and {ask_id} has none yet. Choose another decision.'
        return _refuse(engine, ask_id, form, given, problem) if still_asked else ""
    try:
        decision = engine.people.decision(given.decision)
        by = author(engine, given.name, given.role, form)
        said = {"ask": decision.ask, "word": decision.word, "reason": given.reason, "choice": decision.choice}
        AnswerCommand.model_validate(said).record(engine, by)
    except JournalError:
        raise
    except AllclearError as error:
        return _refuse(engine, ask_id, form, given, str(error))
    return ""


def _refuse(engine: Engine, ask_id: str, form: str, given: Answer, problem: str) -> str:
    """Journal that an answer did not count, and return the reason."""
    refused = AnswerRefused(
        ask=ask_id, form=form, answer=given.decision, name=given.name, reason=given.reason, problem=problem
    )
    engine.journal.append(ask_id.partition("/")[0], [refused], By(actor="allclear", via="prefect"))
    return problem


def form_key(ask_id: str, attempt: int) -> str:
    """Return the key of the form in Prefect, which takes lower case letters, digits and dashes.

    Its hash keeps apart ids that differ in other characters only, as `roll-back~2` and `roll-back-2`.
    """
    words = re.sub(r"[^a-z0-9]+", "-", ask_id.lower())
    return f"{words}-{digest(ask_id)[:8]}" + (f"-try-{attempt}" if attempt > 1 else "")
