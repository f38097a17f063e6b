"""Messages that do not get through have one line for each vendor and cause, which counts them."""

from __future__ import annotations

from datetime import UTC

import pytest

from allclear.domain.action import ActStatus, Outcome, Refusal
from allclear.domain.notify.failing_messages import cause_of, failing_messages
from allclear.domain.pseudo_phases import LIVE_MESSAGE, REMINDER, THREAD, TICKET
from allclear.domain.records import ActFinished, ActProposed
from allclear.domain.timeline import timeline
from tests.unit.domain.stories import Story

GONE = "Slack refused to read the message 179596152{}.856591: channel_not_found."
NEXT = "Correct what the reason names, or do it by hand in Slack."


def tried(story: Story, step: str, why: str = "", *, phase: str = THREAD, proposed: bool = True) -> None:
    """Record one try of a message a minute later: `why` it failed, at the proposal or afterwards; empty if it did not.

    A failure at the proposal is that of the read that comes first.
    """
    times = len(story.incident.tries.get((phase, step), ())) + 1
    act = f"{phase}/{step}~{times}"
    refusals = [Refusal(sentence=why, next_step=NEXT)] if why and proposed else []
    status = ActStatus.FAILED if why else ActStatus.VERIFIED
    outcome = Outcome(status=status, changed=not why, sentence=why or "It is there.", next_step=NEXT if why else "")
    request = ActProposed(
        act=act,
        phase=phase,
        step=step,
        action="slack.post",
        title=f"Post {step}",
        params={},
        change=None,
        refusals=refusals,
    )
    story.after(1).record(request, ActFinished(act=act, outcome=outcome))


def lines(story: Story) -> list[str]:
    """Return what the timeline says of posts."""
    return [line.text for line in timeline(story.entries) if "Post " in line.text]


@pytest.mark.parametrize("proposed", [True, False])
def test_a_cause_has_one_line_that_counts_the_other_messages(*, proposed: bool) -> None:
    """Three messages fail, each twice: the line of the first says so, whichever read or write failed."""
    story = Story().opened()
    for number in (1, 2, 3, 1, 2, 3):
        tried(story, f"m{number}", GONE.format(number), proposed=proposed)
    (line,) = lines(story)
    assert "Post m1" in line
    assert "channel_not_found" in line
    assert "For the same reason 2 other messages have failed, the last at" in line
    assert len(timeline(story.entries, routine=True)) == len(story.entries)  # an auditor reads each


def test_another_cause_and_another_vendor_have_lines_of_their_own() -> None:
    """Only what is the same is counted together."""
    story = Story().opened()
    tried(story, "m1", GONE.format(1))
    tried(story, "m2", "Slack refused to post in #incidents: invalid_auth.")
    tried(story, "m3", "GitHub was asked to read issue 3: Not Found.", phase=TICKET)
    assert len(lines(story)) == 3


def test_a_cause_is_said_again_after_every_message_got_through() -> None:
    """While one still fails for it, the next is counted; after that the trouble is a new one."""
    story = Story().opened()
    for step, why in (("m1", GONE), ("m2", GONE), ("m1", ""), ("m3", GONE), ("m2", ""), ("m3", ""), ("m1", GONE)):
        tried(story, step, why.format(1))
    assert [line.startswith("Not possible") for line in lines(story)].count(True) == 2


def test_the_messages_of_several_incidents_are_counted_by_cause() -> None:
    """What got through at last is not counted; the cause of the most messages comes first."""
    first, second = Story("VS-1").opened(), Story("VS-2").opened()
    tried(first, "m1", "PagerDuty refused to page: not found.", phase=REMINDER)
    tried(first, "m2", GONE.format(2), phase=LIVE_MESSAGE)
    tried(first, "m3", GONE.format(3))
    tried(first, "m4", GONE.format(4))
    tried(first, "m4")
    tried(second, "m2", GONE.format(9))
    found = failing_messages([first.incident, second.incident])
    assert [(one.cause, one.messages, one.incidents, one.next_step) for one in found] == [
        ("Slack refuses: channel_not_found", 3, ["VS-1", "VS-2"], NEXT),
        ("PagerDuty refuses: not found", 1, ["VS-1"], NEXT),
    ]
    assert found[0].words(UTC).startswith("Slack refuses: channel_not_found (3 messages of 2 incidents, last tried at ")


@pytest.mark.parametrize(
    ("sentence", "cause"),
    [
        ("Slack does not allow our key to post in #x: missing_scope.", "Slack denies our key: missing_scope"),
        ("GitHub was asked to read issue 3: Not Found.", "GitHub does not find it: Not Found"),
        ("Twilio is limiting our requests for another 20 s.", "Twilio is limiting our requests for another … s"),
    ],
)
def test_a_cause_has_nothing_of_the_message(sentence: str, cause: str) -> None:
    """So that messages with one cause are counted together."""
    assert cause_of(sentence) == cause
