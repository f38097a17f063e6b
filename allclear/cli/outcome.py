"""What became of a change that a person has approved: `allclear approve` waits for it and prints it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import httpx

from allclear.bootstrap import Engine
from allclear.domain.act import Act
from allclear.domain.action import Outcome
from allclear.domain.approval import AskKind
from allclear.domain.incident import Incident
from allclear.domain.records import ActFinished, ActSettled, Contained, Entry, StepDone
from allclear.domain.timeline import line_of

PATIENCE = 120.0
"""Seconds to wait for an outcome and then for the check that proves containment. A rollout takes up to a minute."""

_POLL = 0.3


@dataclass(frozen=True)
class Followed:
    """The outcome of an approved change, as far as it is known."""

    incident: str
    act: str
    outcome: Outcome | None
    contained: bool
    sentences: list[str]
    """As the timeline has them: the outcome, and the check after it."""


def awaited(engine: Engine, ask_id: str) -> Act | None:
    """Return the act that the responder carries out because the question is granted; None if there is none."""
    incident = engine.conductor.incident(ask_id.partition("/")[0])
    state = incident.asks[ask_id]
    act = incident.acts.get(state.ask.act or "")
    return act if act and state.ask.kind is AskKind.APPROVAL and state.granted else None


async def responder_answers(url: str) -> bool:
    """Return whether a responder, which carries out what is approved, answers at `url`."""
    try:
        async with httpx.AsyncClient(timeout=2.0) as http:
            return (await http.get(f"{url}/healthz")).is_success
    except httpx.HTTPError:
        return False


async def follow(engine: Engine, incident_id: str, act_id: str, patience: float = PATIENCE) -> Followed:
    """Wait for the act's outcome, and for the check that follows a measure, for at most `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        incident = engine.conductor.incident(incident_id)
        entries = engine.journal.entries(incident_id)
        told = _told(entries, act_id)
        act = incident.acts[act_id]
        if time.monotonic() >= end or (act.outcome and not _is_checked_still(incident, act, told)):
            sentences = [line_of(entry, incident, engine.company.plan).text for entry in told]
            return Followed(incident_id, act_id, act.outcome, incident.contained is not None, sentences)
        await asyncio.sleep(_POLL)


def _told(entries: list[Entry], act_id: str) -> list[Entry]:
    """Return the entries with the act's outcome and with the first check of containment after it."""
    outcome = [e for e in entries if isinstance(e.record, ActFinished | ActSettled) and e.record.act == act_id]
    if not outcome:
        return []
    after = [entry for entry in entries if entry.number > outcome[0].number]
    contained = [entry for entry in after if isinstance(entry.record, Contained)]
    proof = [entry for entry in after if isinstance(entry.record, StepDone) and entry.record.proves == "containment"]
    return [*outcome[-1:], *(contained or proof)[:1]]


def _is_checked_still(incident: Incident, act: Act, told: list[Entry]) -> bool:
    """Return whether the check that decides about containment is still to come."""
    measure = act.proposed.phase == "contain" and act.proposed.changes_service and not act.proposed.undoes
    good = act.outcome is not None and act.outcome.good and act.outcome.changed
    return measure and good and len(told) == 1 and not incident.over
