"""The table of the acts on production has no messages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.action import ActStatus, Outcome, Refusal
from allclear.domain.pseudo_phases import LIVE_MESSAGE, THREAD
from allclear.domain.records import ActFinished, ActProposed
from allclear.postmortem.acts_table import acts_table, messages_list
from tests.unit.domain.stories import Story, plan


@pytest.mark.parametrize(("phase", "listed"), [(LIVE_MESSAGE, False), (THREAD, False), ("contain", True)])
def test_a_refused_update_of_a_message_is_no_act_on_production(phase: str, *, listed: bool) -> None:
    """While the channel is away there is one in each minute, and none of them touched production."""
    story = Story().opened().verified().paged().roll_back_proposed().contained()
    before = acts_table(story.incident, plan())
    refusal = Refusal(sentence="The channel is away.", next_step="Look.")
    story.record(
        ActProposed(
            act=f"{phase}/1",
            phase=phase,
            step="1",
            action="slack.post",
            title="Post a turn",
            params={},
            change=None,
            refusals=[refusal],
        ),
        ActFinished(
            act=f"{phase}/1",
            outcome=Outcome(status=ActStatus.REFUSED, changed=False, sentence=refusal.sentence),
        ),
    )
    after = acts_table(story.incident, plan())
    assert ("Post a turn" in after, after == before) == (listed, not listed)


def test_messages_stand_in_the_order_in_which_they_were_done() -> None:
    """An update of the status page waits for its approval; what was sent meanwhile stands before it."""
    story, done = Story().opened().verified(), Outcome(status=ActStatus.VERIFIED, changed=True, sentence="Sent.")
    for name in ("status-page", "chat"):
        story.record(
            ActProposed(
                act=name, phase="detect", step=name, action="slack.post", title=name, params={}, change=None, tells=True
            )
        )
    story.after(1).record(ActFinished(act="chat", outcome=done))
    story.after(1).record(ActFinished(act="status-page", outcome=done))
    first, second = messages_list(story.incident, plan()).splitlines()
    assert first == f"- {story.now - timedelta(minutes=1):%H:%M} chat: done and verified"
    assert second == f"- {story.now:%H:%M} status-page: done and verified"


def test_a_long_message_does_not_hide_what_became_of_it() -> None:
    """An invitation names everyone, and whether it was sent stands at its end."""
    story = Story().opened().verified()
    proposed = ActProposed(
        act="invite",
        phase="detect",
        step="invite",
        action="slack.post",
        title="Invite " + "everyone " * 40,
        params={},
        change=None,
        tells=True,
    )
    outcome = Outcome(status=ActStatus.FAILED, changed=False, sentence="Slack does not answer.")
    story.record(proposed, ActFinished(act="invite", outcome=outcome))
    (line,) = messages_list(story.incident, plan()).splitlines()
    assert line.endswith("…: failed: Slack does not answer.")
