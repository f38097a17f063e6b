"""`/incident` in Slack: the commands that are the same everywhere, and the form that declares an incident."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from allclear.domain.proof import Proof
from allclear.domain.records import NoteAdded
from tests.patience import until
from tests.scenario.slack_support import ANA, BEN, EVE, SlackScene, slack_scene


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncGenerator[SlackScene]:
    """An incident whose rollback waits for an approval."""
    async with slack_scene(tmp_path) as opened:
        yield opened


def notes(slack: SlackScene) -> list[Any]:
    """Return the entries of notes."""
    entries = slack.it.engine.journal.entries(slack.it.incident_id)
    return [entry for entry in entries if isinstance(entry.record, NoteAdded)]


async def test_commands_are_carried_out_in_the_name_of_the_person(slack: SlackScene) -> None:
    """Acknowledge, a note with markup of Slack in it, and a role that is handed to a mentioned person."""
    assert (await slack.types("ack vs-1", ANA)).content == b""
    (sentence,) = await slack.told(ANA)
    assert sentence.startswith("VS-1 is acknowledged by Ana.")
    text = f"note VS-1 14 tickets, says <@{BEN}|ben>: a &lt;b&gt; &amp;amp; <https://x.test/a|x.test>"
    await slack.types(text, ANA)
    assert (await slack.told(ANA, 2))[-1] == "Noted in VS-1."
    (note,) = notes(slack)
    assert note.record.text == "14 tickets, says Ben: a <b> &amp; https://x.test/a"
    assert (note.by.actor, note.by.via, note.by.proof) == ("Ana", "slack", Proof.SLACK)
    await slack.types(f"hand-over VS-1 cto <@{BEN}|ben>", ANA)
    assert (await slack.told(ANA, 3))[-1].startswith("Ben is asked to be CTO of VS-1.")
    await slack.due()
    assert await until(lambda: slack.posted(f"<@{BEN}>"))
    await slack.types("take-role VS-1 cto", BEN)
    assert "Ben is CTO" in (await slack.told(BEN))[0]
    assert slack.it.incident.roles["cto"] == "Ben"
    await slack.types("hold VS-1 We look first.", BEN)
    await slack.told(BEN, 2)
    await slack.due()
    assert await until(lambda: slack.posted("We look first."))


async def test_a_fact_is_recorded_as_it_is_typed(slack: SlackScene) -> None:
    """`assess` takes one fact and how it is known; a word that is no fact gets the form to type."""
    await slack.types("assess VS-1 customer_facing=yes Users complain.", ANA)
    assert await slack.told(ANA) == ["Noted in VS-1."]
    assert slack.it.incident.facets["customer_facing"] == "yes"
    await slack.types("assess VS-1 customers complain", ANA)
    assert "Write facet=value" in (await slack.told(ANA, 2))[-1]


async def test_what_cannot_be_understood_says_what_to_type(slack: SlackScene) -> None:
    """An unknown word, no incident, an unknown incident, a missing word, and a user whom the plan does not name."""
    wrong = {
        "frobnicate VS-1": "/incident ack VS-3",
        "help": "Commands: ",
        "ack": "Type: /incident acknowledge VS-3.",
        "note VS-1": "Type: /incident note VS-3 TEXT.",
        "hand-over VS-1 cto": "Type: /incident hand-over VS-3 ROLE TO.",
        "answer VS-1 approve": "is not typed in Slack",
        "note VS-999 hello": "VS-999",
        "ack VS-1 please": "takes nothing more",
    }
    for number, (text, expected) in enumerate(wrong.items(), start=1):
        await slack.types(text, ANA)
        assert expected in (await slack.told(ANA, number))[-1], text
    await slack.types("ack VS-1", EVE)
    assert "U0EVE00001" in (await slack.told(EVE))[0]
    assert slack.it.incident.acknowledged is None
    assert notes(slack) == []


async def test_a_form_declares_one_incident_however_often_it_arrives(slack: SlackScene) -> None:
    """The form offers the plan's severities, services and runbooks; the new incident names who declared it."""
    await slack.types("declare Uploads &amp; images fail", BEN)
    form = await until(lambda: slack.workspace.views and slack.workspace.views[-1])
    assert form["blocks"][0]["element"]["initial_value"] == "Uploads & images fail"
    values = {"title": "Uploads fail", "severity": "P1", "service": "storefront", "runbook": "broken-feature"}
    facts = {block["block_id"]: block for block in form["blocks"][4:]}
    assert list(facts) == ["fact:customer_facing", "fact:security_breach"]
    assert all(block["optional"] for block in facts.values())
    values["fact:customer_facing"] = "yes"
    sent = slack.people.submit(form, values, BEN)
    for _ in range(2):
        await slack.sends(sent)
    (sentence,) = await slack.told(BEN)
    assert sentence.startswith("VS-2 is open.")
    assert "/i/VS-2" in sentence
    opened = slack.it.engine.conductor.incident("VS-2")
    assert (opened.title, opened.opened_by.actor, opened.opened_by.via) == ("Uploads fail", "Ben", "slack")
    assert opened.facets == {"customer_facing": "yes"}
    assert [row.id for row in slack.it.engine.journal.incidents()] == ["VS-2", "VS-1"]
