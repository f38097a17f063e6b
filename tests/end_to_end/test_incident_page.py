"""The incident's page in headless Chromium: two taps lead from the link in a pager's page to containment."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect
from pydantic import SecretStr

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.incident import Incident
from allclear.domain.proof import Proof
from allclear.domain.records import AskAnswered, Contained
from allclear.responder.app import make_app
from allclear.settings import Settings
from allclear.stack import free_ports
from tests.contract.simulator_support import REPOSITORY, Simulated
from tests.end_to_end.browser_support import BrowserThread, needs_browser, page_in
from tests.end_to_end.stack_support import until
from tests.scenario.response_support import ALERT, announced, broken, installed, new_journal, vintstreet
from tests.unit.responder.responder_support import TOKEN, served

pytestmark = [pytest.mark.slow, needs_browser]

PHONE, DESKTOP = (390, 844), (1440, 900)
NO_BUTTON_OVER_A_CHANGE = """() => {
  const clear = (one) => one.getBoundingClientRect().top >= one.closest(".decide").getBoundingClientRect().top - 1;
  let good = true;
  for (let y = 0; y < document.documentElement.scrollHeight; y += 50) {
    scrollTo(0, y);
    good = good && [...document.querySelectorAll(".card .answers")].every(clear);
  }
  scrollTo(0, 0);
  return good;
}"""
"""Whether the buttons of a question, which stay at the bottom of a phone's screen, never cover what is asked."""
MORE_TO_READ = "getComputedStyle(document.querySelector('#contain-roll-back .answers'), '::before').content"
"""What the buttons say while they lie over the text of the card; `none` where they are in their own place."""
IMAGES = REPOSITORY / "docs" / "images"


def named() -> Company:
    """Return VintStreet with the names of two people, so that the page that wakes Ana holds a link for her alone."""
    company = vintstreet()
    names = {"on_call": "Ana Ruiz", "tech_lead": "Tom Okafor"}
    people = [
        person.model_copy(update={"name": next((names[role] for role in person.roles if role in names), person.name)})
        for person in company.plan.people
    ]
    plan = company.plan.model_copy(update={"people": people})
    return Company(
        company.name, company.folder, plan, company.systems, company.runbooks, company.templates, company.post_mortem
    )


@dataclass
class Night:
    """An incident on a running responder, and the production behind it."""

    engine: Engine
    sim: Simulated
    address: str
    id: str

    @property
    def incident(self) -> Incident:
        """Return the incident as it is now."""
        return self.engine.conductor.incident(self.id)

    @property
    def link(self) -> str:
        """Return the link in the page that woke Ana."""
        return until(lambda: next((one.client_url for one in self.sim.world.pagerduty.pages if one.client_url), None))

    def asked(self) -> None:
        """Wait until the roll back waits for people."""
        until(lambda: f"{self.id}/contain/roll-back" in self.incident.asks)


@contextmanager
def responding(sim: Simulated, folder: Path) -> Generator[Night]:
    """Yield the incident that an alert has opened, on a responder whose workers run."""
    port, nothing = free_ports(2)
    settings = Settings(
        company="vintstreet",
        journal_url=new_journal(folder),
        simulation=announced(sim, folder),
        link_key=SecretStr("a-key-of-personal-links"),
        responder_url=f"http://127.0.0.1:{port}",
        recovery_over=timedelta(seconds=1),
        PREFECT_API_URL=f"http://127.0.0.1:{nothing}/api",  # pyright: ignore[reportCallIssue]
    )
    engine = make_engine(settings, environ={}, company=named(), registry=installed())
    with served(make_app(engine, SecretStr(TOKEN)), port=port):
        incident = engine.intake.take(ALERT, "delivery-1").incident
        assert incident is not None
        yield Night(engine, sim, settings.responder_url, incident)
    engine.journal.close()


@dataclass
class Watched:
    """A page in the browser, and what went wrong in it."""

    page: Page
    night: Night
    requests: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])

    def heard(self, request: Request) -> None:
        """Note a request to another host."""
        if not request.url.startswith(self.night.address):
            self.requests.append(request.url)

    def faultless(self) -> None:
        """Assert that axe-core finds nothing, nothing is wider than the screen, and no other host is asked."""
        found: list[Any] = Axe().run(self.page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert (self.requests, self.complaints) == ([], [])

    def save(self, name: str) -> None:
        """Save a picture for the documentation, if ALLCLEAR_IMAGES asks for it."""
        if os.environ.get("ALLCLEAR_IMAGES"):
            self.page.screenshot(path=IMAGES / name)


@pytest.fixture(scope="module")
def chromium() -> Iterator[BrowserThread]:
    """One browser for all tests here."""
    browser = BrowserThread()
    yield browser
    browser.close()


@contextmanager
def watching(
    browser: Browser, night: Night, size: tuple[int, int], *, dark: bool = False, scripts: bool = True
) -> Generator[Watched]:
    """Yield a page with an empty profile."""
    with page_in(
        browser,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        device_scale_factor=2 if size == PHONE else 1,
        has_touch=size == PHONE,
        java_script_enabled=scripts,
    ) as page:
        watched = Watched(page, night)
        page.on("request", watched.heard)
        page.on("console", lambda message: watched.complaints.append(message.text))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        yield watched


def between_answer_and_containment(night: Night) -> list[str]:
    """Return what the record has between the approval and containment, without the messages that are sent beside it.

    Containment within two seconds means that it waits for nothing but the act and the probe that proves it: a loaded
    machine makes them slower, and adds no entry. How long it takes is row 2 of `make bench`.
    """
    entries, acts = night.engine.journal.entries(night.id), night.incident.acts
    answered = next(entry.number for entry in entries if isinstance(entry.record, AskAnswered))
    contained = next(entry.number for entry in entries if isinstance(entry.record, Contained))
    inside = [entry.record for entry in entries if answered < entry.number < contained]
    named = [(record.kind, getattr(record, "act", None) or getattr(record, "step", "")) for record in inside]
    return [f"{kind} {name}".strip() for kind, name in named if name not in acts or not acts[name].proposed.tells]


def two_taps(browser: Browser, night: Night, size: tuple[int, int], *, dark: bool) -> None:
    """Tap the link, see the change, and approve it; then watch the incident become contained."""
    night.asked()
    with watching(browser, night, size, dark=dark) as watched:
        page = watched.page
        page.goto(night.link)  # the first tap
        card = page.locator("#contain-roll-back")
        expect(card.get_by_role("cell", name="100 % latest (vintstreet-00042-qoz)")).to_be_in_viewport()
        expect(card.get_by_role("cell", name="100 % vintstreet-00041-wex")).to_be_in_viewport()
        expect(page.get_by_text("SIMULATED", exact=True)).to_be_in_viewport()
        approve = card.get_by_role("button", name="Approve")
        expect(approve).to_be_in_viewport()
        expect(page.locator("#live")).to_have_text("live")
        watched.faultless()
        assert page.evaluate(NO_BUTTON_OVER_A_CHANGE)
        assert ("more to read below" in page.evaluate(MORE_TO_READ)) is (size == PHONE)
        watched.save(f"incident-page-{'phone' if size == PHONE else 'desktop'}.png")
        approve.click()  # the second
        expect(page.locator(".form-result.good")).to_contain_text("Approved: ")
        expect(page.locator(".tag.status")).to_have_text("CONTAINED")  # without loading the page again
        [answer] = night.incident.asks[f"{night.id}/contain/roll-back"].answers
        assert (answer.by.actor, answer.by.proof, answer.by.via) == ("Ana Ruiz", Proof.PAGE_LINK, "page")
        act = ["act.intended contain/roll-back", "act.finished contain/roll-back", "step.done roll-back-proof"]
        assert between_answer_and_containment(night) == act
        expect(page.get_by_role("link", name="Undo traffic pinned")).to_be_visible()
        watched.faultless()


def the_rest(browser: Browser, night: Night) -> None:
    """What a person does with the keyboard, without scripts, and what survives a change of the page."""
    night.asked()
    with watching(browser, night, DESKTOP) as watched:
        page = watched.page
        page.goto(night.link)
        expect(page.locator("#live")).to_have_text("live")
        note = page.get_by_label("Note", exact=True)
        note.fill("Support has 14 ti")
        note.focus()
        night.engine.people.note(night.id, "A note from elsewhere", night.engine.people.who("Tom Okafor", None, "cli"))
        expect(page.get_by_text("A note from elsewhere", exact=True)).to_be_visible()
        page.keyboard.type("ckets")  # the page has changed below the cursor
        expect(note).to_have_value("Support has 14 tickets")
        page.keyboard.press("Tab")  # where the post-mortem shows it
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".form-result.good")).to_contain_text("Noted in")
        expect(page.get_by_text("Support has 14 tickets", exact=True)).to_be_visible()
        page.goto(f"{night.address}/i/{night.id}/undo?act=contain/roll-back")
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing was done")  # it is not carried out yet
    with watching(browser, night, PHONE, scripts=False) as watched:
        page = watched.page
        page.goto(night.link)
        expect(page.get_by_role("link", name="Load the page again")).to_be_visible()
        page.locator("#contain-roll-back").get_by_role("button", name="Deny").click()
        expect(page.locator(".form-result.good")).to_contain_text("Deny: ")
    answers = night.incident.asks[f"{night.id}/contain/roll-back"].answers
    assert [(answer.by.actor, answer.yes) for answer in answers] == [("Ana Ruiz", False)]


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), (PHONE, True), (DESKTOP, False)])
async def test_two_taps_lead_from_the_link_to_containment(
    tmp_path: Path,
    chromium: BrowserThread,
    size: tuple[int, int],
    dark: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    """The link is in the page that the pager received, and the change is seen before it is approved."""
    async with Simulated(broken()) as sim:
        with responding(sim, tmp_path) as night:
            await chromium.do(two_taps, night, size, dark=dark)


async def test_the_page_keeps_what_a_person_types_and_works_without_scripts(
    tmp_path: Path, chromium: BrowserThread
) -> None:
    """It changes while a person writes; with the keyboard alone; and with scripts switched off."""
    async with Simulated(broken()) as sim:
        with responding(sim, tmp_path) as night:
            await chromium.do(the_rest, night)
