"""The flow runs of an incident in Prefect: one for each phase and one for each question, their names, keys and tags."""

from __future__ import annotations

from datetime import tzinfo

from allclear.domain.decisions import closed_because
from allclear.domain.incident import Incident
from allclear.domain.reminder import MANUAL
from allclear.domain.template_values import waiting
from allclear.journal.ports import Journal, OutboxKind, OutboxMessage
from allclear.prefect_api import FlowRun, PrefectApi

QUESTION = "question"
"""The flow whose run shows one question to people, and the tag of these runs."""


def is_asked(incident: Incident, ask: str) -> bool:
    """Return whether the question `ask` waits for people now."""
    return any(state.ask.id == ask for state in waiting(incident))


def open_questions(journal: Journal, incident: Incident) -> list[str]:
    """Return the questions that need a run of their own in Prefect.

    The run of a manual action shows its own question, if it waits for the answer.
    """
    asks = [state.ask for state in waiting(incident)]
    return [ask.id for ask in asks if ask.phase != MANUAL or not journal.waiting_runs(ask.id)]


def how_it_ended(incident: Incident, ask: str, zone: tzinfo) -> str:
    """Return why the question `ask` waits for people no more, and what does, in sentences for Prefect's page of it."""
    state = incident.asks[ask]
    how = f"{incident.id} has ended" if state.open else f"Closed: {closed_because(state, zone)}"
    now = ", ".join(other.ask.id for other in waiting(incident))
    return f"{how}. Asked now: {now or 'nothing'}."


def question_key(ask: str) -> str:
    """Return the key of the message that starts the run of a question: one run for each question."""
    return f"question:{ask}"


def question_message(incident: str, ask: str) -> OutboxMessage:
    """Return the outbox message that starts the run of the question `ask`."""
    return OutboxMessage(OutboxKind.START, incident, question_key(ask), {"flow": QUESTION, "ask": ask})


async def start_run(prefect: PrefectApi, incident: Incident, flow: str, key: str, ask: str | None = None) -> None:
    """Start the run of `flow` for an incident, one for each key. Raises Unreachable or VendorRefused.

    `ask` is the question that it shows, for the flow `question`.

    Prefect keeps every key, and another journal on the same server may have a VS-12 too. So the time at which the
    incident was opened is part of the key.
    """
    await prefect.start(
        flow,
        {"incident": incident.id} | ({"ask": ask} if ask else {}),
        f"{key} {opened_tag(incident)}",
        name=run_name(incident.id, flow, ask),
        tags=[*tags_of(incident), *([QUESTION] if ask else [])],
    )


def run_name(incident: str, flow: str, ask: str | None = None) -> str:
    """Return a run's name: `VS-12 contain`, or `VS-12 asks contain/roll-back` for a question."""
    return f"{incident} asks {ask.removeprefix(f'{incident}/')}" if ask else f"{incident} {flow}"


def tags_of(incident: Incident) -> list[str]:
    """Return the tags of an incident's runs, which differ from those of another journal's incident with the same id."""
    return [incident.id, incident.severity, "SIMULATED" if incident.opened.simulated else "real", opened_tag(incident)]


def is_of(run: FlowRun, incident: Incident) -> bool:
    """Return whether a run belongs to this incident, and not to one with the same id in another journal."""
    return opened_tag(incident) in run.tags or run.id in incident.run_holders


def opened_tag(incident: Incident) -> str:
    """Return the tag that says when the incident was opened."""
    return f"opened {incident.opened_at:%Y-%m-%dT%H:%M:%S.%fZ}"
