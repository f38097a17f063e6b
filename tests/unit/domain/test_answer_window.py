"""What a question says about the time to answer: first the promise, then what became of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.action import Finding, Verdict
from allclear.domain.answer_window import is_promise, window_check_key, window_words
from allclear.domain.approval import ONE_PERSON, AnswerWindow, Ask, AskKind
from allclear.domain.ask_state import AskState
from allclear.domain.question import text_now
from allclear.domain.records import AskOpened, HoldStarted, StepDone
from allclear.domain.runbook import Phase
from tests.unit.engine.response.next_move_support import PLAN, PhaseStory

ZONE = PLAN.zone
HEALTH = Finding(verdict=Verdict.SUCCESS, sentence="It works.")
PROMISE = "If no one answers by 02:05 UTC and the service is still failing, the standard text is sent."


def asked(then: str) -> tuple[PhaseStory, AskState]:
    """Return a story with an open question that has five minutes, and that question."""
    story = PhaseStory(Phase.CONTAIN, {"id": "tell", "action": "dial.turn"})
    until = story.now + timedelta(minutes=5)
    window = AnswerWindow.model_validate({"until": until, "then": then})
    ask = Ask(
        id="VS-1/contain/tell",
        kind=AskKind.APPROVAL,
        phase="contain",
        step="tell",
        title="Tell",
        text=f"Why: it failed\n\n{PROMISE}",
        yes="",
        no="",
        policy=ONE_PERSON,
        window=window,
    )
    story.record(AskOpened(ask=ask))
    return story, story.incident.asks[ask.id]


@pytest.mark.parametrize("then", ["act", "fallback"])
def test_the_sentence_follows_the_state(then: str) -> None:
    """A promise of the past is never kept on the screen."""
    story, state = asked(then)
    early, late = story.now, story.now + timedelta(minutes=6)
    assert is_promise(window_words(story.incident, state, early, ZONE))
    assert "is checked now" in window_words(story.incident, state, late, ZONE)
    story.record(StepDone(phase="contain", step=window_check_key("tell"), title="x", finding=HEALTH))
    after = window_words(story.incident, state, late, ZONE)
    assert after.startswith("It was not done automatically" if then == "act" else "No one answered by")
    assert not is_promise(after)


def test_the_text_has_the_present_sentence_in_the_place_of_the_promise() -> None:
    """The rest of the text stays as it was approved."""
    story, state = asked("fallback")
    text = text_now(story.incident, state, story.now + timedelta(minutes=6), ZONE)
    assert text.startswith("Why: it failed\n\nNo one answered by")
    assert PROMISE not in text


def test_a_hold_is_said_in_place_of_the_promise() -> None:
    """Nothing happens by itself until a person releases the incident."""
    story, state = asked("act")
    story.record(HoldStarted(reason="wait"))
    assert window_words(story.incident, state, story.now, ZONE).startswith("Nothing is done automatically while")
