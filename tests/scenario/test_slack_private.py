"""A private incident in Slack: links without content, and no buttons; only its readers may act."""

from __future__ import annotations

import json
from pathlib import Path

from allclear.domain.proof import Proof
from tests.scenario.slack_support import ANA, BEN, CLEO, SlackScene, shown, slack_scene, with_plan, with_slack


def everything(slack: SlackScene) -> str:
    """Return all that Slack was sent."""
    return json.dumps([slack.messages, slack.workspace.private], ensure_ascii=False)


async def test_the_channel_reads_nothing_of_a_private_incident(tmp_path: Path) -> None:
    """Not the change, the reason, an answer or a name; Cleo, who may not read it, cannot act either."""
    outage = with_slack().plan.kinds["outage"].model_copy(update={"private_for": ["cto"]})
    company = with_plan(kinds=with_slack().plan.kinds | {"outage": outage})
    async with slack_scene(tmp_path, company) as slack:
        card = slack.card("roll-back")
        assert "must answer a question" in shown(card)
        assert "[Open the page]" in shown(card)
        assert all(words not in everything(slack) for words in ("Roll back", "vintstreet-000", "Approve", "Why:"))
        await slack.types("note VS-1 The canary is 4711.", CLEO)
        assert "is private, and not for Cleo" in (await slack.told(CLEO))[0]
        await slack.types("note VS-1 The canary is 4711.", BEN)
        assert await slack.told(BEN) == ["Noted in VS-1."]
        ask = next(iter(slack.it.incident.open_asks)).ask
        await slack.types("ack VS-1", ANA)
        assert "VS-1 is acknowledged by Ana. It is private, and not for Ana" in (await slack.told(ANA))[0]
        by = slack.it.engine.people.who("Ben", "cto", "page", Proof.LINK)
        slack.it.engine.people.answer(ask.id, by, yes=False, reason="canary 4711")
        await slack.due()
        await slack.due()
        assert "4711" not in everything(slack)
        assert "There is news." in everything(slack)
        assert "Closed: it is answered" in shown(slack.card("roll-back"))
