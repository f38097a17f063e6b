"""The commands that a person gives in an incident from Prefect's UI, one small flow for each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger
from prefect.states import Completed

from allclear.bootstrap import Engine, open_engine
from allclear.domain.decisions import decision_for
from allclear.domain.errors import AllclearError
from allclear.domain.records import By
from allclear.engine.people.assess import read_facts
from flows.artifacts import publish
from flows.run_context import Ended, deliver, name_run, not_done

Command = Callable[[Engine, str, By], str]
"""Takes the engine, the incident's id and the person; returns a sentence about what was recorded."""


async def run_command(incident: str, name: str, role: str, command: Command, step: str = "") -> Ended:
    """Carry out `command` in a person's name; end as Failed, with the reason, if the person may not give it.

    `step` is the step that an answer is about: an action that waited for this answer is carried out at once.
    """
    incident, done = incident.strip().upper(), True
    try:
        async with open_engine() as engine:
            by = engine.people.who(name, role or None, "prefect")
            sentence = command(engine, incident, by)
            if step and (result := await engine.manual.after_answer(f"{incident}/{step}", by)) and result.outcome:
                sentence, done = f"{sentence} {result.outcome.sentence}", result.outcome.good
            await name_run(engine.conductor.incident(incident))
            await publish(engine, incident)
            await deliver(engine, incident)
    except AllclearError as error:
        return not_done(str(error))
    if not done:
        return not_done(sentence)
    get_run_logger().info(sentence)
    return Completed(message=sentence)


@flow(name="acknowledge", persist_result=False)
async def acknowledge(incident: str, name: str, role: str = "") -> Ended:
    """Record that you are working on the incident. The first to acknowledge leads until the lead is handed over.

    Args:
        incident: The incident's id, as VS-12.
        name: Who you are.
        role: The role in which you act. Leave it out if the plan names you.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        return engine.people.acknowledge(incident, by)

    return await run_command(incident, name, role, command)


@flow(name="answer", persist_result=False)
async def answer(ask: str, decision: str, name: str, role: str = "", reason: str = "", choice: str = "") -> Ended:
    """Answer a question of a response: an approval, a step or a choice. The form of the suspended run does the same.

    Args:
        ask: The question's id, as VS-12/contain/roll-back. Messages about the question name it.
        decision: Your answer, in the words of the question: each kind of question has one for yes and one for no.
        name: Who you are.
        role: The role in which you answer. Leave it out if the plan names you.
        reason: Why, or how. Some answers need it.
        choice: The candidate, if the question is which one.
    """
    incident, _, step = ask.strip().partition("/")

    def command(engine: Engine, incident: str, by: By) -> str:
        given = decision_for(engine.people.question(f"{incident}/{step}").ask, decision, choice.strip() or None)
        return engine.people.answer(given.ask, by, yes=given.yes, reason=reason, choice=given.choice)

    return await run_command(incident, name, role, command, step)


@flow(name="note", persist_result=False)
async def note(incident: str, text: str, name: str, role: str = "scribe", post_mortem: str = "") -> Ended:
    """Add a note to the incident's timeline.

    Args:
        incident: The incident's id, as VS-12.
        text: What you saw, heard or did.
        name: Who you are.
        role: The role in which you write.
        post_mortem: Where the post-mortem shows it: among its key events (timeline), or as the suggestion for a field.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        return engine.people.note(incident, text, by, post_mortem)

    return await run_command(incident, name, role, command)


@flow(name="decide", persist_result=False)
async def decide(incident: str, text: str, name: str, reason: str = "", role: str = "incident_commander") -> Ended:
    """Record a decision and its reason.

    Args:
        incident: The incident's id, as VS-12.
        text: What was decided.
        name: Who you are.
        reason: Why it was decided.
        role: The role in which you decide.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        return engine.people.decide(incident, text, reason, by)

    return await run_command(incident, name, role, command)


@flow(name="change_severity", persist_result=False)
async def change_severity(
    incident: str, severity: str, reason: str, name: str, role: str = "incident_commander"
) -> Ended:
    """Raise or lower the severity. The incident's clocks keep running.

    Args:
        incident: The incident's id, as VS-12.
        severity: The new severity.
        reason: Why it changes.
        name: Who you are.
        role: The role in which you decide.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        return engine.people.severity(incident, severity, reason, by)

    return await run_command(incident, name, role, command)


@flow(name="assess", persist_result=False)
async def assess(  # noqa: PLR0913 - the fields of its form
    incident: str,
    name: str,
    facts: list[str] | None = None,
    kind: str = "",
    reason: str = "",
    known_since: str = "",
    role: str = "incident_commander",
) -> Ended:
    """Record what is known about the incident. If the plan's rules say so, its severity rises.

    Args:
        incident: The incident's id, as VS-12.
        name: Who you are.
        facts: What is known, each as facet=value, as customer_facing=yes. Empty if only the kind or the time is known.
        kind: The incident's kind, if it changes. Empty leaves it as it is.
        reason: How that is known.
        known_since: When the company became aware of it, as 2026-11-20 17:00. Duties that count from it start then.
        role: The role in which you assess it.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        return engine.people.assess(incident, read_facts(facts or []), kind or None, reason, by, known_since)

    return await run_command(incident, name, role, command)


@flow(name="hand_over", persist_result=False)
async def hand_over(
    incident: str, role_to_hand_over: str, to: str, name: str, role: str = "incident_commander"
) -> Ended:
    """Ask another person to take a role in this incident. Its holder keeps it until that person accepts.

    To accept a role that is offered to you, name yourself as the person who takes it.

    Args:
        incident: The incident's id, as VS-12.
        role_to_hand_over: The role that the other person takes.
        to: The person who is asked to take it.
        name: Who you are.
        role: The role in which you act.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        return engine.people.hand_over(incident, role_to_hand_over, to, by)

    return await run_command(incident, name, role, command)


@flow(name="end_incident", persist_result=False)
async def end_incident(incident: str, reason: str, name: str, false_alarm: bool = False, role: str = "") -> Ended:
    """End an incident: all clear, or a false alarm. Refused while something that containment changed is in place.

    Args:
        incident: The incident's id, as VS-12.
        reason: How you know that it is over.
        name: Who you are.
        false_alarm: On if there was no trouble at all.
        role: The role in which you act. Leave it out if the plan names you.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        end = engine.people.false_alarm if false_alarm else engine.people.resolve
        return end(incident, reason, by)

    return await run_command(incident, name, role, command)


@flow(name="write_post_mortem", persist_result=False)
async def write_post_mortem(incident: str, field: str, text: str, name: str, role: str = "scribe") -> Ended:
    """Write one field of the post-mortem. A later text replaces an earlier one.

    Args:
        incident: The incident's id, as VS-12.
        field: The field of the document.
        text: The field's new text.
        name: Who you are.
        role: The role in which you write.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        return engine.people.write_post_mortem(incident, field, text, by)

    return await run_command(incident, name, role, command)


@flow(name="add_follow_up", persist_result=False)
async def add_follow_up(
    incident: str, text: str, owner: str, name: str, due_in_days: int = 14, role: str = "scribe"
) -> Ended:
    """Add a follow-up: something to be done so that the incident does not happen again.

    Args:
        incident: The incident's id, as VS-12.
        text: What has to be done.
        owner: The person who sees to it.
        name: Who you are.
        due_in_days: The number of days from now until it is due.
        role: The role in which you act.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        due = datetime.now(UTC) + timedelta(days=due_in_days)
        return engine.people.follow_up(incident, text, owner, due, by)

    return await run_command(incident, name, role, command)


@flow(name="finish_follow_up", persist_result=False)
async def finish_follow_up(incident: str, number: int, name: str, note: str = "", role: str = "scribe") -> Ended:
    """Report that a follow-up is done. Its reminders end.

    Args:
        incident: The incident's id, as VS-12.
        number: Its number among the incident's follow-ups, 1 for the first.
        name: Who you are.
        note: What was done.
        role: The role in which you act.
    """

    def command(engine: Engine, incident: str, by: By) -> str:
        return engine.people.follow_up_done(incident, number, note, by)

    return await run_command(incident, name, role, command)
