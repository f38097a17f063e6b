"""The words that answer a question, and the decisions that name it."""

from __future__ import annotations

from itertools import chain

import pytest

from allclear.domain.approval import ANSWER_WORDS, ONE_PERSON, Ask, AskKind, command_of
from allclear.domain.base import Candidate, is_blank
from allclear.domain.decisions import decision_for, decision_named, decisions, named_ask
from allclear.domain.errors import NotAllowed
from allclear.domain.text import answer_commands

WEBS = [Candidate(name="web-41", reason="well for two days"), Candidate(name="none", reason="an odd name")]


def an_ask(kind: AskKind, ask_id: str = "VS-12/contain/roll-back") -> Ask:
    """Return a question of that kind."""
    return Ask(
        id=ask_id,
        kind=kind,
        phase="contain",
        step="roll-back",
        title="Send 100 % to web-41.",
        text="?",
        yes="It is done.",
        no="It is not done.",
        policy=ONE_PERSON,
        choices=WEBS if kind is AskKind.CHOICE else [],
    )


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (AskKind.APPROVAL, ["approve: VS-12/contain/roll-back", "deny: VS-12/contain/roll-back"]),
        (AskKind.STEP, ["done: VS-12/contain/roll-back", "not done: VS-12/contain/roll-back"]),
        (AskKind.FALSE_ALARM, ["false alarm: VS-12/contain/roll-back", "real: VS-12/contain/roll-back"]),
        (AskKind.RETRY, ["try again: VS-12/contain/roll-back", "go on: VS-12/contain/roll-back"]),
        (
            AskKind.CHOICE,
            [
                "choose web-41: VS-12/contain/roll-back",
                "choose none: VS-12/contain/roll-back",
                "none of them: VS-12/contain/roll-back",
            ],
        ),
    ],
)
def test_each_decision_names_its_question(kind: AskKind, texts: list[str]) -> None:
    """It is read back as the same decision, for the same question."""
    ask = an_ask(kind)
    offered = decisions(ask)
    assert [decision.text for decision in offered] == texts
    assert [decision.yes for decision in offered] == [*[True] * (len(texts) - 1), False]
    for decision in offered:
        assert named_ask(decision.text) == ask.id
        assert decision_named(ask, decision.text) == decision


@pytest.mark.parametrize("kind", AskKind)
def test_a_decision_about_another_question_answers_nothing(kind: AskKind) -> None:
    """The second question of a step, and a longer id, are other questions."""
    texts = {decision.text for decision in decisions(an_ask(kind))}
    for other in ("VS-12/contain/roll-back~2", "VS-12/contain/roll-back-2", "VS-1/contain/roll-back"):
        assert not texts & {decision.text for decision in decisions(an_ask(kind, other))}
        for text in texts:
            with pytest.raises(NotAllowed):
                decision_named(an_ask(kind, other), text)


def test_each_word_answers_one_kind_of_question() -> None:
    """So a word, and the command of that name, never means two things."""
    words = list(chain.from_iterable(ANSWER_WORDS))
    assert len(words) == len(set(words))


@pytest.mark.parametrize("kind", AskKind)
@pytest.mark.parametrize("word", ["approve", "deny", "done"])
def test_a_wrong_word_is_refused_with_the_right_commands(kind: AskKind, word: str) -> None:
    """`approve` of a step says that `done` is meant."""
    ask = an_ask(kind)
    yes, no = answer_commands(ask)
    assert yes.startswith(f"allclear {command_of(ask.words[0])} VS-12/contain/roll-back")
    assert no.startswith(f"allclear {command_of(ask.words[1])} VS-12/contain/roll-back")
    if word in ask.words:
        assert decision_for(ask, word).yes == (word == ask.words[0])
        return
    with pytest.raises(NotAllowed) as caught:
        decision_for(ask, word)
    assert caught.value.message == f'"{word}" does not answer {ask.id} (Send 100 % to web-41).'
    assert caught.value.next_step == f"Answer with: {yes} or: {no}"


@pytest.mark.parametrize("text", ["", "   ", "\t\n", "\u200b\u2060", "\u3164", "\x00\x1b", " \u0301"])
def test_what_cannot_be_seen_is_blank(text: str) -> None:
    """Spaces, control and format characters, fillers and lonely accents make no name."""
    assert is_blank(text)


@pytest.mark.parametrize("text", ["A", "李", "é", " Ю ", "7", "?"])
def test_what_can_be_seen_is_not_blank(text: str) -> None:
    """One letter, digit or sign is enough."""
    assert not is_blank(text)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"contains": True}, ("contained", "not contained")),
        ({"ends": True}, ("close", "keep open")),
        ({}, ("done", "not done")),
    ],
)
def test_a_question_about_the_incident_itself_has_words_of_its_own(
    fields: dict[str, bool], words: tuple[str, str]
) -> None:
    """`done` would not say whether it is contained or is to be closed; an older record keeps its words."""
    ask = an_ask(AskKind.STEP).model_copy(update=fields)
    assert ask.words == words
    assert [decision.text for decision in decisions(ask)] == [f"{word}: {ask.id}" for word in words]
    assert [decision_for(ask, word).yes for word in words] == [True, False]
    yes, no = answer_commands(ask)
    assert yes.startswith(f"allclear {command_of(words[0])} ")
    assert no.startswith(f"allclear {command_of(words[1])} ")
