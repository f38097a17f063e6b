"""The link in a page: it leads to the incident's page, is personal for one person, and is in no record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from allclear.company import Company
from allclear.domain.approval import AskKind
from allclear.domain.runbook import Phase
from allclear.engine.people.personal_links import page_path
from allclear.engine.people.signed_statements import Purpose
from tests.scenario.response_support import ALERT, broken, vintstreet
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_messages_reach_people import due, with_rota


def token(address: str) -> str:
    """Return the signed part of a personal link."""
    assert "/l/" in address, address
    return address.partition("/l/")[2]


def assert_in_no_record(it: Scene, address: str) -> None:
    """The record holds whom a link is for, and never the link."""
    for entry in it.engine.journal.entries(it.incident_id):
        assert token(address) not in entry.model_dump_json()


async def test_the_page_carries_the_on_calls_own_link(tmp_path: Path) -> None:
    """The rota says whom PagerDuty wakes: the link signs that person in, for this incident alone."""
    async with scene(tmp_path, with_rota("pagerduty.page", ids=False), broken(), ALERT, link_key="k" * 32) as it:
        await it.to(Phase.DETECT)
        (page,) = it.simulated.world.pagerduty.pages
        (link,) = page.links
        read = it.engine.links.read(Purpose.LINK, token(link["href"]))
        assert (read.person, read.role, read.incident) == ("Cleo", "on_call", it.incident_id)
        assert page.client == "allclear"
        assert page.client_url == link["href"]
        assert_in_no_record(it, link["href"])


async def test_a_page_for_no_one_in_particular_carries_the_plain_link(tmp_path: Path) -> None:
    """VintStreet's on-call has no name yet, so the page asks who you are."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT, link_key="k" * 32) as it:
        await it.to(Phase.DETECT)
        (page,) = it.simulated.world.pagerduty.pages
        assert page.links[0]["href"].endswith(page_path(it.incident_id))


def by_name() -> Company:
    """Return VintStreet whose reminders are paged to people by name."""
    return with_rota("pagerduty.page_people", ids=True)


async def test_a_page_by_name_carries_the_link_of_the_person_it_wakes(tmp_path: Path) -> None:
    """The second layer's person is woken, and the link is for that person."""
    async with scene(tmp_path, by_name(), broken(), ALERT, link_key="k" * 32) as it:
        await it.to(Phase.DETECT)
        await due(it, minutes=4)
        page = it.simulated.world.pagerduty.pages[-1]
        address = page.body.partition("\n")[0].rpartition(" ")[2]
        assert page.people == ["PBELA1"]
        assert it.engine.links.read(Purpose.LINK, token(address)).person == "Bela"
        assert_in_no_record(it, address)


async def test_a_reminder_of_a_question_leads_to_that_question(tmp_path: Path) -> None:
    """The on-call took the page and then did not answer: the next page leads to the card of the question."""
    async with scene(tmp_path, with_rota("pagerduty.page", ids=False), broken(), ALERT, link_key="k" * 32) as it:
        await it.past_detection()
        it.engine.people.acknowledge(it.incident_id, it.engine.people.who("Cleo", "on_call", "page"))
        ask = next(state.ask for state in it.incident.open_asks if state.ask.kind is AskKind.APPROVAL)
        await due(it, minutes=3)
        read = [
            it.engine.links.read(Purpose.LINK, token(page.links[0]["href"]))
            for page in it.simulated.world.pagerduty.pages
        ]
        assert ask.id in [one.ask for one in read]


async def test_a_link_that_a_caller_gives_is_replaced(tmp_path: Path) -> None:
    """Only allclear says whom a link is for."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT, link_key="k" * 32) as it:
        runbook = it.engine.conductor.runbook(it.incident)
        step = next(step for step in runbook.steps(Phase.DETECT) if step.action == "pagerduty.page")
        request = it.engine.conductor.request(it.incident, Phase.DETECT, step)
        forged = {**request.params, "link": {"incident": it.incident_id, "person": "Eve", "role": "cto"}}
        act = await it.engine.proposer.propose(it.incident, replace(request, params=forged), it.incident.opened_by)
        assert it.incident.acts[act].proposed.params["link"] == {"incident": it.incident_id}
