"""A process dies at every write of an alert that makes only a ticket, or two processes work at once: one ticket."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from allclear.bootstrap import Engine
from allclear.domain.base import utc_now
from allclear.domain.severity_tickets import ticket_link
from allclear.engine.notify.ticket_sender import TicketSender
from allclear.journal.sql_journal import SqlJournal
from tests.contract.simulator_support import Simulated, quick
from tests.scenario.response_support import ALERT, Killed, Mortal, announced, die, engine_on, new_journal, writes
from tests.scopes import DRILL

TYPO = replace(ALERT, key="typo", title="The cart says chekout", labels={"alertname": "CosmeticIssue"})


async def ticketed(engine: Engine) -> None:
    """Take the alert in, as the inbox worker does after a restart, and open what is due."""
    taken = engine.intake.take(TYPO, "delivery-1")
    assert taken.incident is not None
    sender = TicketSender(
        engine.journal, engine.conductor, engine.proposer, engine.executor, engine.company.plan, utc_now
    )
    await sender.send_due(taken.incident)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_dies_at_any_write_opens_one_ticket(
    tmp_path: Path, when: Literal["before", "after"]
) -> None:
    """The next process carries on from what is in the journal."""
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
                await ticketed(engine)
                killed = False
            except Killed:
                await die(engine, inner)
                engine = engine_on(url, simulation)
                await ticketed(engine)
            assert engine.journal.incidents() == []
            [row] = engine.journal.incidents(with_tickets=True)
            assert ticket_link(engine.conductor.incident(row.id)) is not None
            assert engine.journal.broken_link(row.id) is None
            assert [line["method"] for line in writes(sim.world, "github")] == ["create_issue"]
            await engine.close()
        at += 1
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
