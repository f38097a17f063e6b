"""Buttons in Slack: the card with the change, the press that approves it, and the card without its buttons."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from allclear.domain.proof import Proof
from tests.patience import until
from tests.scenario.slack_support import ANA, BEN, SlackScene, buttons, contain, shown, slack_scene


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncGenerator[SlackScene]:
    """An incident whose rollback waits for an approval."""
    async with slack_scene(tmp_path) as opened:
        yield opened


async def test_a_press_approves_the_change_that_the_card_shows(slack: SlackScene) -> None:
    """The card has the change, why, risk, undo, who may answer and both words; one press answers, and they vanish."""
    card = slack.card("roll-back")
    assert card["text"].startswith("[SIMULATED] VS-1:")
    assert all(words in shown(card) for words in ("→", "Why: ", "Risk: ", "Undo: ", "may answer"))
    assert buttons(card) == ["Approve", "Deny"]
    assert f"<@{ANA}>" in shown(card)
    assert f"<@{ANA}>" in card["text"]
    answer = await slack.sends(slack.people.press(card, "Approve", ANA))
    assert (answer.status_code, answer.content) == (200, b"")
    (given,) = await slack.answered()
    assert (given.yes, given.by.actor, given.by.via, given.by.proof) == (True, "Ana", "slack", Proof.SLACK)
    await until(lambda: not buttons(slack.card("roll-back")))
    assert "approve, by Ana (On-Call), identified by Slack" in shown(slack.card("roll-back"))
    assert "identified by Slack" in shown(slack.card("roll-back"))
    assert slack.workspace.private == []
    await contain(slack)
    assert slack.it.incident.contained


async def test_the_thread_has_a_post_at_each_turn(slack: SlackScene) -> None:
    """The summary is updated silently; the thread tells of the answer and of the containment."""
    await slack.sends(slack.people.press(slack.card("roll-back"), "Approve", BEN))
    await slack.answered()
    await contain(slack)
    await slack.due()  # one turn is posted after the other
    texts = "\n".join(shown(message) for message in slack.thread())
    assert 'Ben (CTO) approved "Roll back traffic' in texts
    assert "ontained" in texts
    (summary,) = {message["thread_ts"] for message in slack.thread()}
    assert summary in {message["ts"] for message in slack.messages if "thread_ts" not in message}


async def test_the_end_closes_each_card_and_is_told_in_the_thread(slack: SlackScene) -> None:
    """No button is left that would decide nothing."""
    by = slack.it.engine.people.who("Ana", "incident_commander", "page")
    slack.it.engine.people.resolve(slack.it.incident_id, "The provider was down, and is back.", by)
    assert slack.it.incident.over
    await slack.due()
    await slack.due()
    assert [buttons(message) for message in slack.thread() if buttons(message)] == []
    assert "has ended" in shown(slack.card("roll-back")) or "withdrawn" in shown(slack.card("roll-back"))
    assert await until(lambda: slack.posted("The provider was down"))
