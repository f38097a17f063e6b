"""Prefect's classic and V2 user interface in a browser: stale and blank forms, any order, steps, and cancelled runs."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from allclear.domain.incident import Incident
from allclear.domain.text import change_rows
from tests.end_to_end.browser_support import CLASSIC, STILL, V2, RunPage, chromium, needs_browser, page_in
from tests.end_to_end.stack_support import LIMIT, allclear, until
from tests.end_to_end.up_support import Up

pytestmark = [pytest.mark.slow, needs_browser]

PHONE, DESKTOP = ViewportSize(width=390, height=844), ViewportSize(width=1440, height=900)
STEPS = ("roll-back", "status-page")
LATER_MEASURES = ("open-revert", "redeploy", "maintenance")


class Response:
    """An incident in containment whose three questions wait in Prefect, seen in one of its user interfaces."""

    def __init__(self, up: Up, page: Page, ui: str, incident: str) -> None:
        self.up = up
        self.page = page
        self.ui = ui
        self.id = incident

    @property
    def incident(self) -> Incident:
        """Return the incident as the journal has it now."""
        return self.up.incident(self.id)

    def ask(self, step: str) -> str:
        """Return the id of a step's question, of the containment unless `step` names another phase."""
        return f"{self.id}/{_with_phase(step)}"

    def run(self, step: str) -> str | None:
        """Return the suspended run that shows a step's question, or None."""
        runs = self.up.runs(self.id, f"asks {_with_phase(step)}")
        return next((run["id"] for run in runs if run["state_type"] == "PAUSED"), None)

    def show(self, step: str, page: Page | None = None) -> RunPage:
        """Open the page of the run that shows a step's question."""
        prefect = self.up.variables["PREFECT_API_URL"].removesuffix("/api")
        return RunPage(page or self.page, prefect, self.ui, until(lambda: self.run(step)))

    def answer(self, step: str, decision: str, name: str = "Ana", reason: str = "It is so.") -> None:
        """Fill in and submit the form of a step's question."""
        shown = self.show(step)
        form = shown.open_form()
        shown.fill_in(form, f"{decision}: {self.ask(step)}", name, reason)
        shown.submit(form)

    def is_open(self, step: str) -> bool:
        """Return whether a step's question is open and no person has answered it."""
        state = self.incident.asks[self.ask(step)]
        return state.open and not state.answers


def _with_phase(step: str) -> str:
    return step if "/" in step else f"contain/{step}"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One browser for all tests here."""
    size = ViewportSize(width=1300, height=1300)
    with chromium() as browser, page_in(browser, viewport=size, reduced_motion="reduce") as opened:
        opened.add_init_script(STILL)
        yield opened


@pytest.fixture(scope="module", params=[CLASSIC, V2])
def response(up: Up, page: Page, request: pytest.FixtureRequest) -> Iterator[Response]:
    """An incident of its own for each user interface; it is over at the end, so that the next alert opens another."""
    token = {"Authorization": f"Bearer {up.variables['ALLCLEAR_ALERT_TOKEN']}"}
    alerts = f"{up.variables['ALLCLEAR_RESPONDER_URL']}/alerts"
    alert = {
        "key": request.param,
        "title": "Payments fail",
        "labels": {"alertname": "PaymentProcessingFailures"},
    }
    delivery = httpx.post(f"{alerts}/json", json=alert, headers=token, timeout=LIMIT).json()["id"]
    incident = until(lambda: httpx.get(f"{alerts}/{delivery}", headers=token, timeout=LIMIT).json()["incident"])
    opened = Response(up, page, request.param, incident)
    for step in STEPS:
        until(lambda step=step: opened.run(step))
    yield opened
    page.goto("about:blank")  # Prefect's page asks its server all the time
    words = ("--reason", "the next test", "--as", "Ben", "--role", "tech_lead")
    ended = allclear("false-alarm", incident, *words, **up.variables)
    assert ended.returncode == 0, ended.stderr


def test_a_blank_name_cannot_be_sent(response: Response) -> None:
    """The form stays open and gives the reason, and the question stays open: of both approvals."""
    for step, decision in (("status-page", "deny"), ("roll-back", "approve")):
        response.answer(step, decision, name="   ")
        expect(response.page.get_by_text("Validation failed for field 'name'").first).to_be_visible()
        assert response.run(step)
        assert response.is_open(step)


def test_questions_of_different_roles_are_answered_in_either_order(response: Response) -> None:
    """The status page's question was asked last. It is answered first, while the roll back still waits."""
    assert response.is_open("status-page")
    response.answer("status-page", "deny")
    [answer] = until(lambda: response.incident.asks[response.ask("status-page")].answers)
    assert (answer.by.actor, answer.by.via, answer.yes) == ("Ana", "prefect", False)
    assert response.is_open("roll-back")


def test_cancelling_a_run_loses_no_question(response: Response) -> None:
    """Another run shows the question, and the record tells what was done in Prefect and how to answer."""
    cancelled = response.run("roll-back")
    response.show("roll-back").cancel()
    until(lambda: response.run("roll-back") not in {None, cancelled})
    assert response.is_open("roll-back")
    assert cancelled in response.incident.replaced_runs
    told = until(lambda: response.incident.reminders.get(f"run:{cancelled}"))
    assert f"allclear approve {response.ask('roll-back')} --as NAME" in told[0].reminder.sentence


def test_a_form_that_stayed_open_is_refused_and_approves_nothing_else(response: Response) -> None:
    """It was filled in for the roll back, which was then denied; a revert is asked for now.

    Prefect's own error cannot say so. The run's page does.
    """
    shown, form = question_shown_first(response) if response.ui == V2 else opened_form(response)
    shown.fill_in(form, f"approve: {response.ask('roll-back')}", "Ana", "go")
    deny_the_roll_back(response)
    shown.submit(form)
    expect(response.page.get_by_text("Cannot resume a flow run that is not paused.").first).to_be_visible()
    response.page.reload()
    told = response.page.get_by_text("Closed: deny, said Ben").first
    expect(told).to_be_visible()
    expect(told).to_contain_text("Asked now: ")
    assert [answer.by.actor for answer in response.incident.asks[response.ask("roll-back")].answers] == ["Ben"]
    assert response.is_open("open-revert")
    assert response.incident.acts["contain/open-revert"].intended is None


def deny_the_roll_back(response: Response) -> None:
    """Deny it at the command line, and wait until Prefect shows the question about the next measure."""
    words = ("--as", "Ben", "--role", "tech_lead", "--reason", "It is the database.")
    denied = allclear("deny", response.ask("roll-back"), *words, **response.up.variables)
    assert denied.returncode == 0, denied.stderr
    until(lambda: response.run("open-revert"))


def opened_form(response: Response) -> tuple[RunPage, Locator]:
    """Open the page of the roll back's run, and its form."""
    shown = response.show("roll-back")
    return shown, shown.open_form()


def question_shown_first(response: Response) -> tuple[RunPage, Locator]:
    """Assert that the first screen has what is asked, the change before and after, and the link to the page.

    Of the run's page on a desktop, whose log is open. On a phone Prefect's log is eight characters wide, so there the
    form must show it; the form does so in both sizes, and is returned with its page.
    """
    page, usual = response.page, response.page.viewport_size
    (before,) = [was for _, was, _ in change_rows(response.incident.acts["contain/roll-back"].change or {}, str)]
    assert before.startswith("100 % latest (vintstreet-000")
    page.set_viewport_size(DESKTOP)
    response.show("roll-back")
    expect(page.get_by_text(f"{before} -> 100 % vintstreet-00041-wex").first).to_be_in_viewport()
    expect(page.get_by_role("link", name=f"/i/{response.id}#contain-roll-back")).to_be_in_viewport()
    expect(page.get_by_text("ERROR", exact=True)).to_have_count(0)  # to wait is none
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        shown, form = opened_form(response)
        expect(form.get_by_role("heading", name="Send all traffic of storefront")).to_be_in_viewport()
        expect(form.get_by_role("link", name="the incident's page")).to_be_in_viewport()
        for cell in (before, "100 % vintstreet-00041-wex"):
            expect(form.get_by_role("cell", name=cell)).to_be_in_viewport()
    page.set_viewport_size(usual or DESKTOP)
    return shown, form


def test_the_page_of_respond_leads_on_to_the_questions(response: Response) -> None:
    """Its artifact has the incident, what is asked with the commands, and links."""
    if response.is_open("roll-back"):  # no other test ran before
        deny_the_roll_back(response)
    [respond] = response.up.runs(response.id, "respond")
    query = {"artifacts": {"flow_run_id": {"any_": [respond["id"]]}, "key": {"any_": [response.id.lower()]}}}
    found = httpx.post(f"{response.up.variables['PREFECT_API_URL']}/artifacts/filter", json=query, timeout=LIMIT).json()
    text = found[0]["data"]
    assert f"allclear approve {response.ask('roll-back')} --as NAME" in text
    assert f"/runs?flow-run-search={response.id}+asks" in text
    prefect = response.up.variables["PREFECT_API_URL"].removesuffix("/api")
    prefix = "/v2" if response.ui == V2 else ""
    response.page.goto(f"{prefect}{prefix}/runs?flow-run-search={response.id}+asks")
    expect(response.page.get_by_text(f"{response.id} asks contain/open-revert").first).to_be_visible()
    if response.ui == V2:
        answers_a_persons_step_of_the_investigation(response)


def answers_a_persons_step_of_the_investigation(response: Response) -> None:
    """Go on without containment, and report a person's step of the next phase in the browser, with a note."""
    by = ("--reason", "It is the database.", "--as", "Ben", "--role", "tech_lead")
    for command, step in (*(("deny", one) for one in LATER_MEASURES), ("go-on", "contained-manually")):
        until(lambda step=step: response.incident.asks.get(response.ask(step)))
        given = allclear(command, response.ask(step), *by, **response.up.variables)
        assert given.returncode == 0, given.stderr
    step, note = "investigate/logs", "Payments time out in the database."
    until(lambda: response.run(step))
    response.answer(step, "done", reason=note)
    [answer] = until(lambda: response.incident.asks[response.ask(step)].answers)
    assert (answer.by.actor, answer.by.via, answer.yes, answer.reason) == ("Ana", "prefect", True, note)
