"""Each follow-up gets one ticket, which is closed with it: on GitHub for VintStreet, in Jira for RetailGen."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from allclear.company import Company, load_company
from allclear.domain.action import ActStatus
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.records import By
from allclear.domain.review.follow_up_tickets import ticket_of, ticket_words
from allclear.engine.people.declare import Declaration
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.reports.incident_summary import show
from allclear.simulator.faults import Fault
from allclear.simulator.jira_project import JiraProject
from allclear.simulator.scenario_schema import JiraSpec
from tests.contract.simulator_support import REPOSITORY, quick
from tests.scenario.private_support import READER, private
from tests.scenario.response_support import ALERT, vintstreet, writes
from tests.scenario.scenes import Scene, scene

ANA = By(actor="Ana", role="on_call", via="cli")


def in_jira() -> Company:
    """Return VintStreet with RetailGen's own tickets."""
    company, other = vintstreet(), load_company(REPOSITORY / "runbooks" / "retailgen")
    systems = company.systems.model_copy(
        update={"systems": company.systems.systems | {"jira": other.systems.systems["jira"]}}
    )
    plan = company.plan.model_copy(update={"follow_up_tickets": other.plan.follow_up_tickets})
    return replace(company, plan=plan, systems=systems)


@asynccontextmanager
async def ended(
    folder: Path, company: Company | None = None, search_lags: str = "0s", by: By = ANA
) -> AsyncGenerator[Scene]:
    """Yield an incident that has ended."""
    jira = JiraSpec.model_validate({"project": "OPS", "search_lags": search_lags})
    production = quick("healthy").model_copy(update={"jira": jira})
    async with scene(folder, company or vintstreet(), production, ALERT, one_clock=True) as it:
        it.engine.people.resolve(it.incident_id, "It was nothing much.", by)
        await later(it)
        yield it


async def later(it: Scene, after: timedelta = timedelta(seconds=1)) -> None:
    """Let time pass, and send everything that is due."""
    it.watch.now += after
    await it.engine.reminders.start_due()
    await it.engine.reminders.wait()


def follow_up(it: Scene, text: str = "Alert on failed payments") -> None:
    """Record a follow-up of the incident for Ben, due in two weeks."""
    it.engine.people.follow_up(it.incident_id, text, "Ben", it.watch.now + timedelta(days=14), ANA)


def project(it: Scene) -> JiraProject:
    """Return the simulated project in Jira."""
    assert it.simulated.world.jira is not None
    return it.simulated.world.jira


def tickets(it: Scene) -> list[ActStatus]:
    """Return what became of the acts for tickets."""
    return [act.status for act in it.incident.acts.values() if act.proposed.phase == TICKET]


def shown(it: Scene) -> list[str]:
    """Return what people read of the follow-ups: `allclear show` and the post-mortem."""
    entries = it.engine.journal.entries(it.incident_id)
    plan, company = it.engine.company.plan, it.engine.company
    console = Console(width=400, file=StringIO())
    console.print(show(it.incident, entries, plan, it.watch.now))
    document = write_post_mortem(
        PostMortem(it.incident, entries, plan, "Storefront", company.post_mortem, it.watch.now)
    )
    assert isinstance(console.file, StringIO)
    return [console.file.getvalue(), document]


async def test_a_follow_up_gets_one_issue_that_is_closed_with_it(tmp_path: Path) -> None:
    """The issue names what is to be done, who does it and by when; people read its number and link everywhere."""
    async with ended(tmp_path) as it:
        follow_up(it)
        follow_up(it, "Test the rollback @everyone")
        for _ in range(3):
            await later(it)
        world = it.simulated.world
        assert world.github is not None
        first, second = world.github.issues
        assert "Alert on failed payments" in first.title
        assert "SIMULATED" in first.title
        assert all(words in first.body for words in ("Owner: Ben", "Due: ", f"{it.incident_id}-F1"))
        assert "@everyone" not in second.title
        assert [line["method"] for line in writes(world, "github")] == ["create_issue", "create_issue"]
        link = ticket_of(it.incident, 1)
        assert link is not None
        assert link.number == f"#{first.number}"
        assert link.url.startswith("http")
        for text in shown(it):
            assert link.number in text.replace("\\", "")
            assert link.url in text
        it.engine.people.follow_up_done(it.incident_id, 1, "It alerts.", ANA)
        for _ in range(3):
            await later(it)
        assert [issue.state for issue in world.github.issues] == ["closed", "open"]
        assert ticket_words(it.engine.company.plan, it.incident, 1) == f"ticket {link.number}, closed"
        assert tickets(it) == [ActStatus.VERIFIED] * 3


async def test_a_follow_up_gets_one_ticket_in_jira(tmp_path: Path) -> None:
    """A search that lags delays nothing if Jira has answered, because the record has the ticket's key."""
    async with ended(tmp_path, in_jira(), search_lags="2m") as it:
        follow_up(it)
        await later(it)
        [ticket] = project(it).tickets
        link = ticket_of(it.incident, 1)
        assert link is not None
        assert link.number == "OPS-1"
        assert link.url.endswith("/browse/OPS-1")
        it.engine.people.follow_up_done(it.incident_id, 1, "", ANA)
        await later(it)
        assert (ticket.status, len(project(it).tickets)) == ("Done", 1)
        assert ticket_words(it.engine.company.plan, it.incident, 1) == "ticket OPS-1, closed"


async def test_after_a_lost_answer_no_second_ticket_is_opened(tmp_path: Path) -> None:
    """The search shows nothing for minutes, so the act is in doubt until it does; then its ticket is known."""
    async with ended(tmp_path, in_jira(), search_lags="10m") as it:
        it.simulated.world.faults.set(Fault(api="jira", method="create_issue", kind="answer_lost", times=1))
        follow_up(it)
        await later(it)
        assert ticket_words(it.engine.company.plan, it.incident, 1).startswith("no ticket: It was sent, no answer")
        for _ in range(4):
            await later(it, timedelta(minutes=2))
            await it.engine.act_watch.check()
        assert tickets(it) == [ActStatus.INDETERMINATE]
        await later(it, timedelta(minutes=30))
        await it.engine.act_watch.check()
        await later(it)
        assert tickets(it) == [ActStatus.VERIFIED]
        assert len(project(it).tickets) == 1
        assert ticket_words(it.engine.company.plan, it.incident, 1) == "ticket OPS-1"


async def test_a_ticket_that_was_refused_is_tried_again(tmp_path: Path) -> None:
    """People read why there is none yet; each try is later than the one before."""
    async with ended(tmp_path) as it:
        it.simulated.world.faults.set(Fault(api="github", method="create_issue", kind="permission_denied", times=1))
        follow_up(it)
        await later(it)
        assert ticket_words(it.engine.company.plan, it.incident, 1).startswith("no ticket: ")
        await later(it)
        assert tickets(it) == [ActStatus.FAILED]
        await later(it, timedelta(minutes=1))
        assert tickets(it) == [ActStatus.FAILED, ActStatus.VERIFIED]


def all_private() -> Company:
    """Return a company whose incidents are all private, and whose plan wants tickets for all of them."""
    company = private()
    rules = company.plan.follow_up_tickets
    assert rules is not None
    every = rules.model_copy(update={"kinds": None})
    return replace(company, plan=company.plan.model_copy(update={"follow_up_tickets": every}))


@pytest.mark.parametrize(("company", "by"), [(vintstreet(), ANA), (all_private(), READER)])
async def test_a_private_incident_opens_no_ticket(tmp_path: Path, company: Company, by: By) -> None:
    """Everyone who can read the repository would read what was done about it."""
    async with ended(tmp_path, company, by=by) as it:
        declaration = Declaration("Keys leaked", "P0", "storefront", "security-incident", kind="security")
        it.incident_id = it.engine.people.declare(declaration, by).incident
        due = it.watch.now + timedelta(days=14)
        it.engine.people.follow_up(it.incident_id, "Rotate the keys each month", "Ben", due, by)
        await later(it)
        assert tickets(it) == []
        assert it.simulated.world.github is not None
        assert it.simulated.world.github.issues == []


async def test_a_plan_that_names_no_action_opens_none(tmp_path: Path) -> None:
    """Then a follow-up is what it was: an entry with reminders."""
    plan = vintstreet().plan.model_copy(update={"follow_up_tickets": None})
    async with ended(tmp_path, replace(vintstreet(), plan=plan)) as it:
        follow_up(it)
        await later(it)
        assert tickets(it) == []
        assert "ticket" not in shown(it)[0].partition("Follow-ups")[2].partition("Timeline")[0]
