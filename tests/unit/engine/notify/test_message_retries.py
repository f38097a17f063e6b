"""How often and how long a failing message or page update is retried."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.pseudo_phases import REMINDER
from allclear.domain.records import ActFinished, ActProposed
from allclear.engine.notify.message_retries import LONGEST, PAUSE, next_try
from tests.unit.domain.stories import START, Story


def test_a_failing_message_is_retried_with_back_off_and_a_limit() -> None:
    """A message is sent at most ten times; an update of a page more often, at least every quarter of an hour."""
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
