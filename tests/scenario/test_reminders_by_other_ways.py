"""Slack and the pager are down: urgent reminders reach people by the plan's other ways, by the vendors' own logs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from allclear.domain.records import ReminderDue
from allclear.engine.actions.message_acts import BY
from tests.scenario.rehearsal_support import Rehearsal, detected, rehearsal

KEY = "-notice-reminder-"
"""Is in the key of each reminder that is sent by one of the plan's `ways`, and in no notice."""


async def without_slack_and_pager(it: Rehearsal, *more: str) -> None:
    """Break these channels, detect the incident, and let people be reminded that the page failed."""
    for channel in ("slack", "pagerduty", *more):
        it.break_down(channel, "permission_denied")
    await detected(it)
    await it.rounds(10)


def texts(it: Rehearsal) -> list[tuple[str, str]]:
    """Return the number and the text of each reminder that Twilio has sent as a text."""
    return [(one.to, one.body) for one in it.simulated.world.twilio.texts if KEY in one.body]


def mails(it: Rehearsal) -> list[dict[str, Any]]:
    """Return the reminders that the mail server took."""
    written = [one for one in it.simulated.world.event_log.entries() if one.get("api") == "email"]
    return [one for one in written if one["kind"] == "write" and KEY in one["message_id"] and one["result"] == "done"]


def no_way_left(it: Rehearsal) -> list[str]:
    """Return the topics that say that no way is left."""
    return [topic for topic in it.incident.reminders if topic.startswith("no-way-left:")]


async def test_a_text_tells_each_person_once_that_the_page_failed(tmp_path: Path) -> None:
    """The record does not say that no way is left, and the text says what fails and what to do."""
    async with rehearsal(tmp_path, "vintstreet") as it:
        await without_slack_and_pager(it)
        told = [(to, body) for to, body in texts(it) if "The page did not get through" in body]
        assert Counter(to for to, _ in told)[it.address("on_call", "phone")] == 1
        assert set(Counter(told).values()) == {1}
        assert all(f"{it.incident_id} (P0): " in body for _, body in told)
        assert mails(it) == []
        assert no_way_left(it) == []
        acts = [act for act in it.incident.acts.values() if act.proposed.action == "twilio.text"]
        keys = Counter(act.proposed.resource for act in acts)
        assert set(keys.values()) == {1}
        before = len(texts(it))
        await it.rounds(35)  # the pager and Slack are tried again, and the text is not
        assert len(texts(it)) == before


async def test_a_mail_does_if_no_phone_is_reached_either(tmp_path: Path) -> None:
    """The texts and the calls are refused; one mail goes to everyone whom the reminder is for."""
    async with rehearsal(tmp_path, "vintstreet") as it:
        await without_slack_and_pager(it, "sms", "phone")
        (mail,) = [one for one in mails(it) if "The page did not get through" in one["text"]]
        assert it.address("on_call", "email") in mail["to"]
        assert no_way_left(it) == []


async def test_a_private_incident_is_only_said_to_wait(tmp_path: Path) -> None:
    """A text can be read on a locked screen."""
    async with rehearsal(tmp_path, "vintstreet", private=True) as it:
        await without_slack_and_pager(it)
        assert texts(it)
        for _, body in texts(it):
            assert f"{it.incident_id} waits for its readers" in body
            assert it.incident.opened.title not in body
            assert "page did not" not in body


async def test_a_call_asks_to_acknowledge_only_while_no_one_has(tmp_path: Path) -> None:
    """Else a key shows that a person received the reminder, and acknowledges nothing."""
    async with rehearsal(tmp_path, "vintstreet") as it:
        await without_slack_and_pager(it, "sms")
        called = [call for call in it.simulated.world.twilio.calls if "The page did not get through" in call.heard[0]]
        assert called
        assert all(call.heard[1] == f"Press 1 to acknowledge {it.incident_id}." for call in called)
        it.engine.people.acknowledge(it.incident_id, it.engine.people.who("Ana Ruiz", "on_call", "cli"))
        due = ReminderDue(topic="lost:99", level=1, sentence="It fails again.", roles=["cto"], urgent=True)
        it.engine.journal.append(it.incident_id, [due], BY)
        await it.rounds(6)
        (call,) = [call for call in it.simulated.world.twilio.calls if "It fails again." in call.heard[0]]
        assert call.to == it.address("cto", "phone")
        assert call.heard[1] == "Press 1 to confirm that you have heard this."
