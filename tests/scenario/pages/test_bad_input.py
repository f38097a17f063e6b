"""Every bad input of the incident's page: one sentence, the next step, nothing decided, and nothing done twice."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from allclear.bootstrap import make_engine
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.links import LinkTo
from allclear.domain.plan import Person
from allclear.domain.proof import Proof
from allclear.domain.records import Acknowledged, AskWithdrawn, NoteAdded
from allclear.domain.scope import Scope
from allclear.engine.people.identity import Identity
from allclear.engine.people.personal_links import PersonalLinks
from allclear.engine.people.signed_statements import Purpose, Signatures, Statement
from allclear.responder.app import make_app
from tests.scenario.pages.pages_support import ADDRESS, OURS, Waiting, ask_for, asked, form_result, hidden
from tests.scenario.private_support import private
from tests.scenario.response_support import MACHINE, installed, vintstreet
from tests.unit.responder.responder_support import TOKEN

TWO = ApprovalPolicy(roles=["on_call", "tech_lead"], people=2, proof_needed=True)


def nothing_decided(at: Waiting) -> bool:
    """Return whether no answer is recorded."""
    return not any(state.answers for state in at.incident.asks.values())


# --- links ------------------------------------------------------------------------------------------


async def test_a_link_that_a_scanner_opens_decides_nothing_and_still_works(tmp_path: Path) -> None:
    """Mail scanners and previews open a link by HEAD and GET, several times, before the person does."""
    async with asked(tmp_path) as (at, _):
        before = at.incident.length
        async with at.browser() as scanner:
            for method in ("HEAD", "GET", "GET"):
                opened = await scanner.request(method, at.link())
                assert opened.status_code == 303
                page = await scanner.request(method, f"/i/{at.id}")
                assert page.status_code == 200
        assert at.incident.length == before
        async with at.signed_in() as ana:
            assert "Send all traffic to web-41." in await ana.page()


async def test_a_link_leads_to_its_question_and_keeps_itself_secret(tmp_path: Path) -> None:
    """The answer holds a cookie for this incident's page alone, and no page or address holds the link."""
    async with asked(tmp_path) as (at, _), at.browser() as http:
        opened = await http.get(at.link())
        assert opened.headers["location"] == f"/i/{at.id}#contain-roll-back"
        assert opened.headers["referrer-policy"] == "no-referrer"
        cookie = opened.headers["set-cookie"]
        assert cookie.startswith("allclear-vintstreet=")
        assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", f"Path=/i/{at.id};", "Max-Age=43200"))
        assert "Secure" not in cookie
        page = await http.get(f"/i/{at.id}")
        assert "/l/" not in page.text
        assert page.headers["cache-control"] == "no-store"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


async def test_under_https_the_cookie_is_secure(tmp_path: Path) -> None:
    """The browser then never sends it in the clear."""
    async with asked(tmp_path, page_url="https://allclear.example") as (at, _), at.browser() as http:
        assert "; Secure" in (await http.get(at.link())).headers["set-cookie"]


async def test_a_link_that_does_not_count_says_why(tmp_path: Path) -> None:
    """Forged, for another purpose, of a drill, with an old key, expired: one sentence, the next step, no cookie."""
    async with asked(tmp_path) as (at, watch), at.browser() as http:
        good = at.link()
        links = at.engine.links
        session = links.sign(Purpose.SESSION, Statement(person="Ana", role="on_call", incident=at.id))
        drill = Signatures(at.engine.settings.link_keys, Scope("vintstreet", simulated=True), watch)
        other = Signatures([SecretStr("another-key-of-another-time")], at.engine.journal.scope, watch)
        to = LinkTo(incident=at.id, person="Ana", role="on_call")
        foreign = [
            PersonalLinks(one, at.engine.journal, Identity(vintstreet()), ADDRESS, watch).href(to)
            for one in (drill, other)
        ]
        for link in (
            good[:-1] + ("A" if good[-1] != "A" else "B"),
            f"{ADDRESS}/l/{session}",
            f"{ADDRESS}/l/x",
            *foreign,
        ):
            refused = await http.get(link)
            assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
            assert "This link is not valid." in refused.text
            assert "its link is new" in refused.text
        watch.now += timedelta(hours=25)
        assert "This link has expired." in (await http.get(good)).text
        assert (await http.get(at.link())).status_code == 303


async def test_a_revoked_link_and_its_sign_in_are_refused(tmp_path: Path) -> None:
    """Those of the other people, and those that are made later, still work."""
    async with asked(tmp_path) as (at, watch), at.signed_in("Ana") as ana, at.signed_in("Tom", "tech_lead") as tom:
        link, form = at.link("Ana"), await ana.form("answer", "contain-roll-back")
        watch.now += timedelta(minutes=1)
        at.engine.links.revoke("ana", at.id, "Tom", "her phone was stolen")
        watch.now += timedelta(minutes=1)
        refused = await ana.http.get(link)
        assert refused.status_code == 403
        assert "were revoked by Tom" in refused.text
        page = await ana.http.get(f"/i/{at.id}")
        assert page.status_code == 401
        assert "web-41" not in page.text
        sent = await ana.send("answer", form | {"word": "approve"})
        assert sent.status_code == 401
        assert "Nothing was done." in sent.text
        assert nothing_decided(at)
        assert "web-41" in await tom.page()
        assert (await ana.http.get(at.link("Ana"))).status_code == 303


async def test_signing_out_refuses_the_links_that_were_made_before(tmp_path: Path) -> None:
    """No one can use the link any more."""
    async with asked(tmp_path) as (at, watch), at.signed_in("Ana") as ana:
        link = at.link("Ana")
        sent = await ana.send("sign-out", await ana.form("sign-out"))
        assert "You have signed out" in sent.text
        assert f"allclear link {at.id} --as NAME" in sent.text
        for address in ("/", "/i"):
            assert "A personal link opens the page of one incident." in (await ana.http.get(address)).text
        assert (await ana.http.get(f"/i/{at.id}")).status_code == 401
        watch.now += timedelta(seconds=1)
        assert (await ana.http.get(link)).status_code == 403


async def test_a_person_who_was_removed_from_the_plan_reads_and_does_nothing_more(tmp_path: Path) -> None:
    """Neither by a token, nor by a link, nor in a browser that has signed in: in the list, on pages and in the API."""
    known = vintstreet()
    dev = Person(name="Dev Rao", roles=["on_call"])
    without = known.plan.people
    company = replace(known, plan=known.plan.model_copy(update={"people": [*without, dev]}))
    async with asked(tmp_path, company=company) as (at, watch), at.signed_in("Dev Rao", "on_call") as browser:
        token = {"Authorization": f"Bearer {at.engine.tokens.for_person('Dev Rao', None)}"}
        link, form = at.link("Dev Rao", "on_call"), await browser.form("note")
        assert (await browser.http.get("/i", headers=token)).status_code == 200
        others = [*without, Person(name="Neu Bi", roles=["on_call"])]
        later = replace(known, plan=known.plan.model_copy(update={"people": others}))
        engine = make_engine(at.engine.settings, environ={}, clock=watch, company=later, registry=installed())
        app = make_app(engine, SecretStr(TOKEN))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=ADDRESS, cookies=browser.http.cookies
        ) as http:
            page = f"/i/{at.id}"
            got = [
                await http.get(page),
                await http.get(f"{page}/events"),
                await http.get(f"{page}/chart.svg"),
                await http.post(f"{page}/note", data=form | {"text": "x"}, headers=OURS),
                await http.get(page, headers=token),
                await http.get("/i", headers=token),
                await http.get("/incidents", headers=token),
                await http.get(f"/incidents/{at.id}", headers=token),
                await http.post(f"/incidents/{at.id}/note", json={"text": "x"}, headers=token),
            ]
            assert [one.status_code for one in got] == [401] * 9
            assert not any("web-41" in one.text for one in got)
            opened = await http.get(link)
            assert (opened.status_code, "set-cookie" in opened.headers) == (403, False)
            assert "The plan does not name &#39;Dev Rao&#39; any more" in opened.text
        await engine.close()
        assert not any(isinstance(entry.record, NoteAdded) for entry in at.engine.journal.entries(at.id))


# --- who reads --------------------------------------------------------------------------------------


async def test_a_reader_who_has_not_signed_in_learns_nothing(tmp_path: Path) -> None:
    """Neither of this incident nor of another one, nor which incidents there are."""
    async with asked(tmp_path) as (at, _), at.browser() as http:
        for path in (f"/i/{at.id}", "/i/VS-999", "/i", f"/i/{at.id}/undo?act=x"):
            page = await http.get(path)
            assert page.status_code == 401
            assert ("A personal link opens" if path == "/i" else "Open your personal link") in page.text
            assert "Payment" not in page.text
        for path in (f"/i/{at.id}/events", f"/i/{at.id}/chart.svg"):
            assert (await http.get(path)).status_code == 401
        http.headers["x-goog-authenticated-user-email"] = "accounts.google.com:ana@vintstreet.com"
        assert (await http.get(f"/i/{at.id}")).status_code == 401


async def test_a_sign_in_for_one_incident_opens_no_other(tmp_path: Path) -> None:
    """Not even if the browser sends its cookie there."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        [(name, value)] = [(one.name, one.value) for one in ana.http.cookies.jar]
        async with at.browser(cookie=f"{name}={value}") as http:
            refused = await http.get("/i/VS-2")
            assert refused.status_code == 401
            assert f"Your sign-in is for {at.id}, not for VS-2." in refused.text
            assert (await http.get("/i")).status_code == 401


async def test_a_personal_token_reads_and_a_program_does_not(tmp_path: Path) -> None:
    """A token is for every incident, so it also opens the list."""
    async with asked(tmp_path) as (at, _):
        token = at.engine.tokens.for_person("Ana", "on_call")
        async with at.browser(authorization=f"Bearer {token}") as http:
            assert "You are Ana, identified by a personal token" in (await http.get(f"/i/{at.id}")).text
            assert at.id in (await http.get("/i")).text
            assert (await http.get("/i/VS-999")).status_code == 404
        program = at.engine.tokens.for_program("helper")
        async with at.browser(authorization=f"Bearer {program}") as http:
            assert "is a program" in (await http.get(f"/i/{at.id}")).text


# --- forms ------------------------------------------------------------------------------------------


async def test_a_form_that_is_sent_twice_is_carried_out_once(tmp_path: Path) -> None:
    """Two taps, or an answer that was lost."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        note = {**await ana.form("note"), "text": "Support has 14 tickets"}
        for _ in range(2):
            assert "Noted" in await ana.after(await ana.send("note", note))
        answer = {**await ana.form("answer", "contain-roll-back"), "word": "approve"}
        for _ in range(2):
            assert "Approved: " in await ana.after(await ana.send("answer", answer))
        assert len([one for one in at.engine.journal.entries(at.id) if isinstance(one.record, NoteAdded)]) == 1
        assert len(at.incident.asks[at.ask].answers) == 1
        assert "was used before" in await ana.after(await ana.send("note", note | {"text": "Something else"}))


async def test_a_form_of_another_site_is_refused(tmp_path: Path) -> None:
    """Although the browser sends the cookie, and even with the fields of a real form."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        form = {**await ana.form("answer", "contain-roll-back"), "word": "approve"}
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {},
        ):
            sent = await ana.http.post(f"/i/{at.id}/answer", data=form, headers=headers)
            assert sent.status_code == 403
            assert "sent by another page" in sent.text
        assert nothing_decided(at)
        sent = await ana.http.post(f"/i/{at.id}/answer", data=form, headers={"Origin": ADDRESS})
        assert sent.status_code == 303


@pytest.mark.parametrize("field", ["form", "key"])
async def test_a_form_without_its_hidden_fields_is_refused(tmp_path: Path, field: str) -> None:
    """It was not made by our page."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        form = {**await ana.form("answer", "contain-roll-back"), "word": "approve"}
        for forged in ({name: value for name, value in form.items() if name != field}, form | {field: "x"}):
            assert "Load the page again; nothing was done." in await ana.after(await ana.send("answer", forged))
        assert nothing_decided(at)


async def test_a_form_that_another_person_was_shown_is_refused(tmp_path: Path) -> None:
    """Ana's page stayed open in a browser in which Tom has opened his link since."""
    async with asked(tmp_path) as (at, _), at.signed_in("Ana") as ana:
        form = {**await ana.form("answer", "contain-roll-back"), "word": "approve"}
        await ana.http.get(at.link("Tom", "tech_lead"))
        said = await ana.after(await ana.send("answer", form))
        assert said.startswith("This form was shown to Ana, and you are Tom")
        assert nothing_decided(at)


async def test_an_old_form_and_one_of_another_incident_are_refused(tmp_path: Path) -> None:
    """A form is as long-lived as the sign-in."""
    async with asked(tmp_path) as (at, watch), at.signed_in() as ana:
        form = {**await ana.form("answer", "contain-roll-back"), "word": "approve"}
        other = at.engine.links.sign(Purpose.FORM, Statement(person="Ana", role="on_call", incident="VS-2", ask=at.ask))
        assert "about VS-2, not about" in await ana.after(await ana.send("answer", form | {"form": other}))
        watch.now += timedelta(hours=13)
        await ana.http.get(at.link())
        assert "This form has expired." in await ana.after(await ana.send("answer", form))
        assert nothing_decided(at)


async def test_an_answer_about_a_changed_question_is_refused(tmp_path: Path) -> None:
    """The roll back was planned anew with another target while the page was open."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        form = {**await ana.form("answer", "contain-roll-back"), "word": "approve"}
        at.engine.journal.append(at.id, [AskWithdrawn(ask=at.ask, reason="the traffic changed")], MACHINE)
        ask_for(at.engine, at.id, ApprovalPolicy(roles=["on_call"]), "~2", to="web-40")
        said = await ana.after(await ana.send("answer", form))
        assert "Your answer does not count." in said
        assert "Send all traffic to web-40" in await ana.page()  # what is asked now has its card
        assert nothing_decided(at)


async def test_an_answer_is_bound_to_the_change_that_was_shown(tmp_path: Path) -> None:
    """The signed form holds its hash, not a field that can be edited."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        form = {**await ana.form("answer", "contain-roll-back"), "word": "approve"}
        shown = Statement(person="Ana", role="on_call", incident=at.id, ask=at.ask, proof=Proof.LINK, digest="web-40")
        old = form | {"form": at.engine.links.sign(Purpose.FORM, shown), "digest": "web-41", "ask": at.ask}
        assert "is not the one that you saw" in await ana.after(await ana.send("answer", old))
        assert nothing_decided(at)


async def test_of_two_people_at_once_one_wins_and_the_other_is_told_who(tmp_path: Path) -> None:
    """Both had the question open."""
    async with asked(tmp_path) as (at, _), at.signed_in("Ana") as ana, at.signed_in("Tom", "tech_lead") as tom:
        forms = [await one.form("answer", "contain-roll-back") for one in (ana, tom)]
        first = await ana.after(await ana.send("answer", {**forms[0], "word": "approve"}))
        second = await tom.after(await tom.send("answer", {**forms[1], "word": "deny", "reason": "no"}))
        assert first.startswith("Approved: ")
        assert "is closed: approve, said Ana at" in second
        assert [answer.by.actor for answer in at.incident.asks[at.ask].answers] == ["Ana"]
        assert "approve, by Ana (On-Call), identified by a personal link" in await tom.page()


async def test_one_person_alone_is_not_two(tmp_path: Path) -> None:
    """The card then offers only to change the yes to a no, and says who must answer too; the second one grants it."""
    async with asked(tmp_path, TWO) as (at, _), at.signed_in("Ana") as ana, at.signed_in("Tom", "tech_lead") as tom:
        first = await ana.form("answer", "contain-roll-back")
        assert "One more person must approve" in await ana.after(await ana.send("answer", {**first, "word": "approve"}))
        page = await ana.page()
        assert "You have answered. Another person must approve, too." in page
        assert 'value="approve"' not in page
        again = {**await ana.form("answer", "contain-roll-back"), "word": "approve"}
        assert "Ana has answered" in await ana.after(await ana.send("answer", again))
        async with at.signed_in("ANA") as other_spelling:
            again = {**await other_spelling.form("answer", "contain-roll-back"), "word": "approve"}
            assert "has answered" in await other_spelling.after(await other_spelling.send("answer", again))
        assert at.incident.asks[at.ask].open
        assert "approve, by Ana (On-Call), identified by a personal link" in await tom.page()
        assert (await tom.answer("approve")).startswith("Approved: ")
        assert at.incident.asks[at.ask].granted


async def test_a_person_of_another_role_sees_who_may_answer(tmp_path: Path) -> None:
    """There are no buttons, and a form that is made up is refused."""
    async with asked(tmp_path) as (at, _), at.signed_in("Sue", "scribe") as sue:
        page = await sue.page()
        assert "You may not answer this. On-Call, " in page
        assert f'action="/i/{at.id}/answer"' not in page
        form = {**await sue.form("note"), "word": "approve", "ask": at.ask}
        assert "The field ask: field required." in await sue.after(await sue.send("answer", form))
        assert nothing_decided(at)


async def test_a_missing_reason_and_a_wrong_field_are_one_sentence(tmp_path: Path) -> None:
    """Nothing is recorded."""
    reason = ApprovalPolicy(roles=["on_call"], reason_needed=True)
    async with asked(tmp_path, reason) as (at, _), at.signed_in() as ana:
        assert "needs a reason" in await ana.answer("approve")
        assert "does not answer" in await ana.answer("perhaps", reason="why")
        assert "The field colour" in await ana.answer("approve", colour="red")
        assert "The note is empty." in await ana.after(await ana.send("note", {**await ana.form("note"), "text": "  "}))
        sent = await ana.send("nonsense", await ana.form("note"))
        assert sent.status_code == 404
        sent = await ana.http.post(f"/i/{at.id}/note", json={}, headers=OURS)
        assert sent.status_code == 415
        assert nothing_decided(at)


async def test_what_strangers_write_is_shown_as_text(tmp_path: Path) -> None:
    """A note and its author's words cannot become markup."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        evil = '<script>alert(1)</script><img src="https://evil.example/x">'
        await ana.after(await ana.send("note", {**await ana.form("note"), "text": evil}))
        page = await ana.page()
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page
        assert '<img src="https' not in page
        assert hidden(page)


@pytest.mark.parametrize("part", ["", "/events", "/chart.svg", "/note"])
async def test_no_part_of_a_private_page_is_for_an_outsider_and_each_says_so(tmp_path: Path, part: str) -> None:
    """Not 503, which would tell a browser to try again."""
    async with asked(tmp_path, company=private()) as (at, _), at.browser() as http:
        outsider = {"Authorization": f"Bearer {at.engine.tokens.for_person('Ana', None)}"}
        refused = await http.get(f"/i/{at.id}{part}", headers=outsider)
        assert refused.status_code == 403
        assert "web-41" not in refused.text
        missing = await http.get(f"/i/VS-999{part}", headers=outsider)
        assert missing.status_code == 404


async def test_a_person_who_may_not_read_a_private_incident_can_only_acknowledge_it(tmp_path: Path) -> None:
    """The on-call was woken by its page: the link opens one button, which ends that page, and nothing else."""
    async with asked(tmp_path, company=private()) as (at, _), at.signed_in("Ana") as ana:
        shown = await ana.http.get(f"/i/{at.id}")
        assert shown.status_code == 403
        assert "is private, and not for Ana" in shown.text
        assert at.incident.title not in shown.text
        assert "web-41" not in shown.text
        assert re.findall(r'action="([^"]+)"', shown.text) == [f"/i/{at.id}/acknowledge"]
        fields = hidden(shown.text)
        for other in ("note", "hold", "take-role", "answer", "sign-out"):
            refused = await ana.send(other, {**fields, "text": "x", "reason": "x", "role": "scribe"})
            assert refused.status_code == 403, other
        sent = await ana.send("acknowledge", fields)
        assert sent.status_code == 303
        after = await ana.http.get(f"/i/{at.id}")
        assert "is acknowledged by Ana. It is private, and not for Ana" in form_result(after.text)
        assert "people are called until a reader acknowledges it" in after.text
        assert "<form" not in after.text
        (known,) = [one for one in at.engine.journal.entries(at.id) if isinstance(one.record, Acknowledged)]
        assert (known.by.actor, known.by.proof) == ("Ana", Proof.LINK)
        assert at.incident.roles == {}
        await ana.send("acknowledge", fields)
        assert sum(isinstance(one.record, Acknowledged) for one in at.engine.journal.entries(at.id)) == 1
