"""The outbox: every message reaches Prefect once and in the right order, also if Prefect fails or is slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from allclear.company import find_company
from allclear.domain.records import AskAnswered, AskOpened, By, IncidentEnded, IncidentOpened
from allclear.domain.runbook import Step
from allclear.domain.scope import Scope
from allclear.engine.actions.approval_requests import step_ask
from allclear.engine.flow_runs import question_message
from allclear.engine.incidents import read_incident
from allclear.engine.outbox import OutboxDelivery
from allclear.engine.response.flow_starts import start_message
from allclear.journal.rows import OutboxKind, OutboxMessage
from allclear.journal.sql_journal import SqlJournal
from allclear.prefect_api import PrefectApi
from tests.patience import HUNG
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

    def outbox(self, company: str = "vintstreet", monotonic: Callable[[], float] = time.monotonic) -> OutboxDelivery:
        """Return the delivery of a company's outbox, as in another process, with its own client."""
        client = PrefectApi(self.url, company)
        self._clients.append(client)
        return OutboxDelivery(self.journals[company], client, find_company(company), monotonic)

    def open(self, severity: str = "P0", company: str = "vintstreet", short: str = "VS") -> str:
        """Open an incident, with the outbox message that starts its `respond`."""
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


async def until_done(outbox: OutboxDelivery, room: Room) -> None:
    """Deliver outbox messages until none is due."""
    async with asyncio.timeout(HUNG):
        while room.journal.outbox():
            await outbox.deliver()
            await asyncio.sleep(0.05)


async def test_a_run_is_created_once_although_prefects_answer_was_lost(tmp_path: Path) -> None:
    """Prefect creates the run and the answer is lost, twice: the message is delivered again, and the run is one."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        room.prefect.lost_answers = 2
        await until_done(room.outbox(), room)
        assert room.prefect.keys == [f"{incident}/respond"]
        assert len([path for path in room.prefect.asked if path.endswith("create_flow_run")]) == 3


async def test_a_message_that_many_processes_deliver_at_once_creates_one_run(tmp_path: Path) -> None:
    """Twenty processes deliver the same message while Prefect answers most of them 503: one run."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        room.prefect.busy = 15
        await asyncio.gather(*(room.outbox().deliver() for _ in range(20)))
        await until_done(room.outbox(), room)
        assert room.prefect.keys == [f"{incident}/respond"]


async def test_while_prefect_does_not_answer_it_is_checked_seldom_and_no_message_backs_off(tmp_path: Path) -> None:
    """Thirty incidents wait: few requests are made, no message backs off, and runs start once Prefect answers again."""
    async with room_in(tmp_path) as room:
        for _ in range(30):
            room.open()
        room.prefect.away = True
        seconds = [0.0]
        outbox = room.outbox(monotonic=lambda: seconds[0])
        await outbox.deliver()
        first = len(room.prefect.asked)
        for _ in range(20):
            assert await outbox.deliver() == 0
        assert len(room.prefect.asked) == first <= 6
        assert [message.attempts for message in room.journal.outbox()] == [0] * 30
        room.prefect.away = False
        assert await outbox.deliver() == 0
        seconds[0] += 2.0
        assert await outbox.deliver() == 5
        assert len(room.prefect.runs) == 5


async def test_a_prefect_that_does_not_know_our_flows_yet_is_waited_for(tmp_path: Path) -> None:
    """The server answers before the runner has registered the deployments: the message stays due, without back-off."""
    async with room_in(tmp_path) as room:
        room.open()
        room.prefect.registered = False
        outbox = room.outbox()
        assert await outbox.deliver() == 0
        assert [message.attempts for message in room.journal.outbox()] == [0]
        room.prefect.registered = True
        await until_done(outbox, room)
        assert len(room.prefect.runs) == 1


async def test_runs_are_started_one_by_one_in_order_of_severity_and_age(tmp_path: Path) -> None:
    """There are never two calls at once, and at most five in a round."""
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


async def test_messages_of_another_company_are_not_delivered(tmp_path: Path) -> None:
    """Two companies share a journal: each delivers its own outbox messages, and leaves the other's."""
    async with room_in(tmp_path) as room:
        ours, theirs = room.open(), room.open("P0", company="retailgen", short="RG")
        assert await room.outbox().deliver() == 1
        assert room.prefect.started == [f"{ours} respond"]
        assert [message.incident for message in room.journals["retailgen"].outbox()] == [theirs]
        assert await room.outbox("retailgen").deliver() == 1


async def test_a_flow_delivers_the_outbox_of_its_own_incident_only(tmp_path: Path) -> None:
    """Fifty runs that start together must not each deliver the messages of all fifty incidents."""
    async with room_in(tmp_path) as room:
        one, other = room.open(), room.open()
        assert await room.outbox().deliver(one) == 1
        assert [message.incident for message in room.journal.outbox()] == [other]


async def test_of_an_incident_that_people_ended_only_respond_is_started(tmp_path: Path) -> None:
    """A phase whose start was not delivered before the end is not started; `respond` shows the incident in Prefect."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        room.journal.append(incident, [], MACHINE, outbox=[start_message(incident, "contain")])
        room.journal.append(incident, [IncidentEnded(ending="false-alarm", reason="all is well")], MACHINE)
        await until_done(room.outbox(), room)
        assert room.prefect.started == [f"{incident} respond"]


async def test_a_drill_delivers_no_real_message_to_its_own_prefect(tmp_path: Path) -> None:
    """They share a journal: the real incident's outbox message waits for the real responder."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        client = PrefectApi(room.url, "vintstreet")
        journal = SqlJournal(room.address, DRILL)
        drill = OutboxDelivery(journal, client, find_company("vintstreet"))
        assert await drill.deliver() == 0
        assert (room.prefect.keys, [message.incident for message in room.journal.outbox()]) == ([], [incident])
        await client.close()
        journal.close()
        await until_done(room.outbox(), room)
        assert room.prefect.keys == [f"{incident}/respond"]


# --- questions -------------------------------------------------------------------------------------------


def ask(room: Room, incident: str, step: str) -> str:
    """Open a question about a step of the containment, and return its id."""
    state = read_incident(room.journal, incident)
    question = step_ask(state, "contain", Step.model_validate({"id": step, "person": "on_call", "ask": "Do it."}), "")
    room.journal.append(incident, [AskOpened(ask=question)], MACHINE)
    return question.id


def answer(room: Room, ask_id: str) -> None:
    """Answer a question with yes, and put the message about it into the outbox."""
    incident, by = ask_id.partition("/")[0], By(actor="Ana", role="on_call", via="cli")
    message = OutboxMessage(OutboxKind.RESUME, incident, f"resume:{ask_id}", {"ask": ask_id})
    room.journal.append(incident, [AskAnswered(ask=ask_id, yes=True, reason="so")], by, outbox=[message])


async def test_each_open_question_gets_one_run_with_its_id(tmp_path: Path) -> None:
    """Its name says which question it is, and it is started once. An answered question gets none."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        first, second, answered = (ask(room, incident, step) for step in ("roll-back", "tell", "page"))
        answer(room, answered)
        messages = [question_message(incident, one) for one in (first, second, answered, first)]
        room.journal.append(incident, [], MACHINE, outbox=messages)
        await until_done(room.outbox(), room)
        assert [name for name in room.prefect.started if "asks" in name] == [
            f"{incident} asks contain/roll-back",
            f"{incident} asks contain/tell",
        ]
        assert room.prefect.keys[-2:] == [f"question:{incident}/question-2", f"question:{incident}/question-3"]
        assert all("question" in run["tags"] for run in list(room.prefect.runs.values())[-2:])


async def test_an_answer_resumes_the_phase_and_ends_the_run_of_its_question_only(tmp_path: Path) -> None:
    """The phase waits for several questions, and goes on after any of them. The other question keeps its form."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        await until_done(room.outbox(), room)
        first, second = ask(room, incident, "roll-back"), ask(room, incident, "tell")
        phase = room.prefect.add(f"{incident} contain", "PAUSED")
        shown = {
            one: room.prefect.add(f"asks {one}", "PAUSED", tags=["question"], form=True) for one in (first, second)
        }
        room.journal.add_waiting_run(phase, incident, first, second)
        for one, run in shown.items():
            room.journal.add_waiting_run(run, incident, one)
        answer(room, second)
        await until_done(room.outbox(), room)
        assert room.prefect.resumed == [phase]
        assert [room.prefect.state(shown[one]) for one in (first, second)] == ["PAUSED", "COMPLETED"]
        ended = next(run for run in room.prefect.runs.values() if run["id"] == shown[second])
        assert ended["message"].startswith("Closed: done, said Ana at ")
        assert ended["message"].endswith(f"Asked now: {first}.")
        assert room.prefect.logs == [(shown[second], ended["message"])]  # the page shows logs first


async def test_the_form_of_a_manual_action_is_resumed_after_an_answer_elsewhere(tmp_path: Path) -> None:
    """It is no run of a question: it still has to show what became of the action."""
    async with room_in(tmp_path) as room:
        incident = room.open()
        await until_done(room.outbox(), room)
        asked = ask(room, incident, "by-hand")
        run = room.prefect.add("Roll back traffic", "PAUSED", form=True)
        room.journal.add_waiting_run(run, incident, asked)
        answer(room, asked)
        await until_done(room.outbox(), room)
        assert room.prefect.resumed == [run]
