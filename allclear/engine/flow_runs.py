"""The flow runs of an incident in Prefect: one for each phase and one for each question, their names, keys and tags."""

from __future__ import annotations

from allclear.domain.decisions import closed_because
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.privacy import is_private
from allclear.domain.pseudo_phases import MANUAL
from allclear.domain.template_values import waiting
from allclear.journal.ports import Journal
from allclear.journal.rows import OutboxKind, OutboxMessage
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


def how_it_ended(plan: Plan, incident: Incident, ask: str) -> str:
    """Return why the question `ask` waits for people no more, and what does, in sentences for Prefect's page of it.

    Of a private incident, only that it is closed.
    """
    state = incident.asks[ask]
    if is_private(plan, incident):
        return f"Closed. {incident.id} is private: its page says more."
    how = f"{incident.id} has ended" if state.open else f"Closed: {closed_because(state, plan.zone)}"
    now = ", ".join(other.ask.id for other in waiting(incident))
    return f"{how}. Asked now: {now or 'nothing'}."


def question_key(ask: str) -> str:
    """Return the key of the message that starts the run of a question: one run for each question."""
    return f"question:{ask}"


def question_message(incident: str, ask: str) -> OutboxMessage:
    """Return the outbox message that starts the run of the question `ask`."""
    return OutboxMessage(OutboxKind.START, incident, question_key(ask), {"flow": QUESTION, "ask": ask})


async def start_run(
    prefect: PrefectApi, plan: Plan, incident: Incident, flow: str, key: str, ask: str | None = None
) -> None:
    """Start the run of `flow` for an incident, one for each key. Raises Unreachable or VendorRefused.

    `ask` is the question that it shows, for the flow `question`.

    Prefect keeps every key, and another journal on the same server may have a VS-12 too. So the time at which the
    incident was opened is part of the key. A question stands in it by its number, so that the key stays the same if the
    incident becomes private.
    """
    key = key.replace(ask, numbered(incident, ask)) if ask else key
    await prefect.start(
        flow,
        {"incident": incident.id} | ({"ask": shown_ask(plan, incident, ask)} if ask else {}),
        f"{key} {opened_tag(incident)}",
        name=run_name(plan, incident, flow, ask),
        tags=[*tags_of(incident), *([QUESTION] if ask else [])],
    )


def run_name(plan: Plan, incident: Incident, flow: str, ask: str | None = None) -> str:
    """Return a run's name: `VS-12 contain`, or `VS-12 asks contain/roll-back` for a question.

    A question of a private incident has its number there, as in `VS-12 asks question-7`.
    """
    if ask is None:
        return f"{incident.id} {flow}"
    return f"{incident.id} asks {shown_ask(plan, incident, ask).removeprefix(f'{incident.id}/')}"


def shown_ask(plan: Plan, incident: Incident, ask: str) -> str:
    """Return how Prefect names a question: by its id, or by its number alone if the incident is private."""
    return numbered(incident, ask) if is_private(plan, incident) else ask


def numbered(incident: Incident, ask: str) -> str:
    """Return a name of a question that says nothing of its step: `VS-12/question-7`."""
    state = incident.asks.get(ask)
    return f"{incident.id}/question-{state.number}" if state else ask


def ask_named(incident: Incident, name: str) -> str:
    """Return the id of the question that `name` names, by its id or by its number."""
    return next((ask for ask in incident.asks if numbered(incident, ask) == name), name)


def tags_of(incident: Incident) -> list[str]:
    """Return the tags of an incident's runs, which differ from those of another journal's incident with the same id."""
    return [incident.id, incident.severity, "SIMULATED" if incident.opened.simulated else "real", opened_tag(incident)]


def is_of(run: FlowRun, incident: Incident) -> bool:
    """Return whether a run belongs to this incident, and not to one with the same id in another journal."""
    return opened_tag(incident) in run.tags or run.id in incident.run_holders


def opened_tag(incident: Incident) -> str:
    """Return the tag that says when the incident was opened."""
    return f"opened {incident.opened_at:%Y-%m-%dT%H:%M:%S.%fZ}"
