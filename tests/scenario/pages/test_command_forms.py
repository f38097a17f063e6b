"""Everything that a person may do has a form on the incident's page, which is built from the command itself."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from pydantic import Field
from typing_extensions import override

from allclear.bootstrap import Engine
from allclear.commands.base import Command
from allclear.commands.catalog import PAGE_COMMANDS
from allclear.commands.inputs import LINES, FormContext, Input, OneOf, Option, inputs_of
from allclear.domain.proof import Proof
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.simulator.scenario_schema import RevisionSpec, TrafficSpec
from tests.scenario.pages.pages_support import Browser, asked, hidden, waiting
from tests.scenario.response_support import FIX, run_phase

ELSEWHERE = {
    "answer": "its card",
    "release": "while it is held",
    "follow-up-done": "for a follow-up",
    "undo": "for a change",
    "supersede": "for a change",
    "move-meeting": "for a meeting",
    "meeting-people": "for a meeting",
    "cancel-meeting": "for a meeting",
}
"""The commands that a page offers only at a time, and when."""


def form_of(text: str, action: str) -> str:
    """Return the form with that action in a page."""
    text = text[text.index(f'action="{action}"') :]
    return text[: text.index("</form>")]


async def shown(ana: Browser, command: str, **known: str) -> str:
    """Return the page of a command, given what was said before."""
    answer = await ana.http.get(f"/i/{ana.at.id}/{command}?{urlencode(known)}")
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


async def confirm(ana: Browser, command: str, reason: str, **known: str) -> str:
    """Confirm a command on the page that shows what it does, and return what the page says then."""
    page = await shown(ana, command, **known)
    fields = hidden(form_of(page, f"/i/{ana.at.id}/{command}"))
    return html.unescape(await ana.after(await ana.send(command, fields | {"reason": reason})))


async def say(ana: Browser, command: str, **fields: str) -> str:
    """Send a form of the incident's page, and return what the page says then."""
    return html.unescape(await ana.after(await ana.send(command, await ana.form(command) | fields)))


async def test_every_command_has_a_form_on_the_page(tmp_path: Path) -> None:
    """Those that need something, as a follow-up that is not done, are offered when it is there."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        page = await ana.page()
        for command in PAGE_COMMANDS:
            there = f'="/i/{at.id}/{command.name}"' in page
            assert there or command.name in ELSEWHERE, command.name
        assert f'action="/i/{at.id}/answer"' in page
        await say(ana, "hold", reason="we look first")
        await say(ana, "follow-up", text="Test the flag", owner="Tom")
        page = await ana.page()
        assert f'action="/i/{at.id}/release"' in page
        assert f'action="/i/{at.id}/follow-up-done"' in page


async def test_the_question_that_waits_stays_above_the_forms_which_are_folded(tmp_path: Path) -> None:
    """At three in the morning the question is what a person must see."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        page = await ana.page()
        for command in ("severity", "assess", "hand-over", "told", "follow-up"):
            form = page.index(f'action="/i/{at.id}/{command}"')
            assert page.index('id="contain-roll-back"') < form
            assert f'<details id="form-{command}">' in page[:form]


async def test_what_is_known_and_the_severity_are_chosen_from_the_plan(tmp_path: Path) -> None:
    """Each severity with its definition, each facet with what is known now."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        page = html.unescape(await ana.page())
        severities = form_of(page, f"/i/{at.id}/severity")
        assert "Major feature broken, significant user impact" in severities
        assert 'value="P0"' not in severities  # it is that already
        assert "Whether it is a security breach" in page
        said = await say(
            ana, "assess", **{"facts.security_breach": "yes", "facts.customer_facing": "", "kind": "security"}
        )
        assert said.startswith(f"Noted in {at.id}.")
        assert (at.incident.facets["security_breach"], at.incident.kind) == ("yes", "security")
        assert "Now: yes." in await ana.page()
        assert "P1 now (was P0)" in await say(ana, "severity", severity="P1", reason="only some users")
        assert "has no facet" in await say(ana, "assess", **{"facts.colour": "red"})


async def test_roles_whom_people_told_and_follow_ups(tmp_path: Path) -> None:
    """The same sentences as on the command line, and the person is proven by the link."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        assert "is asked to be" in await say(ana, "hand-over", role="incident_commander", to="Tom")
        assert "Ana is Scribe" in await say(ana, "take-role", role="scribe")
        assert "you have told CTO" in await say(ana, "told", audience="cto", text="by phone")
        assert "Tom has follow-up 1" in await say(ana, "follow-up", text="Test the flag", owner="Tom", due="2027-01-05")
        assert at.incident.follow_ups[0].due.date().isoformat() == "2027-01-05"
        assert "Test the flag (Tom, by" in await ana.page()
        assert "is done" in await say(ana, "follow-up-done", number="1", note="tested")
        authors = {entry.by.proof for entry in at.engine.journal.entries(at.id) if entry.by.actor == "Ana"}
        assert authors == {Proof.LINK}


async def test_an_end_shows_first_what_it_does(tmp_path: Path) -> None:
    """Which alerts still fire and which questions are withdrawn; looking at it ends nothing."""
    async with asked(tmp_path) as (at, _), at.signed_in() as ana:
        before = at.incident.length
        page = await shown(ana, "resolve")
        assert "No check has found the service healthy." in page
        assert "Still firing: " in page
        assert "Questions that are withdrawn: Send all traffic to web-41." in page
        assert "The review begins" in page
        assert "There is no review." in await shown(ana, "false-alarm")
        assert at.incident.length == before
        assert "The reason is empty" in await confirm(ana, "false-alarm", "")
        assert "ended as a false alarm" in await confirm(ana, "false-alarm", "a test of the monitor")
        assert at.incident.over
        page = await ana.page()
        for command in ("severity", "hand-over", "hold", "resolve"):
            assert f'="/i/{at.id}/{command}"' not in page
        for command in ("note", "told", "follow-up"):
            assert f'="/i/{at.id}/{command}"' in page
        assert "is over" in await shown(ana, "resolve")


async def test_while_a_change_is_in_place_the_end_leads_to_its_undo(tmp_path: Path) -> None:
    """The page names the two ways as links, not as commands of a terminal."""
    async with waiting(tmp_path) as at, at.signed_in("Ana") as ana:
        await ana.answer("approve")
        await run_phase(at.engine, at.sim.world, at.id, Phase.CONTAIN)
        page = await shown(ana, "resolve")
        assert "cannot end while" in page
        assert f'href="/i/{at.id}/undo?act=contain/roll-back"' in page.replace("%2F", "/")
        assert "allclear undo" not in page
        assert f'action="/i/{at.id}/resolve"' not in page
        still = (await ana.http.get(f"/i/{at.id}/supersede?act=contain/roll-back")).text
        assert "is still in place as it was left" in still
        at.sim.world.deploy(RevisionSpec(name=FIX), by="an engineer")
        at.sim.world.redirect([TrafficSpec(revision=FIX, percent=100)], by="an engineer")
        page = await shown(ana, "supersede", act="contain/roll-back")
        assert "Nothing is changed in production." in page
        assert FIX in page
        assert "is closed as superseded" in await confirm(ana, "supersede", "the fix is out", act="contain/roll-back")
        assert "contain/roll-back" not in await shown(ana, "resolve")


async def test_an_action_by_hand_is_chosen_shown_and_then_done(tmp_path: Path) -> None:
    """First which, then its parameters, then the change, to which the form is bound."""
    async with waiting(tmp_path) as at, at.signed_in("Ana") as ana:
        page = await shown(ana, "act")
        assert "Switch a feature flag off" in page
        assert "pagerduty" not in page
        page = await shown(ana, "act", action="feature_flag.disable")
        assert 'name="params.flag"' in page
        assert 'value="new_checkout"' in page
        known = {"action": "feature_flag.disable", "params.flag": "new_checkout", "params.service": ""}
        page = await shown(ana, "act", **known)
        assert "Users lose the feature behind the flag." in page
        assert not any(act.proposed.action == "feature_flag.disable" for act in at.incident.acts.values())
        said = await confirm(ana, "act", "the flag is new", **known)
        [act] = [act for act in at.incident.acts.values() if act.proposed.action == "feature_flag.disable"]
        assert act.outcome is not None, said
        assert act.outcome.good, said
        assert act.by.proof is Proof.LINK
        proposed = {
            "action": "maintenance.enable",
            "params.service": "storefront",
            "params.region": "",
            "params.by": "",
        }
        assert "It needs an approval: " in await shown(ana, "proposals", **proposed)
        assert "Nothing is done yet." in await confirm(ana, "proposals", "stop the writes", **proposed)
        assert "has no field colour" in (await ana.http.get(f"/i/{at.id}/act?colour=red")).text


class Weather(Command):
    """What the weather is."""

    name: ClassVar[str] = "weather"
    title: ClassVar[str] = "Tell the weather"

    sky: Annotated[str, OneOf(lambda form: [Option("blue", f"blue over {form.incident.id}")])]
    words: Annotated[str, LINES] = Field(default="", title="In your words", description="As you see it.")
    degrees: int = 20

    @override
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        return "told"


async def test_a_new_command_has_its_form_from_its_fields_alone(tmp_path: Path) -> None:
    """Labels, help, choices and what is required; nothing else has to be written."""
    async with asked(tmp_path) as (at, _):
        sky, words, degrees = inputs_of(Weather, FormContext(at.engine, at.incident))
        assert sky == Input("sky", "Sky", kind="choice", required=True, options=(Option("blue", f"blue over {at.id}"),))
        assert words == Input("words", "In your words", "As you see it.", "lines")
        assert (degrees.kind, degrees.value, degrees.required) == ("number", "20", False)
