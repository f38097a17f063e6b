"""The outbox: what Prefect is told reaches it once, in the right order, however it answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from allclear.company import find_company
from allclear.domain.records import By, IncidentEnded, IncidentOpened
from allclear.domain.scope import Scope
from allclear.engine.outbox import OutboxDelivery
from allclear.engine.response.flow_starts import start_message
from allclear.journal.sql_journal import SqlJournal
from allclear.prefect_api import PrefectApi
from tests.scenario.response_support import new_journal
from tests.scopes import DRILL
from tests.unit.fakes_prefect import FakePrefect, prefect_at

MACHINE = By(actor="allclear", via="test")


class Room:
    """A journal with an outbox, and a Prefect."""

    def __init__(self, address: str, prefect: FakePrefect, url: str) -> None:
        self.address = address
        self.journals = {
            name: SqlJournal(address, Scope(name, simulated=False)) for name in ("vintstreet", "retailgen")
        }
        self.journal = self.journals["vintstreet"]
        self.prefect = prefect
        self.url = url
        self._clients: list[PrefectApi] = []

    def outbox(self, company: str = "vintstreet") -> OutboxDelivery:
        """Return one who carries errands; each has a client of its own."""
        client = PrefectApi(self.url, company)
        self._clients.append(client)
        return OutboxDelivery(self.journals[company], client, find_company(company))

    def open(self, severity: str = "P0", company: str = "vintstreet", short: str = "VS") -> str:
        """Open an incident, with the errand to start its `respond`."""
        opened = IncidentOpened(
            company=company,
            title="Errors",
            severity=severity,
            service="storefront",
            runbook="bad-deployment",
            reported="declared by Ana",
        )
        return self.journals[company].open_incident(
            short, opened, MACHINE, outbox=[start_message("{incident}", "respond")]
        )[0]

    async def close(self) -> None:
        """Close everything."""
        for client in self._clients:
            await client.close()
        for journal in self.journals.values():
            journal.close()


@asynccontextmanager
async def room_in(folder: Path) -> AsyncGenerator[Room]:
    """Yield a room with an empty outbox."""
    with prefect_at() as (prefect, url):
        room = Room(new_journal(folder), prefect, url)
        try:
            yield room
        finally:
            await room.close()


async def until_done(outbox: OutboxDelivery, room: Room, seconds: float = 8) -> None:
    """Carry errands until none is due."""
    end = time.monotonic() + seconds
    while room.journal.outbox():
        assert time.monotonic() < end, room.journal.outbox()
        await outbox.deliver()
        await asyncio.sleep(0.05)


async def test_a_run_whose_answer_was_lost_is_made_once(tmp_path: Path) -> None:
    """Prefect makes the run and the answer is lost, twice: the errand is repeated, and the run is one."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        room.prefect.lost_answers = 2
        await until_done(room.outbox(), room)
        assert room.prefect.keys == [f"{incident}/respond"]
        assert len([path for path in room.prefect.asked if path.endswith("create_flow_run")]) == 3


async def test_many_who_carry_the_same_message_at_once_make_one_run(tmp_path: Path) -> None:
    """Twenty processes deliver the same errand while Prefect answers most of them 503: one run."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        room.prefect.busy = 15
        await asyncio.gather(*(room.outbox().deliver() for _ in range(20)))
        await until_done(room.outbox(), room)
        assert room.prefect.keys == [f"{incident}/respond"]


async def test_while_prefect_is_away_one_check_stands_for_all_and_nothing_is_put_off(tmp_path: Path) -> None:
    """Thirty incidents, Prefect away: few looks, no errand backs off, and runs follow within seconds of its return."""
    async with room_in(tmp_path) as room:
        for _ in range(30):
            room.open()
        room.prefect.away = True
        outbox = room.outbox()
        await outbox.deliver()
        first = len(room.prefect.asked)
        for _ in range(20):
            assert await outbox.deliver() == 0
        assert len(room.prefect.asked) == first <= 6
        assert [message.attempts for message in room.journal.outbox()] == [0] * 30
        room.prefect.away, back = False, datetime.now(UTC)
        while not room.prefect.runs:
            await outbox.deliver()
            await asyncio.sleep(0.05)
        [first_run, *_] = room.prefect.runs.values()
        assert datetime.fromisoformat(first_run["created"]) - back < timedelta(seconds=4)


async def test_a_prefect_that_does_not_know_our_flows_yet_is_waited_for(tmp_path: Path) -> None:
    """The server is up before the runner has registered anything: the errand stays due, and is not put off."""
    async with room_in(tmp_path) as room:
        room.open()
        room.prefect.registered = False
        outbox = room.outbox()
        assert await outbox.deliver() == 0
        assert [message.attempts for message in room.journal.outbox()] == [0]
        room.prefect.registered = True
        await until_done(outbox, room)
        assert len(room.prefect.runs) == 1


async def test_the_gravest_and_the_oldest_are_started_first_one_by_one(tmp_path: Path) -> None:
    """Runs are started by severity and then by age, never two calls at once, and five a round at most."""
    async with room_in(tmp_path) as room:
        minor, worst, second = room.open("P2"), room.open("P0"), room.open("P0")
        others = [room.open("P3") for _ in range(3)]
        outbox = room.outbox()
        assert await outbox.deliver() == 5
        assert room.prefect.started == [f"{one} respond" for one in (worst, second, minor, *others[:2])]
        assert room.prefect.at_once == 1
        latest = room.open("P1")
        await until_done(outbox, room)
        assert room.prefect.started[5] == f"{latest} respond"


async def test_outbox_of_another_company_stay_where_they_are(tmp_path: Path) -> None:
    """Two companies in one journal: each carries its own errands and leaves the other's."""
    async with room_in(tmp_path) as room:
        ours, theirs = room.open(), room.open("P0", company="retailgen", short="RG")
        assert await room.outbox().deliver() == 1
        assert room.prefect.started == [f"{ours} respond"]
        assert [message.incident for message in room.journals["retailgen"].outbox()] == [theirs]
        assert await room.outbox("retailgen").deliver() == 1


async def test_a_flow_carries_the_outbox_of_its_own_incident(tmp_path: Path) -> None:
    """Fifty runs that come together must not each carry what is due of all fifty."""
    async with room_in(tmp_path) as room:
        one, other = room.open(), room.open()
        assert await room.outbox().deliver(one) == 1
        assert [message.incident for message in room.journal.outbox()] == [other]


async def test_of_an_incident_that_people_ended_only_respond_is_started(tmp_path: Path) -> None:
    """A phase that was to be started before the end is not any more; Prefect still hears of the incident."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        room.journal.append(incident, [], MACHINE, outbox=[start_message(incident, "contain")])
        room.journal.append(incident, [IncidentEnded(ending="false-alarm", reason="all is well")], MACHINE)
        await until_done(room.outbox(), room)
        assert room.prefect.started == [f"{incident} respond"]


async def test_a_rehearsal_takes_no_real_message_to_its_own_prefect(tmp_path: Path) -> None:
    """They share a journal: the real incident's errand waits for the real responder."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        client = PrefectApi(room.url, "vintstreet")
        journal = SqlJournal(room.address, DRILL)
        rehearsal = OutboxDelivery(journal, client, find_company("vintstreet"))
        assert await rehearsal.deliver() == 0
        assert (room.prefect.keys, [message.incident for message in room.journal.outbox()]) == ([], [incident])
        await client.close()
        journal.close()
        await until_done(room.outbox(), room)
        assert room.prefect.keys == [f"{incident}/respond"]
