"""A process dies at every write of a ticket's story, or two processes work at once: one ticket, opened and closed once.

It is the ticket of an alert that makes only one, and the ticket of an incident from its detection to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.domain.records import By, PhaseEntered, PhaseLeft
from allclear.domain.review.incident_ticket import ticket_link, ticket_words
from allclear.engine.actions.message_acts import MessageActs
from allclear.engine.notify.ticket_sender import TicketSender
from allclear.journal.sql_journal import SqlJournal
from tests.contract.simulator_support import Simulated, quick
from tests.scenario.response_support import (
    ALERT,
    MACHINE,
    Killed,
    Mortal,
    announced,
    die,
    engine_on,
    new_journal,
    report,
    writes,
)
from tests.scopes import DRILL

TYPO = replace(ALERT, key="typo", title="The cart says chekout", labels={"alertname": "CosmeticIssue"})


async def ticketed(engine: Engine) -> None:
    """Take the alert in, as the inbox worker does after a restart, and open what is due."""
    taken = engine.intake.take(TYPO, "delivery-1")
    assert taken.incident is not None
    await sender(engine).send_due(taken.incident)


async def whole_incident(engine: Engine) -> None:
    """Take an alert in that opens an incident, leave its detection, end it, and do after each what is due."""
    incident = report(engine)
    if not engine.conductor.incident(incident).left:
        left = [PhaseEntered(phase="detect"), PhaseLeft(phase="detect")]
        engine.journal.append(incident, left, MACHINE)
    await sender(engine).send_due(incident)
    if not engine.conductor.incident(incident).over:
        engine.people.resolve(incident, "Payments work.", By(actor="Ana", role="on_call", via="cli"))
    await sender(engine).send_due(incident)


def sender(engine: Engine) -> TicketSender:
    """Return what opens and closes the tickets of an engine's incidents."""
    parts = (engine.journal, engine.conductor, MessageActs(engine.proposer, engine.executor), engine.company.plan)
    return TicketSender(*parts, utc_now)


async def killed_at_each_write(
    tmp_path: Path, when: Literal["before", "after"], run: Callable[[Engine], Awaitable[None]]
) -> AsyncIterator[tuple[Engine, Simulated]]:
    """Yield an engine that has ended `run` after another was killed at a write; each write in turn, then none."""
    at, killed = 1, True
    while killed:
        folder = tmp_path / str(at)
        folder.mkdir()
        url = new_journal(folder)
        async with Simulated(quick("healthy")) as sim:
            simulation = announced(sim, folder)
            inner = SqlJournal(url, DRILL)
            engine = engine_on(url, simulation, Mortal(inner, at, when))  # pyright: ignore[reportArgumentType]
            try:
                await run(engine)
                killed = False
            except Killed:
                await die(engine, inner)
                engine = engine_on(url, simulation)
                await run(engine)
            yield engine, sim
            await engine.close()
        at += 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_ticket_of_an_incident_is_opened_and_closed_once_wherever_the_process_dies(
    tmp_path: Path, when: Literal["before", "after"]
) -> None:
    """The next process carries on from what is in the journal, also if the incident has ended meanwhile."""
    at = 1
    async for engine, sim in killed_at_each_write(tmp_path, when, whole_incident):
        at += 1
        assert sim.world.github is not None
        assert [issue.state for issue in sim.world.github.issues] == ["closed"]
        assert [line["method"] for line in writes(sim.world, "github")] == ["create_issue", "update_issue"]
        [row] = engine.journal.incidents()
        assert ticket_words(engine.company.plan, engine.conductor.incident(row.id)).endswith(", closed")
        assert engine.journal.broken_link(row.id) is None
    assert at > 9  # the opening, detection, the end; the proposal, intent and outcome of each act


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_dies_at_any_write_opens_one_ticket(
    tmp_path: Path, when: Literal["before", "after"]
) -> None:
    """The next process carries on from what is in the journal."""
    at = 1
    async for engine, sim in killed_at_each_write(tmp_path, when, ticketed):
        at += 1
        assert engine.journal.incidents() == []
        [row] = engine.journal.incidents(with_tickets=True)
        assert ticket_link(engine.conductor.incident(row.id)) is not None
        assert engine.journal.broken_link(row.id) is None
        assert [line["method"] for line in writes(sim.world, "github")] == ["create_issue"]
    assert at > 4  # the opening, the proposal, the intent and the outcome


async def test_two_processes_open_one_ticket(tmp_path: Path) -> None:
    """Both read the same delivery's alert, and both find its ticket due."""
    url = new_journal(tmp_path)
    async with Simulated(quick("healthy")) as sim:
        simulation = announced(sim, tmp_path)
        engines = [engine_on(url, simulation) for _ in range(2)]
        await asyncio.gather(*map(ticketed, engines), return_exceptions=True)
        await ticketed(engines[0])
        assert len(engines[1].journal.incidents(with_tickets=True)) == 1
        assert [line["method"] for line in writes(sim.world, "github")] == ["create_issue"]
        for engine in engines:
            await engine.close()
