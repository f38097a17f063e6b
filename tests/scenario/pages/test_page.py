"""The incident's page: a personal link opens it, and its forms answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import unquote

import httpx
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import event

from allclear.domain.proof import Proof
from allclear.domain.records import NoteAdded
from allclear.domain.runbook import Phase
from allclear.engine.response.moves import Over, Wait
from allclear.journal.sql_journal import SqlJournal
from allclear.responder.pages.changes import Changes
from allclear.simulator.scenario_schema import RevisionSpec
from tests.patience import HUNG
from tests.scenario.pages.pages_support import asked, hidden, waiting
from tests.scenario.response_support import FIX, MACHINE, run_phase
from tests.unit.responder.responder_support import AUTH, make_patient_app, served


async def test_a_personal_link_leads_to_the_change_and_the_form_approves_it(tmp_path: Path) -> None:
    """The page shows before and after; the answer is recorded with what proves the person."""
    async with waiting(tmp_path) as at, at.signed_in("Ana") as ana:
        page = await ana.page()
        assert "100 % vintstreet-00041-wex" in page
        assert "You are Ana, identified by a personal link" in page
        assert "SIMULATED" in page
        said = await ana.answer("approve")
        assert said.startswith(f"Approved: {at.ask}.")
        [answer] = at.incident.asks[at.ask].answers
        assert (answer.by.actor, answer.by.role, answer.by.via, answer.by.proof) == (
            "Ana",
            "on_call",
            "page",
            Proof.LINK,
        )
        assert "Identified by a personal link, on the incident&#39;s page" in await ana.page()


async def test_each_form_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    """Acknowledge, hold, release, hand over, note, decide, the post-mortem; each entry says who, by what proof."""
    async with asked(tmp_path) as (at, _), at.signed_in("Ana") as ana:
        for action, fields, said in (
            ("acknowledge", {}, "is acknowledged by Ana"),
            ("hold", {"reason": "we are moving the database"}, "HELD"),
            ("release", {}, ""),
            ("note", {"text": "Support has 14 tickets"}, "Noted in"),
            ("decide", {"text": "We wait", "reason": "the fix is near"}, "The decision is recorded"),
            ("post-mortem", {"field": "root_cause", "text": "A null price"}, "root_cause"),
            ("hand-over", {"role": "incident_commander", "to": "Tom"}, "Tom is asked to be Incident Lead"),
        ):
            notice = await ana.after(await ana.send(action, {**await ana.form(action), **fields}))
            assert said.casefold() in notice.casefold(), (action, notice)
        page = await ana.page()
        assert "by Ana, identified by a personal link" in page
        assert "Support has 14 tickets" in page
        assert "Because: the fix is near" in page
        assert "A null price" in page
        assert "Tom is asked to take it" in page
        assert "Ana leads" in page
        assert '<a href="https://console.cloud.google.com" rel="noopener noreferrer">' in page
        people = [entry.by for entry in at.engine.journal.entries(at.id) if entry.by.person]
        assert {(by.actor, by.proof, by.via) for by in people} == {("Ana", Proof.LINK, "page")}
        async with at.signed_in("Tom", "tech_lead") as tom:
            page = await tom.page()
            form = page[page.index('id="take-incident_commander"') :]
            assert "Accept: you are Incident Lead" in form
            said = await tom.after(await tom.send("take-role", hidden(form[: form.index("</form>")])))
            assert said.startswith("Tom is Incident Lead")
            assert "Tom leads" in await tom.page()


async def test_a_change_that_is_still_in_place_is_undone_after_it_was_shown(tmp_path: Path) -> None:
    """The first page shows what the undo would change now, and its form is bound to that."""
    async with waiting(tmp_path) as at, at.signed_in("Ana") as ana:
        await ana.answer("approve")
        await run_phase(at.engine, at.sim.world, at.id, Phase.CONTAIN)
        refused = await ana.http.get(f"/i/{at.id}/undo?act=contain/roll-back")
        assert "Nothing was done" in refused.text  # the failing revision would get the users back
        at.sim.world.deploy(RevisionSpec(name=FIX), by="an engineer")
        address = f"/i/{at.id}/undo?act=contain/roll-back"
        assert address in unquote(await ana.page())
        shown = (await ana.http.get(address)).text
        assert "<b>Act</b> traffic pinned" in shown, shown[-900:]
        assert at.incident.acts["contain/roll-back"].in_place
        said = await ana.after(await ana.send("undo", {**hidden(shown), "act": "contain/roll-back", "reason": "fixed"}))
        assert said.startswith("contain/roll-back is undone.")
        assert not at.incident.acts["contain/roll-back"].in_place


async def test_an_open_page_hears_of_every_change(tmp_path: Path) -> None:
    """Also of one that another process writes, and the stream ends when the server stops."""
    async with asked(tmp_path) as (at, _):
        changes: Changes = at.app.state.changes

        async def may_read() -> bool:
            return True

        stream = changes.stream(at.id, at.incident.length, may_read)
        assert (await anext(stream)).startswith("retry: ")
        other = SqlJournal(at.engine.settings.journal_url, at.engine.journal.scope)
        other.append(at.id, [NoteAdded(text="from elsewhere")], MACHINE)
        other.close()
        assert await anext(stream) == f"event: change\ndata: {at.incident.length}\n\n"
        changes.stopping = lambda: True
        assert [text async for text in stream] == []
        assert not changes.full


async def test_a_reader_whose_links_are_revoked_hears_no_more(tmp_path: Path) -> None:
    """The stream checks it again and again, and then ends."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        assert (await ana.http.head(f"/i/{at.id}/events")).status_code == 200

        async def may_read() -> bool:
            return False

        stream = at.app.state.changes.stream(at.id, at.incident.length, may_read)
        assert [text async for text in stream][-1] == "event: end\ndata:\n\n"


async def test_an_open_page_does_not_keep_the_responder_from_stopping(tmp_path: Path) -> None:
    """The server waits for its connections, and a page's stream would never end by itself."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        [(name, value)] = [(one.name, one.value) for one in ana.http.cookies.jar]

        def listen() -> str:
            with ExitStack() as stack:
                server = stack.enter_context(ExitStack())
                port = server.enter_context(served(make_patient_app(at.engine)))
                http = stack.enter_context(httpx.Client(headers={"Cookie": f"{name}={value}"}, timeout=HUNG))
                address = f"http://127.0.0.1:{port}/i/{at.id}/events?length={at.incident.length}"
                lines = stack.enter_context(http.stream("GET", address)).iter_lines()
                first = next(lines)
                server.close()  # stops it, and waits until it has ended
                return first + "".join(lines)

        assert (await asyncio.to_thread(listen)).startswith("retry: ")


@contextmanager
def reads() -> Generator[list[str]]:
    """Yield a list that gets the table of each SELECT."""
    found: list[str] = []

    def heard(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and (table := re.search(r"FROM (\w+)", statement)):
            found.append(table.group(1))

    event.listen(SqlEngine, "before_cursor_execute", heard)
    try:
        yield found
    finally:
        event.remove(SqlEngine, "before_cursor_execute", heard)


async def test_a_request_reads_its_incident_once(tmp_path: Path) -> None:
    """The same state decides who may read it and is what is shown; its length is known until the next commit."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        await ana.page()
        with reads() as tables:
            await ana.page()
        assert tables.count("incidents") <= 1
        assert tables.count("entries") <= 1


async def test_a_check_that_is_being_made_is_told_on_the_page_in_the_api_and_in_the_terminal(tmp_path: Path) -> None:
    """Until it is over no question waits, so that people would not know what they wait for."""
    async with waiting(tmp_path) as at, at.signed_in("Ana") as ana:
        requests = "4 requests to storefront (GET /, GET /api/listings, GET /api/checkout and GET /api/streams)."
        checking = f"Checking whether the incident is contained: {requests}"
        assert checking not in await ana.page()
        await ana.answer("approve")
        await at.engine.executor.carry_out(at.id, "contain/roll-back", MACHINE)
        assert checking in await ana.page()
        async with at.browser(**AUTH) as http:
            assert (await http.get(f"/incidents/{at.id}")).json()["checking"] == checking
            for report in ("overview", f"show?incident={at.id}&width=200"):
                assert checking in (await http.get(f"/reports/{report}")).json()["text"]
        assert isinstance(await at.engine.conductor.run(at.id, Phase.CONTAIN, MACHINE), Over | Wait)
        assert at.incident.contained
        assert "Checking whether" not in await ana.page()
