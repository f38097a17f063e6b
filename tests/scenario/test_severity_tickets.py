"""A P3 goes to the backlog without an incident: one ticket for an alert, whatever happens on the way."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company, load_company
from allclear.domain.action import ActStatus
from allclear.domain.errors import NotAllowed, WrongState
from allclear.domain.incident import Incident
from allclear.domain.plan import Limit, Storm, TicketAction
from allclear.domain.records import By
from allclear.domain.review.incident_ticket import SILENT_FOR, ticket_link
from allclear.domain.runbook import Phase
from allclear.domain.timeline import timeline
from allclear.engine.actions.manual import ManualRequest
from allclear.engine.alerts.received import IntakeResult
from allclear.engine.people.declare import Declaration
from allclear.engine.response.moves import Over
from allclear.journal.rows import NewDelivery
from allclear.responder.routes.views import show_delivery
from allclear.settings import Settings
from allclear.simulator.faults import Fault
from allclear.simulator.github_repository import GithubRepository
from allclear.simulator.scenario_schema import JiraSpec
from tests.contract.simulator_support import REPOSITORY, Simulated, quick
from tests.scenario.response_support import ALERT, announced, installed, new_journal, vintstreet, writes
from tests.scenario.scenes import Watch

TYPO = replace(ALERT, key="typo", title="The cart says chekout", labels={"alertname": "CosmeticIssue"}, at=None)
ANA = By(actor="Ana", role="on_call", via="cli")


class Room:
    """An engine with a simulated GitHub, and a clock that the test moves."""

    def __init__(self, engine: Engine, watch: Watch, simulated: Simulated) -> None:
        self.engine = engine
        self.watch = watch
        self.simulated = simulated

    @property
    def github(self) -> GithubRepository:
        """Return the simulated repository."""
        assert self.simulated.world.github is not None
        return self.simulated.world.github

    @property
    def created(self) -> int:
        """Return how often an issue was created."""
        return [line["method"] for line in writes(self.simulated.world, "github")].count("create_issue")

    def send(self, delivery: str = "d1", **changed: object) -> IntakeResult:
        """Send the alert, with these changes, and return what was decided."""
        return self.engine.intake.take(replace(TYPO, **changed), delivery)  # pyright: ignore[reportArgumentType]

    def incident(self, incident: str | None) -> Incident:
        """Return a ticket's or an incident's state."""
        assert incident is not None
        return self.engine.conductor.incident(incident)

    async def later(self, after: timedelta = timedelta(seconds=1)) -> None:
        """Let time pass, and do everything that is due."""
        self.watch.now += after
        await self.engine.reminders.start_due()
        await self.engine.reminders.wait()
        await self.engine.act_watch.check()


@asynccontextmanager
async def room(
    folder: Path, company: Company | None = None, jira: dict[str, str] | None = None
) -> AsyncGenerator[Room]:
    """Yield an engine on a new journal; `jira` is the simulated project there."""
    watch = Watch()
    project = {"jira": JiraSpec.model_validate(jira)} if jira else {}
    async with Simulated(quick("healthy", **project), watch) as simulated:
        settings = Settings(
            company="vintstreet", journal_url=new_journal(folder), simulation=announced(simulated, folder)
        )
        engine = make_engine(settings, environ={}, clock=watch, company=company or vintstreet(), registry=installed())
        try:
            yield Room(engine, watch, simulated)
        finally:
            await engine.close()


async def test_an_alert_opens_only_a_ticket(tmp_path: Path) -> None:
    """No number, list, page, flow or question: one issue, whose link the delivery shows."""
    async with room(tmp_path) as it:
        taken = it.send()
        assert (taken.state, taken.incident) == ("ticket", "VS-T1")
        assert it.engine.journal.incidents() == []
        assert it.engine.journal.outbox() == []
        for _ in range(3):
            await it.later(timedelta(hours=8))
        [issue] = it.github.issues
        assert "chekout" in issue.title
        assert issue.body.endswith("allclear ticket VS-T1")
        assert issue.labels == ["backlog", "storefront"]
        ticket = it.incident("VS-T1")
        assert (ticket.reminders, ticket.asks, ticket.entered) == ({}, {}, [])
        assert [line["api"] for line in writes(it.simulated.world)] == ["github"]
        assert await it.engine.conductor.run("VS-T1", Phase.DETECT, ANA) == Over()
        stored = it.engine.journal.receive_all([NewDelivery("json", {}, b"{}", "key")])[0][0]
        it.engine.intake.take(TYPO, stored)
        [shown] = show_delivery(it.engine.journal, it.engine.company.plan, stored).alerts
        link = ticket_link(ticket)
        assert link is not None
        assert shown.incident == "VS-T1"
        assert shown.ticket == f"ticket {link.number}, {link.url}"
        assert it.send("d2", key="payments", labels=ALERT.labels).incident == "VS-1"


async def test_repeats_join_the_ticket_while_it_is_open(tmp_path: Path) -> None:
    """If people have closed it and the alert fires again, the same issue is opened again."""
    async with room(tmp_path) as it:
        it.send()
        await it.later()
        assert it.send("d2").state == "repeat"
        assert it.send("d3", state="resolved").reason == "Its source reports it as resolved."
        again = it.send("d4")
        assert (again.state, again.incident) == ("joined", "VS-T1")
        await it.later(timedelta(minutes=20))
        [issue] = it.github.issues
        assert issue.state == "open"
        issue.state = "closed"
        it.send("d5", state="resolved")
        await it.later(timedelta(hours=1))
        assert issue.state == "closed"
        it.send("d6")
        await it.later()
        assert (issue.state, it.created, len(it.github.issues)) == ("open", 1, 1)


async def test_a_ticket_in_jira_is_opened_again_and_never_created_twice(tmp_path: Path) -> None:
    """Not even if it fires again before the search shows the ticket. If the workflow forbids it, people read why."""
    async with room(tmp_path, in_jira(), {"project": "OPS", "search_lags": "30m"}) as it:
        assert it.simulated.world.jira is not None
        project = it.simulated.world.jira
        it.send()
        await it.later()
        it.send("d2", state="resolved")
        await it.later(timedelta(minutes=1))
        it.send("d3")
        await it.later()
        [ticket] = project.tickets
        assert [act.status for act in it.incident("VS-T1").acts.values()] == [ActStatus.VERIFIED] * 2
        await it.later(timedelta(hours=1))
        ticket.status, ticket.category = "Done", "done"
        it.send("d4", state="resolved")
        await it.later(timedelta(hours=1))
        it.send("d5")
        await it.later()
        assert (ticket.status, len(project.tickets)) == ("To Do", 1)
        ticket.status, ticket.category = "Done", "done"
        project.spec = project.spec.model_copy(update={"done_leads_to": []})
        it.send("d6", state="resolved")
        await it.later(timedelta(hours=1))
        it.send("d7")
        for _ in range(6):
            await it.later(timedelta(minutes=15))
        told = [one for topic, all_ in it.incident("VS-T1").reminders.items() for one in all_ if "ticket" in topic]
        assert "OPS-1 is Done and can go to no single status" in told[-1].reminder.sentence


def in_jira() -> Company:
    """Return VintStreet with RetailGen's Jira for what makes only a ticket."""
    company, other = vintstreet(), load_company(REPOSITORY / "runbooks" / "retailgen")
    systems = company.systems.model_copy(
        update={"systems": company.systems.systems | {"jira": other.systems.systems["jira"]}}
    )
    ticket = {"ticket": "{incident}", "summary": "{simulated}{title}", "text": "{simulated}{incident}: {title}"}
    call = TicketAction.model_validate({"action": "jira.create", "with": ticket})
    levels = [one.model_copy(update={"ticket": call}) if one.ticket else one for one in company.plan.severities]
    return replace(company, plan=company.plan.model_copy(update={"severities": levels}), systems=systems)


async def test_a_lost_answer_opens_no_second_one(tmp_path: Path) -> None:
    """Not even if the alert fires again meanwhile: the ticket is known as soon as a read shows it."""
    async with room(tmp_path) as it:
        it.simulated.world.faults.set(Fault(api="github", method="create_issue", kind="answer_lost", times=1))
        it.send()
        await it.later()
        it.send("d2", state="resolved")
        it.send("d3")
        for _ in range(4):
            await it.later(timedelta(minutes=2))
        assert (it.created, len(it.github.issues)) == (1, 1)
        assert ticket_link(it.incident("VS-T1")) is not None


async def test_a_ticket_that_stays_refused_is_reported(tmp_path: Path) -> None:
    """It is tried again, later each time; a message goes to the team's channel once, and once more at the end."""
    async with room(tmp_path) as it:
        it.simulated.world.faults.set(Fault(api="github", method="create_issue", kind="permission_denied", times=1000))
        it.send()
        for _ in range(8):
            await it.later(timedelta(minutes=15))
        told = it.incident("VS-T1").reminders["ticket:open"]
        assert len(told) == 1
        assert "It has failed 5 times. allclear tries it again." in told[0].reminder.sentence
        posted = [str(message) for one in it.simulated.world.workspace.channels for message in one.messages]
        assert any("VS-T1" in text and "failed 5 times" in text for text in posted)
        for _ in range(20):
            await it.later(timedelta(minutes=15))
        told = it.incident("VS-T1").reminders["ticket:open"]
        assert "do it by hand" in told[-1].reminder.sentence
        it.simulated.world.faults.clear()
        it.send("d2", state="resolved")
        it.send("d3")
        await it.later()
        assert len(it.github.issues) == 1


async def test_a_graver_alert_opens_an_incident_that_names_the_ticket(tmp_path: Path) -> None:
    """The ticket stays in the tracker, and is the alert's again when it is as mild as before."""
    async with room(tmp_path) as it:
        it.send()
        await it.later()
        graver = it.send("d2", labels={"alertname": "LiveStreamFailures"})
        assert (graver.state, graver.incident) == ("opened", "VS-1")
        entries = it.engine.journal.entries("VS-1")
        assert any("VS-T1 (#" in one.text for one in timeline(entries, it.engine.company.plan))
        assert it.github.issues[0].state == "open"
        notes = timeline(it.engine.journal.entries("VS-T1"), it.engine.company.plan)
        assert any("VS-1 is open for it" in one.text for one in notes)
        it.engine.people.severity("VS-1", "P3", "It is only the text.", ANA)
        await it.later()
        assert it.created == 1
        it.engine.people.resolve("VS-1", "Streams work.", ANA)
        it.send("d3", state="resolved", labels={"alertname": "LiveStreamFailures"})
        it.watch.now += timedelta(days=1)
        assert it.send("d4").incident == "VS-T1"
        await it.later()
        assert it.created == 1


async def test_an_incident_that_becomes_a_p3_is_added_to_the_backlog(tmp_path: Path) -> None:
    """Then the ticket belongs to the incident, which goes on."""
    async with room(tmp_path) as it:
        it.send(labels={"alertname": "LiveStreamFailures"})
        await it.later()
        it.engine.people.severity("VS-1", "P3", "No one notices.", ANA)
        for _ in range(3):
            await it.later()
        assert [issue.labels for issue in it.github.issues] == [["backlog", "storefront"]]


async def test_a_person_who_declares_a_p3_opens_only_a_ticket(tmp_path: Path) -> None:
    """The same request, or the same title while it is not open yet, opens no second one."""
    async with room(tmp_path) as it:
        declared = Declaration("A typo in the cart", "P3", "storefront", "broken-feature")
        first = ANA.model_copy(update={"request": "page:1"})
        ticket = it.engine.people.declare(declared, first).incident
        assert (
            ticket
            == it.engine.people.declare(declared, first).incident
            == it.engine.people.declare(declared, ANA).incident
            == "VS-T1"
        )
        await it.later()
        await it.later()
        assert it.engine.people.declare(declared, first).incident == "VS-T1"
        await it.later()
        assert (it.created, it.engine.journal.incidents()) == (1, [])
        assert it.incident("VS-T1").over


async def test_in_a_ticket_people_only_take_notes(tmp_path: Path) -> None:
    """It has no lead and no response; who knows better declares an incident."""
    async with room(tmp_path) as it:
        it.send()
        it.engine.people.note("VS-T1", "Seen in Firefox only", ANA)
        with pytest.raises(WrongState, match="is a ticket and no incident"):
            it.engine.people.acknowledge("VS-T1", ANA)
        request = ManualRequest("feature_flag.disable", {"flag": "streams"}, "I try it", incident="VS-T1")
        with pytest.raises(NotAllowed):
            await it.engine.manual.do(request, ANA)
        assert it.incident("VS-T1").roles == {}


async def test_a_private_p3_stays_an_incident(tmp_path: Path) -> None:
    """Everyone who can read the repository would read its ticket."""
    plan = vintstreet().plan
    people = [person.model_copy(update={"name": f"P{number}"}) for number, person in enumerate(plan.people)]
    routes = [one.model_copy(update={"kind": "security"}) if one.name == "cosmetic" else one for one in plan.routes]
    company = replace(vintstreet(), plan=plan.model_copy(update={"people": people, "routes": routes}))
    async with room(tmp_path, company) as it:
        assert it.send().incident == "VS-1"
        await it.later()
        assert it.github.issues == []


async def test_a_mass_of_alerts_opens_few_tickets(tmp_path: Path) -> None:
    """Further alerts are recorded in the newest ticket; none is lost, and no incident or storm comes of it."""
    storm = Storm(umbrella=Limit(times=3, within=timedelta(minutes=5)))
    company = replace(vintstreet(), plan=vintstreet().plan.model_copy(update={"storm": storm}))
    async with room(tmp_path, company) as it:
        taken = [it.send(f"d{number}", key=f"typo-{number}") for number in range(6)]
        assert [one.incident for one in taken] == ["VS-T1", "VS-T2", "VS-T3", "VS-T3", "VS-T3", "VS-T3"]
        await it.later()
        assert (it.created, it.engine.journal.incidents()) == (3, [])
        assert len(it.incident("VS-T3").alerts) == 4
        it.watch.now += timedelta(minutes=6)
        assert it.send("d9", key="typo-9").incident == "VS-T4"


async def test_a_ticket_whose_alert_is_silent_for_long_is_left_to_the_people(tmp_path: Path) -> None:
    """A later alert then opens another one; while the alert fires the ticket is the alert's."""
    async with room(tmp_path) as it:
        it.send()
        await it.later()
        await it.later(SILENT_FOR + timedelta(days=1))
        assert not it.incident("VS-T1").over
        it.send("d2", state="resolved")
        await it.later(SILENT_FOR + timedelta(days=1))
        assert it.incident("VS-T1").over
        assert it.send("d3").incident == "VS-T2"
        assert [act.status for act in it.incident("VS-T1").acts.values()] == [ActStatus.VERIFIED]
