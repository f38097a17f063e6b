"""What must not count in Slack: forged, repeated, late, another person's, for a changed change, two people at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from allclear.domain.approval import TWO_PEOPLE
from allclear.responder.slack.handler import SlackHandler
from allclear.responder.slack.payloads import Press, read_interaction
from allclear.simulator.faults import Fault
from allclear.simulator.slack_people import form_of, signed
from tests.patience import until
from tests.scenario.slack_support import ANA, BEN, CLEO, EVE, SlackScene, buttons, shown, slack_scene, with_plan


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncGenerator[SlackScene]:
    """An incident whose rollback waits for an approval."""
    async with slack_scene(tmp_path) as opened:
        yield opened


async def test_a_request_that_slack_did_not_sign_is_refused(slack: SlackScene) -> None:
    """Forged, old, from the future, without a time, with a time that is no number, twice, or no text."""
    body = form_of(slack.people.press(slack.card("roll-back"), "Approve", ANA))
    good = signed(body, slack.it.simulated.secrets["slack.signing_secret"])
    time_header, signature = "x-slack-request-timestamp", "x-slack-signature"
    secret = slack.it.simulated.secrets["slack.signing_secret"]
    forged: list[tuple[bytes, list[tuple[str, str]]]] = [
        (body, list(signed(body, "another secret").items())),
        (body, list(signed(body, secret, at=time.time() - 301).items())),
        (body, list(signed(body, secret, at=time.time() + 400).items())),
        (body + b"&more=1", list(good.items())),
        (body, [(name, value) for name, value in good.items() if name != time_header]),
        (body, [(name, value) for name, value in good.items() if name != signature]),
        (body, list((good | {time_header: "yesterday"}).items())),
        (body, list((good | {time_header: "9" * 400}).items())),
        (body, list((good | {time_header: "nan"}).items())),
        (body, list((good | {time_header: "inf"}).items())),
        (body, list((good | {time_header: "٣"}).items())),
        (body, list((good | {signature: ""}).items())),
        (body, [*good.items(), (signature, good[signature])]),
        (b"payload=\xff", list(good.items())),
    ]
    for path in ("/slack/interactions", "/slack/commands"):
        for content, headers in forged:
            raw = [(name.encode(), value.encode()) for name, value in headers]
            answer = await slack.client.post(path, content=content, headers=raw)
            assert answer.status_code == 401, headers
    assert slack.answers() == []
    assert slack.workspace.private == []


async def test_what_slack_never_sends_is_refused_and_what_we_do_not_use_is_ignored(slack: SlackScene) -> None:
    """A payload that is no JSON, or lacks a user, is 400; another kind of payload is acknowledged."""
    assert (await slack.posts("/slack/interactions", b"payload=%7B")).status_code == 400
    assert (await slack.posts("/slack/interactions", b"")).status_code == 400
    assert (await slack.sends({"type": "block_actions", "actions": []})).status_code == 400
    assert (await slack.posts("/slack/commands", b"text=hello")).status_code == 400
    assert (await slack.sends({"type": "shortcut"})).status_code == 200
    pressed = slack.people.press(slack.card("roll-back"), "Approve", ANA)
    for value in ("", "approve", "99 - VS-1/contain/roll-back", "0 - VS-999/contain/roll-back", "0 x VS-1/none"):
        pressed["actions"][0] |= {"value": value, "action_ts": f"1.{len(value)}"}
        assert (await slack.sends(pressed)).status_code == 200
    told = await slack.told(ANA, 3)
    assert any("has no such answer" in one for one in told)
    assert slack.answers() == []


async def test_a_press_that_arrives_twice_counts_once(slack: SlackScene) -> None:
    """Also if the second one reaches another process, which has not seen the first."""
    pressed = slack.people.press(slack.card("roll-back"), "Approve", ANA)
    await slack.sends(pressed)
    await slack.sends(pressed)
    await slack.answered()
    received = read_interaction(pressed)
    assert isinstance(received, Press)
    other = SlackHandler(slack.it.engine, lambda: None)
    await other.handle(received)
    await other.finish()
    assert len(slack.answers()) == 1
    assert slack.workspace.private == []


async def test_a_late_press_says_who_decided_and_what_is_asked_now(slack: SlackScene) -> None:
    """An old card that is still on a screen: its buttons decide nothing more, and one sentence says why."""
    stale = slack.people.press(slack.card("roll-back"), "Deny", BEN)
    await slack.sends(slack.people.press(slack.card("roll-back"), "Approve", ANA))
    await slack.answered()
    await slack.sends(stale)
    (sentence,) = await slack.told(BEN)
    assert "is closed: approve, said Ana" in sentence
    assert "sked now" in sentence
    assert len(slack.answers()) == 1


async def test_people_who_may_not_answer_read_why(slack: SlackScene) -> None:
    """The plan does not name Eve, and Cleo has another role."""
    for user in (EVE, CLEO):
        await slack.sends(slack.people.press(slack.card("roll-back"), "Approve", user))
    (unknown,) = await slack.told(EVE)
    assert unknown.startswith("Nothing was done: the plan names no person with your Slack user id, U0EVE00001.")
    assert "slack: U0EVE00001" in unknown
    (other,) = await slack.told(CLEO)
    assert "not for" in other
    assert slack.answers() == []
    assert buttons(slack.card("roll-back")) == ["Approve", "Deny"]


async def test_a_press_for_another_change_decides_nothing(slack: SlackScene) -> None:
    """The button holds the hash of the change that was shown; the question has another one."""
    pressed = slack.people.press(slack.card("roll-back"), "Approve", ANA)
    number, digest, ask = pressed["actions"][0]["value"].split(" ")
    pressed["actions"][0]["value"] = f"{number} {digest[::-1]} {ask}"
    await slack.sends(pressed)
    (sentence,) = await slack.told(ANA)
    assert "is not the one that you saw" in sentence
    assert slack.answers() == []


async def test_of_two_people_at_once_one_decides_and_the_other_reads_who(slack: SlackScene) -> None:
    """Ana approves while Ben denies: one answer counts, and the other person learns whose."""
    card = slack.card("roll-back")
    both = (slack.people.press(card, "Approve", ANA), slack.people.press(card, "Deny", BEN))
    await asyncio.gather(*map(slack.sends, both))
    (first, *more) = await slack.answered()
    loser = {"Ana": BEN, "Ben": ANA}[first.by.actor]
    (sentence,) = await slack.told(loser)
    assert f"said {first.by.actor} at" in sentence
    assert more == []


async def test_two_people_are_needed_and_give_their_reasons_in_a_form(tmp_path: Path) -> None:
    """The first approval leaves the card open and says what is missing; the same person does not count twice."""
    company = with_plan(approvals={"cloud_run.rollback_traffic": TWO_PEOPLE})
    async with slack_scene(tmp_path, company) as slack:
        card = slack.card("roll-back")
        assert "It needs a reason." in shown(card)
        for user, reason in ((ANA, "The release broke it."), (ANA, "Once more."), (BEN, "I agree.")):
            number = len(slack.workspace.views)
            await slack.sends(slack.people.press(card, "Approve", user))
            await until(_more(slack.workspace.views, number))
            form = slack.workspace.views[-1]
            assert form["title"]["text"] == "Give a reason"
            assert (await slack.sends(slack.people.submit(form, {"why": reason}, user))).content == b""
            await (slack.told(ANA, 2) if reason == "Once more." else until(_said(slack, reason)))
            await slack.told(ANA)
        (missing, twice) = await slack.told(ANA, 2)
        assert "One more person must approve" in missing
        assert "has answered" in twice
        assert [(one.by.actor, one.reason) for one in slack.answers()] == [
            ("Ana", "The release broke it."),
            ("Ben", "I agree."),
        ]
        await slack.due()
        assert buttons(slack.card("roll-back")) == []
        closed = shown(slack.card("roll-back")).partition("Closed: ")[2]
        assert 0 < closed.index("approve, by Ana") < closed.index("approve, by Ben")


async def test_a_form_that_cannot_open_is_reported(tmp_path: Path) -> None:
    """Slack refuses the form: the person reads one sentence, and may press again."""
    company = with_plan(approvals={"cloud_run.rollback_traffic": TWO_PEOPLE})
    async with slack_scene(tmp_path, company) as slack:
        pressed = slack.people.press(slack.card("roll-back"), "Approve", ANA)
        slack.workspace.used_triggers.add(pressed["trigger_id"])
        await slack.sends(pressed)
        (sentence,) = await slack.told(ANA)
        assert "exchanged_trigger_id" in sentence
        await slack.sends(slack.people.press(slack.card("roll-back"), "Approve", ANA))
        await until(lambda: slack.workspace.views)


@pytest.mark.parametrize(
    "kind", ["unavailable", "server_error", "login_page", "permission_denied", "rate_limited", "answer_lost", "slow"]
)
async def test_an_answer_counts_while_slack_is_away(slack: SlackScene, kind: str) -> None:
    """Slack takes neither the sentence nor the update: the answer stands, and later the card loses its buttons."""
    pressed = slack.people.press(slack.card("roll-back"), "Approve", ANA)
    away = Fault.model_validate({"api": "slack", "kind": kind, "times": 60, "seconds": 1})
    slack.it.simulated.world.faults.set(away)
    await slack.sends(pressed)
    await slack.answered()
    slack.it.simulated.world.faults.clear()
    await until(lambda: len(slack.answers()) == 1)
    for _ in range(4):
        slack.it.watch.now = slack.it.watch.now.replace(minute=(slack.it.watch.now.minute + 10) % 60)
        await slack.due()
    await until(lambda: not buttons(slack.card("roll-back")))
    cards = [one for one in slack.thread() if "may answer" in shown(one) or "Closed" in shown(one)]
    assert len({one["metadata"]["event_payload"]["key"] for one in cards}) == len(cards)


def _more(views: list[object], number: int) -> Callable[[], bool]:
    return lambda: len(views) > number


def _said(slack: SlackScene, reason: str) -> Callable[[], bool]:
    return lambda: any(one.reason == reason for one in slack.answers())
