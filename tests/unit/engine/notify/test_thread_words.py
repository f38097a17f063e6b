"""The words of cards: who may answer and by when, the answers as buttons, and how a question ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from allclear.domain.approval import ONE_PERSON, AnswerWindow, Ask, AskKind
from allclear.domain.ask_state import Answer, AskState
from allclear.domain.base import Candidate
from allclear.domain.incident import Incident
from allclear.domain.notify.channel import MOST_BUTTONS
from allclear.domain.proof import Proof
from allclear.domain.question import closing_words
from allclear.domain.records import By, IncidentEnded, IncidentOpened
from allclear.engine.notify.thread_words import card, private_card
from tests.unit.domain.stories import plan

AT = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
BY = By(actor="Ana", role="tech_lead", via="slack", proof=Proof.SLACK)


def an_ask(kind: AskKind = AskKind.APPROVAL, **more: object) -> Ask:
    """Return a question."""
    fields: dict[str, object] = {
        "id": "VS-1/contain/which",
        "kind": kind,
        "phase": "contain",
        "step": "which",
        "title": "Which one?",
        "text": r"**Now:** a \*bold\* \[link\]",
        "yes": "",
        "no": "",
        "policy": ONE_PERSON,
    }
    return Ask.model_validate(fields | more)


def an_incident() -> Incident:
    """Return an incident without entries."""
    opened = IncidentOpened(
        company="vintstreet", title="Down", severity="P0", service="web", runbook="bad-deployment", reported="-"
    )
    return Incident(id="VS-1", opened=opened, opened_at=AT, opened_by=BY, severity="P0", title="Down")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (AskKind.APPROVAL, ["Approve", "Deny"]),
        (AskKind.STEP, ["Done", "Not done"]),
        (AskKind.FALSE_ALARM, ["False alarm", "Real"]),
        (AskKind.RETRY, ["Try again", "Go on"]),
    ],
)
def test_a_card_has_the_two_words_of_its_question(kind: AskKind, words: list[str]) -> None:
    """The same words as in forms and commands."""
    shown = card(an_incident(), AskState(an_ask(kind), AT), plan(), closed=False)
    assert [button.words for button in shown.buttons] == words
    assert [button.yes for button in shown.buttons] == [True, False]
    assert shown.why == "Now: a *bold* [link]"


def test_a_choice_has_a_button_for_each_candidate_and_always_the_one_for_none() -> None:
    """Also if there are more candidates than buttons: the page offers the rest."""
    many = [Candidate(name=f"web-{number}", reason="") for number in range(30)]
    shown = card(an_incident(), AskState(an_ask(AskKind.CHOICE, choices=many), AT), plan(), closed=False)
    assert len(shown.buttons) == MOST_BUTTONS
    assert (shown.buttons[0].words, shown.buttons[-1].words) == ("Choose web-0", "None of them")
    assert shown.buttons[-1].value.startswith("30 - ")


def test_the_question_for_a_fact_has_its_values_as_buttons() -> None:
    """A person presses what is true."""
    values = [Candidate(name=name, reason="") for name in ("no", "yes")]
    asked = an_ask(AskKind.CHOICE, phase="fact", id="VS-1/fact/customer_facing", choices=values)
    shown = card(an_incident(), AskState(asked, AT), plan(), closed=False)
    assert [(button.words, button.yes) for button in shown.buttons] == [
        ("No", True),
        ("Yes", True),
        ("Not known yet", False),
    ]
    assert shown.commands.startswith("allclear answer VS-1/fact/customer_facing VALUE --as NAME")
    assert "(VALUE is no or yes)" in shown.commands


def test_a_card_says_what_happens_without_an_answer() -> None:
    """With the time in the plan's zone."""
    window = AnswerWindow(until=AT + timedelta(minutes=1), then="act")
    shown = card(an_incident(), AskState(an_ask(window=window), AT), plan(), closed=False)
    assert shown.who.endswith(" UTC, unless a person says no before.")
    assert "It is done automatically at " in shown.who


def test_each_end_of_a_question_is_said() -> None:
    """Answered, with proof and reason; withdrawn; done after its window; the incident ended meanwhile."""
    answered = AskState(an_ask(), AT, answers=[Answer(yes=False, by=BY, reason="Not now.", at=AT)])
    withdrawn = AskState(an_ask(), AT, withdrawn="It recovered.")
    window = AskState(an_ask(), AT, veto_window_ended=True)
    over = replace(an_incident(), ended=IncidentEnded(ending="resolved", reason="All is well."))
    words = [
        card(over, one, plan(), closed=True).closed for one in (answered, withdrawn, window, AskState(an_ask(), AT))
    ]
    assert words[0].startswith("Closed: ")
    assert words[0].endswith(" UTC deny, by Ana (Tech Lead), identified by Slack: Not now.")
    assert words[1] == "Closed: withdrawn: It recovered."
    both = [Answer(yes=True, by=BY.model_copy(update={"actor": name}), reason="", at=AT) for name in ("Ben", "Ana")]
    both[0] = replace(both[0], by=both[0].by.model_copy(update={"proof": Proof.LINK}))
    two = closing_words(an_incident(), AskState(an_ask(), AT, answers=both), plan())
    assert [one.partition("approve, ")[2] for one in two] == [
        "by Ben (Tech Lead), identified by a personal link",
        "by Ana (Tech Lead), identified by Slack",
    ]
    assert words[2] == "Closed: carried out automatically after its veto window."
    assert words[3] == "Closed: VS-1 has ended."
    assert closing_words(an_incident(), AskState(an_ask(), AT), plan()) == []  # it is still asked


@pytest.mark.parametrize("closed", [False, True])
def test_a_private_card_has_no_content_and_no_buttons(*, closed: bool) -> None:
    """Only the way to the page."""
    shown = private_card(AskState(an_ask(), AT, withdrawn="canary"), closed=closed)
    assert shown.buttons == []
    assert "canary" not in shown.model_dump_json()
    assert bool(shown.closed) is closed
