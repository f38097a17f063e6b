"""Cards and threads in the simulated Slack: strangers' words, lengths, links, and buttons that vanish."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.action import Verdict
from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.base import Candidate
from allclear.domain.errors import AnswerLost, VendorRefused
from allclear.domain.links import LinkTo
from allclear.domain.notify.channel import Card, CardButton, CardRow, Post, button_value, read_button
from allclear.domain.plan.slack_ids import slack_user_id
from allclear.vendors.slack_blocks import mentions
from tasks.slack import MessageParams, PostMessage
from tasks.slack_channel import SlackChannel
from tests.contract.actions_support import SimulatedContext, carried_out, dumped, production
from tests.contract.simulator_support import Simulated, fault, recorded

HOSTILE = "*Pay* <https://evil.test|here> <!channel> <@U0EVE00001> ```rm``` & :fire:"
SUMMARY = {"message": "VS-1-alert", "text": "…", "channel": "#incidents"}


class SecretLinks:
    """Makes links that must not be stored."""

    def href(self, to: LinkTo) -> str:
        """Return an address with a secret in it."""
        return f"https://allclear.test/i/{to.incident}?token=s3cret#{to.ask.rpartition('/')[2]}"

    def from_outside(self, path: str) -> str:
        """Return the address of a path."""
        return f"https://allclear.test{path}"


def a_card(words: str = "the change", **more: Any) -> Card:  # noqa: ANN401 - fields of a card
    """Return the card of an approval."""
    fields: dict[str, Any] = {
        "ask": "VS-1/contain/roll-back",
        "rows": [CardRow(name="traffic", before=words, after=words)],
        "why": words,
        "risk": words,
        "undo": words,
        "who": words,
        "commands": "allclear approve VS-1/contain/roll-back",
        "buttons": [
            CardButton(words="Approve", value="0 abc VS-1/contain/roll-back", yes=True),
            CardButton(words="Deny", value="1 abc VS-1/contain/roll-back", yes=False),
        ],
    }
    return Card.model_validate(fields | more)


def params(card: Card | None = None, text: str = "VS-1: a question", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return the parameters of a post in the thread."""
    return SlackChannel().params(SUMMARY, Post(key="ask-17", text=text, card=card, **more))


async def with_summary(context: SimulatedContext, *, hears: bool = True) -> PostMessage:
    """Return the action, after the summary was posted."""
    context.links = SecretLinks()
    action = PostMessage(context)
    action.slack.hears = hears
    await carried_out(action, **SUMMARY)
    return action


def replies(sim: Simulated) -> list[dict[str, Any]]:
    """Return the posts in the thread, oldest first."""
    return [message for message in sim.world.workspace.channels[0].messages if message.get("thread_ts")]


def texts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the texts of a message's blocks."""
    return [block["text"] for block in message["blocks"] if "text" in block]


async def test_a_card_shows_strangers_words_as_they_are_and_its_link_is_in_no_record() -> None:
    """Only our own mention is markup; the link is made when the card is sent."""
    async with production() as (sim, context):
        action = await with_summary(context)
        done = await carried_out(action, **params(a_card(HOSTILE), HOSTILE, people=["U0ANA00001", "@ben"]))
        (reply,) = replies(sim)
        markup = [text["text"] for text in texts(reply) if text["type"] == "mrkdwn"]
        assert markup == ["<@U0ANA00001>"]
        assert any(HOSTILE in text["text"] for text in texts(reply) if text["type"] == "plain_text")
        assert reply["text"].replace("<@U0ANA00001>", "").count("<") == 0
        approve, deny, page = reply["blocks"][-1]["elements"]
        assert (approve["style"], deny["style"]) == ("primary", "danger")
        assert approve["value"] == "0 abc VS-1/contain/roll-back"
        assert page["url"] == "https://allclear.test/i/VS-1?token=s3cret#roll-back"
        assert "s3cret" not in dumped(done) + str(reply["metadata"])
        (_, post) = recorded(sim, "write", api="slack", method="chat.postMessage")
        assert (post["unfurl_links"], post["unfurl_media"]) == (False, False)


async def test_a_closed_card_is_the_same_message_without_buttons() -> None:
    """The update takes the buttons away and says how it ended; a repeated update changes nothing."""
    async with production() as (sim, context):
        action = await with_summary(context)
        first = await carried_out(action, **params(a_card()))
        closed = a_card(buttons=[], commands="", closed="Closed: approve, said Ana (identified by Slack).")
        last = await carried_out(action, **params(closed))
        assert last.finding.verdict is Verdict.SUCCESS
        assert last.after.ts == first.after.ts
        (reply,) = replies(sim)
        assert [one["action_id"] for one in reply["blocks"][-1]["elements"]] == ["open-page"]
        assert any("said Ana" in text["text"] for text in texts(reply))
        assert action.target_reached(last.change, await action.observe(MessageParams.model_validate(params(closed))))


async def test_without_a_way_to_hear_presses_a_card_has_commands_instead_of_buttons() -> None:
    """A button that does nothing is worse than none."""
    async with production() as (sim, context):
        action = await with_summary(context, hears=False)
        await carried_out(action, **params(a_card()))
        (reply,) = replies(sim)
        assert [one["action_id"] for one in reply["blocks"][-1]["elements"]] == ["open-page"]
        assert any(text["text"] == "Answer with: allclear approve VS-1/contain/roll-back" for text in texts(reply))


async def test_a_card_of_any_length_fits() -> None:
    """Forty rows of the longest words, twelve buttons with long words, and a text beyond what an edit may have."""
    long = "ä" * 5_000
    many = [CardButton(words=long[:500], value=f"{number} - VS-1/contain/which", yes=True) for number in range(12)]
    card = a_card(long, rows=[CardRow(name=long, before=long, after=long)] * 40, buttons=many)
    async with production() as (sim, context):
        action = await with_summary(context)
        for text in (long, f"{long}!"):  # a post, and an edit
            done = await carried_out(action, **params(card, text, people=["U0ANA00001"]))
            assert done.finding.verdict is Verdict.SUCCESS
        (reply,) = replies(sim)
        assert len(reply["blocks"][-1]["elements"]) == 13
        assert any("32 more" in text["text"] for text in texts(reply))


async def test_a_card_whose_answer_is_lost_is_posted_once() -> None:
    """Slack posted it and the answer was lost: it is found by its key in the thread."""
    async with production() as (sim, context):
        action = await with_summary(context)
        await fault(sim, "slack", "chat.postMessage", "answer_lost")
        with pytest.raises(AnswerLost):
            await carried_out(action, **params(a_card()))
        done = MessageParams.model_validate(params(a_card()))
        seen = await action.observe(done)
        assert action.target_reached(action.plan(done, seen), seen)
        await carried_out(action, **params(a_card()))
        assert len(replies(sim)) == 1


async def test_a_thread_whose_summary_is_gone_is_refused() -> None:
    """A person deleted the summary: nothing is posted at the top of the channel instead."""
    async with production() as (sim, context):
        action = await with_summary(context)
        sim.world.workspace.channels[0].messages.clear()
        for thread in ("VS-1-alert", "VS-1-customers"):
            with pytest.raises(VendorRefused, match="no thread to post in") as refused:
                await carried_out(action, **params(a_card()) | {"thread": thread})
            assert refused.value.next_step.endswith(": allclear show VS-1.")
        assert sim.world.workspace.channels[0].messages == []


async def test_a_reminder_mentions_the_people_whom_it_is_for() -> None:
    """A message at the top of the channel can mention people, too; its text stays plain."""
    async with production() as (sim, context):
        action = PostMessage(context)
        await carried_out(action, message="VS-1-reminder", text=HOSTILE, people=["U0ANA00001", "ben@example.com"])
        (message,) = sim.world.workspace.channels[0].messages
        assert [(text["type"], text["text"]) for text in texts(message)] == [
            ("plain_text", HOSTILE),
            ("mrkdwn", "<@U0ANA00001>"),
        ]


def test_only_a_user_id_is_a_mention() -> None:
    """A handle or a name would mention no one, or someone else."""
    assert [
        slack_user_id(text) for text in ("U024BE7LH", "<@W024BE7LH>", " @U024BE7LH", "@ana", "ana@example.com", "")
    ] == [
        "U024BE7LH",
        "W024BE7LH",
        "U024BE7LH",
        None,
        None,
        None,
    ]
    assert mentions(["U024BE7LH", "@ana", "U024BE7LH"]) == "<@U024BE7LH>"


@pytest.mark.parametrize(
    "value", ["", "0", "0 abc", "-1 a VS-1/x/y", "x a VS-1/x/y", "1234 a VS-1/x/y", "² a VS-1/x/y"]
)
def test_what_is_no_button_of_ours_is_none(value: str) -> None:
    """Whatever the value is, reading it raises nothing."""
    assert read_button(value) is None


def test_a_buttons_value_is_read_as_it_was_written() -> None:
    """The question, the change's hash, and which answer; a candidate is one of the answers."""
    question = Ask(
        id="VS-1/contain/which~2",
        kind=AskKind.CHOICE,
        phase="contain",
        step="which",
        title="Which one?",
        text="",
        yes="",
        no="",
        policy=ONE_PERSON,
        digest="ab" * 32,
        choices=[Candidate(name="web-41", reason=""), Candidate(name="web-40", reason="")],
    )
    pressed = read_button(button_value(question, 1))
    assert pressed is not None
    assert (pressed.ask, pressed.digest, pressed.number) == (question.id, question.digest, 1)
    chosen = pressed.decision(question)
    assert chosen is not None
    assert (chosen.word, chosen.choice, chosen.yes) == ("choose", "web-40", True)
    assert pressed._replace(number=3).decision(question) is None
