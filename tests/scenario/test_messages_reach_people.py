"""Messages that arrive, say what is true and reach the person that is meant, through the engine and the journal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from allclear.company import Company
from allclear.domain.action import ActStatus
from allclear.domain.errors import NotFound
from allclear.domain.plan import Person, ReminderRules, Rota
from allclear.domain.question import question_of
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.domain.systems import System
from allclear.engine.actions.manual import ManualRequest
from allclear.reports.base import Reader
from allclear.reports.incident import Show
from allclear.simulator.faults import Fault
from tests.scenario.response_support import ALERT, broken, notifying_no_one, person_for, vintstreet
from tests.scenario.scenes import Scene, scene

ANA = By(actor="Ana", role="on_call", via="cli")
STRANGER = replace(ALERT, title="<b>*Click*</b> https://evil.test ```now```")


def channel(it: Scene) -> list[dict[str, Any]]:
    """Return the messages of the team's channel, without replies."""
    messages = it.simulated.world.workspace.channels[0].messages
    return [message for message in messages if "thread_ts" not in message and "metadata" in message]


def live(it: Scene) -> str:
    """Return what people see of the live message."""
    (message,) = [one for one in channel(it) if one["metadata"]["event_payload"]["key"].endswith("-alert")]
    return "\n".join(block["text"]["text"] for block in message["blocks"])


def reminders_in_slack(it: Scene) -> list[str]:
    """Return the reminders in the channel."""
    return [one["text"] for one in channel(it) if "-reminder-" in one["metadata"]["event_payload"]["key"]]


async def due(it: Scene, **passed: float) -> None:
    """Advance the clock, and send everything that is due."""
    it.watch.now += timedelta(**passed)
    await it.engine.reminders.start_due()
    await it.engine.reminders.wait()


async def test_a_live_message_stays_current_however_much_people_write(tmp_path: Path) -> None:
    """Eight notes of 900 characters are more than an edit may hold; the channel still shows the present state."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        await it.past_detection()
        for number in range(8):
            it.engine.people.note(it.incident_id, f"{number} & " * 180, ANA)
        it.engine.people.answer(
            next(state.ask.id for state in it.incident.open_asks if state.ask.step == "roll-back"),
            person_for(it.incident.open_asks[0].ask),
            yes=True,
            reason="x" * 900,
        )
        await it.to(Phase.CONTAIN)
        await due(it, seconds=5)
        assert "Status: CONTAINED" in live(it)
        assert "the whole text is in the thread" in live(it)
        posts = [act for act in it.incident.acts.values() if act.proposed.action == "slack.post"]
        assert {act.status for act in posts} == {ActStatus.VERIFIED}


async def test_a_live_message_is_found_by_the_record_among_a_thousand_others(tmp_path: Path) -> None:
    """It is updated in place, and not posted a second time."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        workspace = it.simulated.world.workspace
        for number in range(1_001):
            workspace.post(workspace.channels[0], {"text": f"chatter {number}"})
        it.engine.people.acknowledge(it.incident_id, ANA)
        await due(it, seconds=5)
        assert "Incident Lead: Ana" in live(it)


async def test_a_live_message_that_cannot_be_updated_is_reported(tmp_path: Path) -> None:
    """People read an old state in it, so a new message says so, why, and where the present state is."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        it.engine.people.acknowledge(it.incident_id, ANA)
        it.simulated.world.faults.set(Fault(api="slack", method="chat.update", kind="permission_denied", times=50))
        await due(it, seconds=5)
        assert reminders_in_slack(it) == []
        await due(it, seconds=40)
        await due(it, seconds=5)
        (report,) = reminders_in_slack(it)
        assert "This message has shown an old state since" in report
        assert "missing_scope" in report
        assert "allclear show VS-1" in report


async def test_a_page_that_a_login_page_answers_failed_and_people_hear_of_it(tmp_path: Path) -> None:
    """A proxy answers 200 in PagerDuty's place: the page is not verified, and the channel says whom to call."""
    async with scene(tmp_path, notifying_no_one(), broken(), ALERT) as it:
        it.simulated.world.faults.set(Fault(api="pagerduty", method="enqueue", kind="login_page", times=50))
        await it.to(Phase.DETECT)
        page = it.incident.act_of("detect", "page")
        assert page is not None
        assert page.outcome is not None
        assert (page.outcome.status, page.outcome.changed) == (ActStatus.FAILED, False)
        assert "it answered 200 with a web page" in page.outcome.sentence
        assert it.incident.paged_at is None
        await due(it, seconds=1)
        (report,) = reminders_in_slack(it)
        assert "The page did not get through and woke no one" in report


def with_rota(page: str, *, ids: bool) -> Company:
    """Return VintStreet with two people on call in turns, whose reminders are paged by the action `page`."""
    company = notifying_no_one()
    people = [
        Person.model_validate(
            {
                "name": name,
                "roles": ["on_call", "incident_commander", "tech_lead"],
                "contacts": {"phone": f"+1 555 010{number}"} | ({"pagerduty": f"P{name.upper()}1"} if ids else {}),
            }
        )
        for number, name in enumerate(("Cleo", "Bela"))
    ]
    layers = [
        {"name": name.lower(), "people": [name], "starts": "2026-11-02T09:00", "acknowledge_within": "4m"}
        for name in ("Cleo", "Bela")
    ]
    rules = {
        "message": company.plan.reminders.message,
        "page": {"action": page, "with": {"incident": "{incident}-{number}", "summary": "{reminder} (for {for})"}},
    }
    rota = Rota.model_validate({"role": "on_call", "layers": layers})
    parts = {"people": people, "rotas": [rota], "reminders": ReminderRules.model_validate(rules)}
    rest = System.model_validate({"endpoint": "https://api.pagerduty.com", "secret": "PAGERDUTY_API_KEY"})
    systems = company.systems.model_copy(update={"systems": company.systems.systems | {"pagerduty_rest": rest}})
    return replace(company, plan=company.plan.model_copy(update=parts), systems=systems)


async def test_a_climb_pages_the_person_that_is_meant(tmp_path: Path) -> None:
    """The second layer's person is woken by name, and not the first one again."""
    async with scene(tmp_path, with_rota("pagerduty.page_people", ids=True), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await due(it, minutes=4)
        page = it.simulated.world.pagerduty.pages[-1]
        assert (page.people, page.status) == (["PBELA1"], "triggered")
        assert "Bela is next" in page.payload["summary"]
        it.engine.people.acknowledge(it.incident_id, ANA)
        await due(it, seconds=5)
        assert it.simulated.world.pagerduty.pages[-1].status == "resolved"


@pytest.mark.parametrize(("page", "ids"), [("pagerduty.page", True), ("pagerduty.page_people", False)])
async def test_a_page_that_cannot_reach_the_person_says_whom_to_call(tmp_path: Path, page: str, ids: bool) -> None:  # noqa: FBT001 - a parameter
    """PagerDuty's on-call reads that the page does not reach Bela, and the number."""
    async with scene(tmp_path, with_rota(page, ids=ids), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await due(it, minutes=4)
        summary = it.simulated.world.pagerduty.pages[-1].payload["summary"]
        assert "Bela (phone +1 555 0101" in summary
        assert "This page does not reach Bela: call them" in summary


async def test_no_word_of_an_alert_reaches_the_status_page(tmp_path: Path) -> None:
    """Its route has no impact: the public reads what is affected, and the team reads the title as plain text."""
    company = notifying_no_one()
    routes = [one.model_copy(update={"impact": ""}) for one in company.plan.routes]
    company = replace(company, plan=company.plan.model_copy(update={"routes": routes}))
    async with scene(tmp_path, company, broken(), STRANGER) as it:
        await it.past_detection()
        ask = next(state.ask for state in it.incident.open_asks if state.ask.step == "status-page")
        it.engine.people.answer(ask.id, person_for(ask), yes=True, reason="They notice.")
        await it.to(Phase.CONTAIN)
        (published,) = it.simulated.world.status_board.incidents
        assert "VintStreet storefront" in published["name"]
        assert "evil" not in str(published)
        assert "https://evil.test" in live(it)
        components = it.simulated.world.status_board.components.values()
        assert {one["name"]: one["status"] for one in components}["Website"] == "partial_outage"


async def test_a_person_can_record_whom_he_or_she_told(tmp_path: Path) -> None:
    """The audience is one of the plan's; the record, the timeline and the list of whom to notify follow."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        assert "CEO" in it.engine.conductor.values(it.incident)["to_notify"]
        assert it.engine.people.told(it.incident_id, "ceo", "By phone.", ANA) == "Recorded in VS-1: you have told CEO."
        assert "CEO" not in it.engine.conductor.values(it.incident)["to_notify"]
        assert "told CEO: By phone." in it.engine.conductor.values(it.incident)["updates"]
        with pytest.raises(NotFound) as unknown:
            it.engine.people.told(it.incident_id, "FedRAMP", "", ANA)
        assert "status_page" in unknown.value.next_step


async def test_who_approves_a_mail_to_customers_reads_its_text(tmp_path: Path) -> None:
    """The page and `allclear show` have all that customers will read, and not only who gets it."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        params = {
            "message": "VS-1-customers",
            "people": "customers@vintstreet.com",
            "subject": "Service update",
            "text": f"{'You can check out again. ' * 100}We are sorry.",
        }
        await it.engine.manual.do(ManualRequest("email.customers", params, "They wait for it.", it.incident_id), ANA)
        (state,) = [one for one in it.incident.open_asks if one.ask.phase == "manual"]
        shown = question_of(it.incident, state, it.engine.company.plan, it.watch.now)
        text = " ".join(Show(incident=it.incident_id).show(it.engine, Reader()).text.split())
        for whole in (shown.rows[0][2], text):
            assert "Service update [SIMULATED] You can check out again." in whole
            assert "You can check out again. We are sorry." in whole
