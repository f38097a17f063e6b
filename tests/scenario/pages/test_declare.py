"""A person who has signed in for all incidents declares one on the page, with the plan's facts."""

from __future__ import annotations

import html
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from allclear.domain.plan import Facet, SeverityRule
from allclear.domain.proof import Proof
from allclear.domain.records import By
from allclear.engine.people.signed_statements import Purpose, Statement
from tests.scenario.pages.pages_support import OURS, Waiting, asked, form_result, hidden
from tests.scenario.response_support import vintstreet

SAID = {"title": "Users cannot pay", "service": "storefront", "runbook": "broken-feature", "severity": "P1"}


@asynccontextmanager
async def signed_in(at: Waiting, role: str = "on_call") -> AsyncGenerator[httpx.AsyncClient]:
    """Yield the browser of Ana, who has signed in for all incidents."""
    statement = Statement(person="Ana", role=role, proof=Proof.TOKEN)
    token = at.engine.links.sign(Purpose.TOKEN, statement)
    async with at.browser(Authorization=f"Bearer {token}") as http:
        yield http


async def send(http: httpx.AsyncClient, **said: str) -> httpx.Response:
    """Fill in the form and send it."""
    form = await http.get("/declare")
    assert form.status_code == 200, form.text
    return await http.post("/declare", data=hidden(form.text) | said, headers=OURS)


async def test_the_list_leads_to_a_form_that_asks_for_all_that_the_plan_knows(tmp_path: Path) -> None:
    """The services, runbooks, severities and kinds are chosen, and each fact of the plan has its place."""
    async with asked(tmp_path) as (at, _), signed_in(at) as ana:
        assert 'href="/declare"' in (await ana.get("/")).text
        form = html.unescape((await ana.get("/declare?service=storefront")).text)
        company = at.engine.company
        names = [*company.systems.services, *company.runbooks, *(one.name for one in company.plan.severities)]
        for value in (*names, *company.plan.kinds):
            assert f'value="{value}"' in form, value
        for name, facet in company.plan.facets.items():
            assert f'name="facts.{name}"' in form
            assert facet.title in form
        assert "Not known yet" in form


async def test_what_is_declared_is_open_with_its_facts_and_the_person_who_said_it(tmp_path: Path) -> None:
    """What was left out is not known, and the page says that the incident is open."""
    async with asked(tmp_path) as (at, _), signed_in(at) as ana:
        sent = await send(
            ana, **SAID | {"runbook": "broken-feature", "facts.customer_facing": "yes", "facts.users": ""}
        )
        assert sent.status_code == 303, sent.text
        incident = at.engine.conductor.incident(sent.headers["location"].removeprefix("/i/"))
        assert (incident.title, incident.opened.runbook) == ("Users cannot pay", "broken-feature")
        assert incident.facets == {"customer_facing": "yes"}
        assert incident.opened.reported == "declared by Ana"
        page = await ana.get(sent.headers["location"])
        assert f"{incident.id} is open." in page.text
        by = at.engine.journal.entries(incident.id)[0].by
        assert (by.actor, by.via, by.proof) == ("Ana", "page", Proof.TOKEN)


async def test_a_form_that_is_sent_twice_declares_once(tmp_path: Path) -> None:
    """Its key tells that it is the same one; it leads to the same incident."""
    async with asked(tmp_path) as (at, _), signed_in(at) as ana:
        fields = hidden((await ana.get("/declare")).text) | SAID
        first, second = [await ana.post("/declare", data=fields, headers=OURS) for _ in range(2)]
        assert first.headers["location"] == second.headers["location"]
        assert len(list(at.engine.conductor.incidents())) == 2  # the one of the alert, and this one


async def test_the_page_says_what_became_of_the_form(tmp_path: Path) -> None:
    """A severity may make only a ticket, and a form may be sent again after its incident has ended."""
    async with asked(tmp_path) as (at, _), signed_in(at) as ana:
        ticket = await send(ana, **SAID | {"severity": "P3"})
        assert "is open." not in form_result((await ana.get(ticket.headers["location"])).text)
        fields = hidden((await ana.get("/declare")).text) | SAID
        first = await ana.post("/declare", data=fields, headers=OURS)
        incident = first.headers["location"].removeprefix("/i/")
        await send(ana, **SAID)
        assert "was open already" in form_result((await ana.get(f"/i/{incident}")).text)
        at.engine.people.false_alarm(incident, "a test", By(actor="Ana", role="on_call", via="cli"))
        await ana.post("/declare", data=fields, headers=OURS)
        assert "has ended, and nothing was declared" in form_result((await ana.get(f"/i/{incident}")).text)


async def test_a_refused_form_is_shown_again_with_what_was_typed(tmp_path: Path) -> None:
    """The sentence says what is wrong, and nothing is declared."""
    async with asked(tmp_path) as (at, _), signed_in(at) as ana:
        for wrong, status, sentence in (
            ({"title": "  "}, 403, "An incident needs a title."),
            ({"service": "moon"}, 422, "moon"),
            ({"facts.users": "<b>"}, 422, "users"),
            ({"began": "the day after tomorrow"}, 403, "the day after tomorrow"),
        ):
            sent = await send(ana, **SAID | {"title": "Users cannot <pay>"} | wrong)
            assert sent.status_code == status, (wrong, sent.text)
            shown = html.unescape(sent.text)
            said = shown[shown.index('class="form-result bad"') :]
            assert sentence in said[: said.index("</p>")]
            assert wrong.get("title") or 'value="Users cannot &lt;pay&gt;"' in sent.text
        assert len(list(at.engine.conductor.incidents())) == 1


async def test_a_severity_is_required_if_the_plan_has_no_rule_that_gives_one(tmp_path: Path) -> None:
    """VintStreet's plan has no such rules: the form says so, and a browser does not send it without a severity."""
    async with asked(tmp_path) as (at, _), signed_in(at) as ana:
        form = html.unescape((await ana.get("/declare")).text)
        assert "Choose it yourself, because the plan has no rules that give one." in form
        assert form.count('name="severity" value="P0" required') == 1
        assert "As the facts imply" not in form
        sent = await send(ana, **SAID | {"severity": "", "facts.customer_facing": "yes"})
        assert sent.status_code == 422
        shown = html.unescape(sent.text)
        assert "Not declared: The plan has no rule that gives a severity for this. Name one: P0, P1" in shown
        assert 'value="Users cannot pay"' in shown
        assert '<option value="yes" selected>' in shown
        assert len(list(at.engine.conductor.incidents())) == 1


async def test_a_severity_is_left_to_the_rules_as_long_as_one_may_apply(tmp_path: Path) -> None:
    """With facts to which no rule applies, the form is shown again, and a severity must be chosen."""
    company = vintstreet()
    rules = [SeverityRule(severity="P0", when={"customer_facing": "yes"})]
    company = replace(company, plan=company.plan.model_copy(update={"assess": rules}))
    async with asked(tmp_path, company=company) as (at, _), signed_in(at) as ana:
        assert "As the facts imply" in (await ana.get("/declare")).text
        refused = await send(ana, **SAID | {"severity": "", "facts.customer_facing": "no"})
        assert refused.status_code == 422
        assert "because no rule of the plan gives one for these facts." in refused.text
        sent = await send(ana, **SAID | {"severity": "", "facts.customer_facing": "yes"})
        incident = at.engine.conductor.incident(sent.headers["location"].removeprefix("/i/"))
        assert incident.severity == "P0"


async def test_each_facet_of_a_plan_has_its_field_however_many_there_are(tmp_path: Path) -> None:
    """A plan with a hundred facets declares with all of them; a form with far more fields than that is refused."""
    company, names = vintstreet(), [f"fact-{number}" for number in range(100)]
    facets = company.plan.facets | {name: Facet(title=name) for name in names}
    company = replace(company, plan=company.plan.model_copy(update={"facets": facets}))
    async with asked(tmp_path, company=company) as (at, _), signed_in(at) as ana:
        facts = {f"facts.{name}": "yes" for name in names}
        sent = await send(ana, **SAID | facts)
        assert sent.status_code == 303, sent.text
        incident = at.engine.conductor.incident(sent.headers["location"].removeprefix("/i/"))
        assert incident.facets == dict.fromkeys(names, "yes")
        absurd = await send(ana, **SAID | facts | {f"facts.more-{number}": "yes" for number in range(100)})
        assert absurd.status_code == 400


async def test_who_has_not_signed_in_reads_how_to(tmp_path: Path) -> None:
    """By a personal token, and by the identity proxy if there is one; the list says the same."""
    for number, (settings, proxy) in enumerate(
        (
            ({}, "No identity proxy is set up here"),
            ({"proxy_audience": "allclear"}, "Sign in through your company's identity proxy"),
        )
    ):
        async with asked(tmp_path / str(number), **settings) as (at, _), at.browser() as stranger:
            for address in ("/declare", "/"):
                sent = await stranger.get(address)
                assert sent.status_code == 401
                shown = html.unescape(sent.text)
                assert proxy in shown
                assert (
                    "<code>allclear token NAME</code> makes, in the header <code>Authorization: Bearer</code>" in shown
                )


async def test_no_one_else_declares(tmp_path: Path) -> None:
    """Neither a stranger, nor a personal link, which is for one incident, nor a program, nor another page's form."""
    async with asked(tmp_path) as (at, _):
        async with at.browser() as stranger:
            assert (await stranger.get("/declare")).status_code == 401
            assert (await stranger.post("/declare", data=SAID, headers=OURS)).status_code == 401
        async with at.signed_in() as linked:
            assert (await linked.http.get("/declare")).status_code == 401
        async with signed_in(at, role="program") as program:
            assert (await program.get("/declare")).status_code == 401
        async with signed_in(at) as ana:
            fields = hidden((await ana.get("/declare")).text) | SAID
            elsewhere = await ana.post("/declare", data=fields, headers={"Sec-Fetch-Site": "cross-site"})
            assert elsewhere.status_code == 403
            forged = await ana.post("/declare", data=fields | {"form": "forged"}, headers=OURS)
            assert forged.status_code == 403
            of_an_incident = hidden((await ana.get(f"/i/{at.id}")).text)
            assert (await ana.post("/declare", data=of_an_incident | SAID, headers=OURS)).status_code == 403
        assert len(list(at.engine.conductor.incidents())) == 1
