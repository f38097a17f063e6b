"""What a person says in an incident, from Prefect's UI: one small flow for each word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger
from prefect.states import Completed

from allclear.bootstrap import Engine, open_engine
from allclear.domain.errors import AllclearError
from allclear.domain.records import By
from allclear.engine.people.people import read_facts
from flows.artifacts import publish
from flows.phase_loop import deliver
from flows.run_context import Ended, name_run, not_done


async def say(incident: str, name: str, role: str, speak: Callable[[Engine, str, By], str], ask: str = "") -> Ended:
    """Says something in a person's name; ends as Failed, with the reason, where it is not theirs to say."""
    incident = incident.strip().upper()
    try:
        async with open_engine() as engine:
            by = engine.people.who(name, role or None, "prefect")
            told = speak(engine, incident, by)
            if ask:
                await engine.manual.after_answer(f"{incident}/{ask}", by)
            await name_run(engine.conductor.incident(incident))
            await publish(engine, incident)
            await deliver(engine, incident)
    except AllclearError as error:
        return not_done(str(error))
    get_run_logger().info(told)
    return Completed(message=told)


@flow(name="acknowledge", persist_result=False)
async def acknowledge(incident: str, name: str, role: str = "on_call") -> Ended:
    """Record that you are on it; the first to say so leads until somebody takes over.

    Args:
        incident: The incident's id, as VS-12.
        name: Who you are.
        role: In which role you speak.
    """
    return await say(incident, name, role, lambda engine, incident, by: engine.people.acknowledge(incident, by))


@flow(name="answer", persist_result=False)
async def answer(ask: str, yes: bool, name: str, role: str = "on_call", reason: str = "", choice: str = "") -> Ended:
    """Answer what waits for people: an approval, a step, a question. The waiting run's own form does the same.

    Args:
        ask: What is answered, as VS-12/contain/roll-back.
        yes: On approves (or: it is done), off denies (or: it is not).
        name: Who you are.
        role: In which role you answer.
        reason: Why, or how; some answers need it.
        choice: Which candidate, where that is the question.
    """
    step = ask.partition("/")[2].strip()

    def speak(engine: Engine, incident: str, by: By) -> str:
        return engine.people.answer(f"{incident}/{step}", by, yes=yes, reason=reason, choice=choice or None)

    return await say(ask.partition("/")[0], name, role, speak, step)


@flow(name="note", persist_result=False)
async def note(incident: str, text: str, name: str, role: str = "scribe") -> Ended:
    """Record what you saw or heard.

    Args:
        incident: The incident's id, as VS-12.
        text: What to remember.
        name: Who you are.
        role: In which role you speak.
    """
    return await say(incident, name, role, lambda engine, incident, by: engine.people.note(incident, text, by))


@flow(name="decide", persist_result=False)
async def decide(incident: str, text: str, name: str, reason: str = "", role: str = "incident_commander") -> Ended:
    """Record a decision and its reason.

    Args:
        incident: The incident's id, as VS-12.
        text: What was decided.
        name: Who you are.
        reason: The reason.
        role: In which role you decide.
    """
    return await say(
        incident, name, role, lambda engine, incident, by: engine.people.decide(incident, text, reason, by)
    )


@flow(name="change_severity", persist_result=False)
async def change_severity(
    incident: str, severity: str, reason: str, name: str, role: str = "incident_commander"
) -> Ended:
    """Raise or lowers the severity; its clocks keep running.

    Args:
        incident: The incident's id, as VS-12.
        severity: What it is now.
        reason: The reason.
        name: Who you are.
        role: In which role you decide.
    """
    return await say(
        incident, name, role, lambda engine, incident, by: engine.people.severity(incident, severity, reason, by)
    )


@flow(name="assess", persist_result=False)
async def assess(
    incident: str, facts: list[str], name: str, kind: str = "", reason: str = "", role: str = "incident_commander"
) -> Ended:
    """Return what is known of an incident by now; where the plan's rules say so, its severity rises.

    Args:
        incident: The incident's id, as VS-12.
        facts: What is known, each as facet=value, as customer_facing=yes.
        name: Who you are.
        kind: Of which kind it is after all; empty leaves it.
        reason: How that is known.
        role: In which role you speak.
    """

    def speak(engine: Engine, incident: str, by: By) -> str:
        return engine.people.assess(incident, read_facts(facts), kind or None, reason, by)

    return await say(incident, name, role, speak)


@flow(name="hand_over", persist_result=False)
async def hand_over(incident: str, hat: str, to: str, name: str, role: str = "incident_commander") -> Ended:
    """Give a role in this incident to somebody else.

    Args:
        incident: The incident's id, as VS-12.
        hat: The role that is handed over.
        to: Who has it from now on.
        name: Who you are.
        role: In which role you speak.
    """
    return await say(incident, name, role, lambda engine, incident, by: engine.people.hand_over(incident, hat, to, by))


@flow(name="end_incident", persist_result=False)
async def end_incident(
    incident: str, reason: str, name: str, false_alarm: bool = False, role: str = "on_call"
) -> Ended:
    """End an incident: all clear, or a false alarm. Refused while something of a containment is still in place.

    Args:
        incident: The incident's id, as VS-12.
        reason: How you know.
        name: Who you are.
        false_alarm: On where there was nothing at all.
        role: In which role you speak.
    """

    def speak(engine: Engine, incident: str, by: By) -> str:
        end = engine.people.false_alarm if false_alarm else engine.people.resolve
        return end(incident, reason, by)

    return await say(incident, name, role, speak)


@flow(name="write_post_mortem", persist_result=False)
async def write_post_mortem(incident: str, field: str, text: str, name: str, role: str = "scribe") -> Ended:
    """Write one field of the post-mortem; the last one written counts.

    Args:
        incident: The incident's id, as VS-12.
        field: Which part of the document.
        text: What it should say.
        name: Who you are.
        role: In which role you write.
    """
    return await say(incident, name, role, lambda engine, incident, by: engine.people.write(incident, field, text, by))


@flow(name="add_follow_up", persist_result=False)
async def add_follow_up(
    incident: str, text: str, owner: str, name: str, due_in_days: int = 14, role: str = "scribe"
) -> Ended:
    """Add something to be done so that it does not happen again.

    Args:
        incident: The incident's id, as VS-12.
        text: What is to be done.
        owner: Who sees to it.
        name: Who you are.
        due_in_days: Until when, in days from now.
        role: In which role you speak.
    """

    def speak(engine: Engine, incident: str, by: By) -> str:
        due = datetime.now(UTC) + timedelta(days=due_in_days)
        return engine.people.follow_up(incident, text, owner, due, by)

    return await say(incident, name, role, speak)
