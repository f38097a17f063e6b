"""How long a pager is told that a page is over."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.incident import REMINDER
from allclear.domain.records import ActFinished, ActProposed
from allclear.engine.notify.page_updates import LONGEST, PAUSE, next_try
from tests.unit.domain.stories import START, Story


def test_what_failed_is_tried_again_after_ever_longer_and_at_last_no_more() -> None:
    """A message ten times; what somebody may be woken by for longer, at least every quarter of an hour."""
    story = Story().opened()
    assert next_try(story.incident, REMINDER, "1", START) == START
    for tries in range(1, 41):
        story.now = START + timedelta(hours=tries)
        act = f"reminder/1-{tries}"
        story.record(
            ActProposed(
                act=act, phase=REMINDER, step="1", action="pagerduty.resolve", title="Resolve", params={}, change=None
            ),
            ActFinished(act=act, outcome=Outcome(status=ActStatus.FAILED, changed=False, sentence="It is away.")),
        )
        message = next_try(story.incident, REMINDER, "1", START)
        page = next_try(story.incident, REMINDER, "1", START, 100)
        assert page == story.now + min(PAUSE * tries, LONGEST)
        assert message == (page if tries < 10 else None)
