"""The ticket of an incident: opened once detection is done, and closed however the incident ends."""

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
from allclear.domain.action import ActStatus, Finding, Verdict
from allclear.domain.plan import IncidentTickets
from allclear.domain.proof import Proof
from allclear.domain.pseudo_phases import TICKET
from allclear.domain.records import By, Recovered, StepDone
from allclear.domain.review.incident_ticket import ticket_link, ticket_words
from allclear.domain.runbook import Phase
from allclear.engine.people.declare import Declaration
from allclear.postmortem.document import PostMortem, write_post_mortem
from allclear.reports.incident_summary import show
from allclear.responder.pages.sign_in import Viewer
from allclear.responder.pages.view import Source, incident_page
from allclear.simulator.faults import Fault
from allclear.simulator.github_repository import Issue
from allclear.simulator.scenario_schema import JiraSpec
from tests.contract.simulator_support import REPOSITORY, quick
from tests.patience import HUNG, until
from tests.scenario.response_support import ALERT, person_for, vintstreet, writes
from tests.scenario.scenes import Scene, scene

ANA = By(actor="Ana", role="on_call", via="cli")


@asynccontextmanager
async def declared(
    folder: Path,
    severity: str = "P0",
    kind: str = "outage",
    company: Company | None = None,
    search_lags: str = "0s",
) -> AsyncGenerator[Scene]:
    """Yield an incident that Ana has declared; probes find the service healthy."""
    jira = JiraSpec.model_validate({"project": "OPS", "search_lags": search_lags})
    production = quick("healthy").model_copy(update={"jira": jira})
    async with scene(folder, company or vintstreet(), production, ALERT, one_clock=True) as it:
        it.engine.people.false_alarm(it.incident_id, "Ana declares it herself.", ANA)
        declaration = Declaration("Search is slow", severity, "storefront", "bad-deployment", kind=kind)
        it.incident_id = it.engine.people.declare(declaration, ANA).incident
        yield it


async def later(it: Scene, after: timedelta = timedelta(seconds=1)) -> None:
    """Let time pass, and do everything that is due."""
    it.watch.now += after
    await it.engine.reminders.start_due()
    await it.engine.reminders.wait()
    await it.engine.act_watch.check()


async def detected(it: Scene) -> None:
    """Carry detection on: people say that it is real, although the probe found nothing."""
    await it.to(Phase.DETECT)
    await later(it)
    assert acts(it) == []
    for state in it.incident.open_asks:
        it.engine.people.answer(state.ask.id, person_for(state.ask), yes=False, reason="Users write to us.")
    await it.to(Phase.DETECT)


def acts(it: Scene) -> list[tuple[str, ActStatus]]:
    """Return each act for a ticket: its step, and what became of it."""
    found = [act for act in it.incident.acts.values() if act.proposed.phase == TICKET]
    return [(act.proposed.step, act.status) for act in found]


def issues(it: Scene) -> list[Issue]:
    """Return the issues on the simulated GitHub."""
    assert it.simulated.world.github is not None
    return it.simulated.world.github.issues


def words(it: Scene) -> str:
    """Return what people read of the ticket."""
    return ticket_words(it.engine.company.plan, it.incident)


def shown(it: Scene) -> tuple[str, str]:
    """Return what `allclear show` prints, and the post-mortem."""
    entries, company = it.engine.journal.entries(it.incident_id), it.engine.company
    console = Console(width=400, file=StringIO())
    console.print(show(it.incident, entries, company.plan, it.watch.now))
    assert isinstance(console.file, StringIO)
    source = PostMortem(it.incident, entries, company.plan, "Storefront", company.post_mortem, it.watch.now)
    return console.file.getvalue(), write_post_mortem(source)


def failed_again(it: Scene) -> None:
    """Record that the service had recovered, and that a later probe found the service failing again."""
    finding = Finding(verdict=Verdict.SUCCESS, sentence="4 of 4 requests.")
    failing = StepDone(
        phase="contain",
        step="check",
        title="Check",
        finding=finding.model_copy(update={"verdict": Verdict.FAILURE}),
        health_check=True,
        after_entry=it.incident.length + 1,
    )
    it.engine.journal.append(it.incident_id, [Recovered(finding=finding), failing], ANA)


@pytest.mark.parametrize(("severity", "ending"), [("P0", "resolve"), ("P1", "false_alarm"), ("P2", "resolve")])
async def test_each_incident_gets_one_ticket_that_ends_with_it(tmp_path: Path, severity: str, ending: str) -> None:
    """The plan's step 1.4, and 5.4: not while people may still call it a false alarm, and closed however it ends."""
    async with declared(tmp_path, severity) as it:
        await detected(it)
        for _ in range(3):
            await later(it)
        [issue] = issues(it)
        assert issue.labels == ["incident", "storefront"]
        assert "Search is slow" in issue.title
        assert "SIMULATED" in issue.title
        assert issue.body.endswith(f"allclear ticket {it.incident_id}")
        assert words(it) == f"#{issue.number}"
        link = ticket_link(it.incident)
        assert link is not None
        assert link.url in shown(it)[0]
        entries, plan = it.engine.journal.entries(it.incident_id), it.engine.company.plan
        page = incident_page(Source(it.incident, entries, plan, "Storefront", Viewer("Ana", Proof.LINK), it.watch.now))
        assert (page.ticket, page.ticket_url) == (f"#{issue.number}", link.url)
        getattr(it.engine.people, ending)(it.incident_id, "The index is back.", ANA)
        for _ in range(3):
            await later(it)
        assert (issue.state, len(issues(it))) == ("closed", 1)
        assert words(it) == f"#{issue.number}, closed"
        for text in shown(it):
            assert link.url in text
        assert acts(it) == [("open", ActStatus.VERIFIED), ("close", ActStatus.VERIFIED)]
        assert [line["method"] for line in writes(it.simulated.world, "github")] == ["create_issue", "update_issue"]


async def test_a_private_incident_gets_none(tmp_path: Path) -> None:
    """Everyone who can read the repository would read what it is about."""
    async with declared(tmp_path, "P0", "security") as it:
        await it.to(Phase.DETECT)
        await later(it)
        assert (acts(it), issues(it), words(it)) == ([], [], "")


async def test_an_incident_that_ends_in_detection_gets_none(tmp_path: Path) -> None:
    """A false alarm sends nothing."""
    async with declared(tmp_path) as it:
        await it.to(Phase.DETECT)
        it.engine.people.false_alarm(it.incident_id, "It was a test of ours.", ANA)
        await later(it)
        assert (acts(it), issues(it), words(it)) == ([], [], "")


async def test_a_tracker_that_does_not_answer_delays_no_reminder(tmp_path: Path) -> None:
    """What is due about the incident is sent while the ticket is still being opened."""
    async with declared(tmp_path) as it:
        await detected(it)
        it.simulated.world.faults.set(Fault(api="github", method="*", kind="slow", seconds=HUNG, times=1))
        it.watch.now += timedelta(minutes=6)
        await it.engine.reminders.start_due()
        await until(lambda: it.incident.reminders)
        assert [act.outcome for act in it.incident.acts.values() if act.proposed.phase == TICKET] in ([], [None])
        it.simulated.world.faults.clear()
        await it.engine.reminders.wait()
        assert acts(it) == [("open", ActStatus.VERIFIED)]


async def test_a_ticket_whose_opening_is_in_doubt_is_closed_once_it_is_found(tmp_path: Path) -> None:
    """The incident ended meanwhile: nothing is opened again, and nothing stays open."""
    async with declared(tmp_path, company=in_jira(), search_lags="10m") as it:
        await detected(it)
        it.simulated.world.faults.set(Fault(api="jira", method="create_issue", kind="answer_lost", times=1))
        await later(it)
        assert acts(it) == [("open", ActStatus.INDETERMINATE)]
        assert words(it).startswith("none yet: It was sent, no answer")
        it.engine.people.resolve(it.incident_id, "The index is back.", ANA)
        await later(it)
        assert len(acts(it)) == 1
        for _ in range(3):
            await later(it, timedelta(minutes=15))
        assert it.simulated.world.jira is not None
        assert [ticket.status for ticket in it.simulated.world.jira.tickets] == ["Done"]
        assert acts(it) == [("open", ActStatus.VERIFIED), ("close", ActStatus.VERIFIED)]


async def test_a_ticket_that_cannot_be_closed_is_told(tmp_path: Path) -> None:
    """People read it, are reminded of it, and it is tried again."""
    async with declared(tmp_path) as it:
        await detected(it)
        await later(it)
        it.simulated.world.faults.set(Fault(api="github", method="update_issue", kind="permission_denied", times=1000))
        it.engine.people.resolve(it.incident_id, "The index is back.", ANA)
        for _ in range(8):
            await later(it, timedelta(minutes=15))
        assert ", not closed: " in words(it)
        assert ", not closed: " in shown(it)[0]
        [told] = it.incident.reminders["ticket:close"]
        assert "It has failed 5 times. allclear tries it again." in told.reminder.sentence
        it.simulated.world.faults.clear()
        await later(it, timedelta(hours=1))
        assert issues(it)[0].state == "closed"


@pytest.mark.parametrize("tracker", ["github", "jira"])
async def test_a_ticket_that_a_person_closed_is_opened_again_when_the_service_fails_again(
    tmp_path: Path, tracker: str
) -> None:
    """One ticket tells the whole story; while the service works, a person may close it."""
    async with declared(tmp_path, company=vintstreet() if tracker == "github" else in_jira()) as it:
        await detected(it)
        await later(it)
        if tracker == "github":
            issues(it)[0].state = "closed"
        else:
            assert it.simulated.world.jira is not None
            ticket = it.simulated.world.jira.tickets[0]
            ticket.status, ticket.category = "Done", "done"
        await later(it)
        failed_again(it)
        await later(it)
        assert acts(it) == [("open", ActStatus.VERIFIED), ("open-1", ActStatus.VERIFIED)]
        if tracker == "github":
            assert [issue.state for issue in issues(it)] == ["open"]
        else:
            assert it.simulated.world.jira is not None
            assert [one.status for one in it.simulated.world.jira.tickets] == ["To Do"]
        it.engine.people.resolve(it.incident_id, "The index is back.", ANA)
        await later(it)
        assert acts(it)[-1] == ("close", ActStatus.VERIFIED)


async def test_a_ticket_goes_to_the_backlog_with_an_incident_that_became_mild(tmp_path: Path) -> None:
    """A P3 is planned like everything else: the incident's own ticket stays open for it, and people read why."""
    async with declared(tmp_path) as it:
        await detected(it)
        await later(it)
        it.engine.people.severity(it.incident_id, "P3", "No one notices.", ANA)
        await later(it)
        it.engine.people.resolve(it.incident_id, "It goes to the backlog.", ANA)
        await later(it)
        [issue] = issues(it)
        assert (issue.state, acts(it)) == ("open", [("open", ActStatus.VERIFIED)])
        assert words(it) == (
            f"#{issue.number}, left open, because its severity P3 makes only a ticket, which is left to the people"
        )


async def test_a_plan_without_incident_tickets_opens_none(tmp_path: Path) -> None:
    """RetailGen's plan names tickets for action items only."""
    plan = vintstreet().plan.model_copy(update={"incident_tickets": None})
    assert load_company(REPOSITORY / "runbooks" / "retailgen").plan.incident_tickets is None
    async with declared(tmp_path, company=replace(vintstreet(), plan=plan)) as it:
        await detected(it)
        await later(it)
        assert (acts(it), words(it)) == ([], "")


def in_jira() -> Company:
    """Return VintStreet with incident tickets in RetailGen's Jira."""
    company, other = vintstreet(), load_company(REPOSITORY / "runbooks" / "retailgen")
    systems = company.systems.model_copy(
        update={"systems": company.systems.systems | {"jira": other.systems.systems["jira"]}}
    )
    ticket = {"ticket": "{incident}", "summary": "{incident}: {problem}", "text": "{simulated}{incident}: {problem}"}
    rules = IncidentTickets.model_validate(
        {
            "open": {"action": "jira.create", "with": ticket},
            "close": {"action": "jira.transition", "with": {"ticket": "{incident}", "to": "done"}},
        }
    )
    return replace(company, plan=company.plan.model_copy(update={"incident_tickets": rules}), systems=systems)
