"""A second chat channel is one file and one entry point: no line of allclear knows of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from allclear.company import Company
from allclear.domain.notify.channel import Post, button_value
from allclear.domain.plan.people import Contact
from allclear.domain.proof import Proof
from allclear.domain.records import AskAnswered
from allclear.extensions import forget_installed
from tests.scenario.pages.pages_support import Waiting, asked
from tests.scenario.private_support import private
from tests.scenario.slack_support import with_plan

SECRET = "the-chats-secret"


@pytest.fixture(autouse=True)
def chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The channel is installed, as a package with one entry point."""
    package = tmp_path / "installed" / "chat-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: chat\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[allclear.channels]\nchat = tests.scenario.chat_plugin:Chat\n")
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    forget_installed()
    yield
    monkeypatch.undo()
    forget_installed()


def in_the_chat(company: Company) -> Company:
    """Return the company with the handles of two people in the chat."""
    handles = {"on_call": "ana@chat", "cto": "ben@chat"}
    people = [
        person.model_copy(
            update={
                "name": {"ana@chat": "Ana", "ben@chat": "Ben"}[handle],
                "contacts": {**person.contacts, "chat": Contact(address=handle)},
            }
        )
        if (handle := next((handles[role] for role in person.roles if role in handles), ""))
        else person
        for person in company.plan.people
    ]
    plan = company.plan.model_copy(update={"people": people})
    return Company(
        company.name, company.folder, plan, company.systems, company.runbooks, company.templates, company.post_mortem
    )


async def press(at: Waiting, user: str, number: int = 0, secret: str = SECRET) -> tuple[int, dict[str, Any]]:
    """Press a button of the card in the chat, and return the status and the answer."""
    value = button_value(at.engine.people.question(at.ask).ask, number)
    async with at.browser() as http:
        body = {"id": "1", "user": user, "value": value, "reason": "go"}
        sent = await http.post("/chat/presses", json=body, headers={"Chat-Secret": secret})
    return sent.status_code, sent.json()


def answers(at: Waiting) -> list[tuple[str, str, Proof]]:
    """Return who answered, through what, and what proves it."""
    entries = at.engine.journal.entries(at.id)
    return [(one.by.actor, one.by.via, one.by.proof) for one in entries if isinstance(one.record, AskAnswered)]


async def test_a_press_answers_once_in_the_name_of_its_user(tmp_path: Path) -> None:
    """The plan says who it is by the channel's contact, the channel proves it, and a repeat adds nothing."""
    async with asked(tmp_path, company=in_the_chat(with_plan()), environ={"CHAT_SECRET": SECRET}) as (at, _):
        assert await press(at, "ana@chat") == (200, {"said": ""})
        await press(at, "ana@chat")
        assert answers(at) == [("Ana", "chat", Proof.CHANNEL)]


async def test_what_is_not_from_the_channel_or_a_person_of_the_plan_answers_nothing(tmp_path: Path) -> None:
    """Another's secret, an unknown user, a button without an answer: each reads what is wrong and what to do."""
    async with asked(tmp_path, company=in_the_chat(with_plan()), environ={"CHAT_SECRET": SECRET}) as (at, _):
        assert (await press(at, "ana@chat", secret="guess"))[0] == 401
        status, said = await press(at, "mallory@chat")
        assert (status, "names no person with your Chat user id, mallory@chat" in said["detail"]) == (403, True)
        assert "`chat: mallory@chat`" in said["next_step"]
        status, said = await press(at, "ana@chat", number=7)
        assert (status, "has no such answer" in said["detail"]) == (403, True)
        assert answers(at) == []


async def test_a_private_incident_is_for_its_readers_there_too(tmp_path: Path) -> None:
    """Ana is on call and may not read it; Ben may."""
    async with asked(tmp_path, company=in_the_chat(private()), environ={"CHAT_SECRET": SECRET}) as (at, _):
        status, said = await press(at, "ana@chat")
        assert (status, "private, and not for Ana" in said["detail"]) == (403, True)
        assert "web-41" not in str(said)
        assert (await press(at, "ben@chat"))[0] == 200
        assert [name for name, _, _ in answers(at)] == ["Ben"]


async def test_its_messages_go_out_through_the_same_port(tmp_path: Path) -> None:
    """The engine finds it beside Slack, and asks it how a post is sent."""
    async with asked(tmp_path, company=in_the_chat(with_plan())) as (at, _):
        channels = at.engine.registry.channels
        assert set(channels) >= {"chat", "slack"}
        sent = channels["chat"].params({"message": "VS-1-team"}, Post(key="turn-3", text="It is contained."))
        assert sent == {"under": "VS-1-team", "key": "turn-3", "text": "It is contained."}
