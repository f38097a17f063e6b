"""A message that was begun and not sent, because its process died or its vendor refused it for a while.

Whether it is still sent is decided right before each write.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError, Conflict, VendorRefused
from allclear.domain.plan import Kind
from allclear.domain.pseudo_phases import NOTICE
from allclear.domain.records import ActIntended, By
from allclear.engine.actions.executor import LEASE
from allclear.engine.actions.message_acts import BY
from allclear.journal.rows import Acquired
from allclear.journal.sql_journal import SqlJournal
from tests.patience import until
from tests.scenario.many_people import REAL, Office, office, staffed
from tests.scenario.scenes import Watch

ANA = By(actor="Ana", role="on_call", via="cli")
KINDS = {"outage": Kind(title="Outage"), "security": Kind(title="Breach", private_for=["on_call"])}

LIMITED = VendorRefused("It limits us.", "Wait.", passes=True, seconds=0)
OVERTAKEN = Conflict("Another version is there.", "Read it again.")
Change = Callable[[Engine, str], object]


def becomes_private(engine: Engine, incident: str) -> None:
    """Make the incident private."""
    engine.people.assess(incident, {}, "security", "A table was copied.", ANA)


def ends(engine: Engine, incident: str) -> None:
    """End the incident."""
    engine.people.false_alarm(incident, "It was a test.", ANA)


def begun_and_died(it: Office, folder: Path) -> None:
    """Leave the one message of the incident with an intent of a process that has died."""
    act = it.engines[0].conductor.incident(it.incident_id).tries[NOTICE, "person-0-post"][-1]
    change = it.engines[0].conductor.incident(it.incident_id).acts[act].change or {}
    journal = SqlJournal(f"sqlite:///{folder / 'journal.db'}", REAL, it.clock)
    intent = ActIntended(act=act, digest="d", change=change, holder=journal.holder)
    assert isinstance(journal.claim(change["resource"], it.incident_id, act, LEASE, intent, BY), Acquired)
    journal.close()


async def finish_read(it: Office, count: int) -> None:
    """Let the running read of the letter box finish, and wait until the next one begins."""
    it.box.before_sending.set()
    it.box.before_sending.clear()
    await until(lambda: it.box.reads_begun == count)


@pytest.mark.parametrize(
    ("change", "why"),
    [(becomes_private, "VS-1 has become private since"), (ends, "the incident has ended since")],
    ids=["private", "ended"],
)
@pytest.mark.parametrize("reads", [1, 2], ids=["before the claim", "after the claim"])
async def test_a_resumed_message_is_not_sent_if_what_it_says_is_over(
    tmp_path: Path, change: Change, why: str, reads: int
) -> None:
    """The record changes during the first read of the letter box, or during the read after the claim."""
    it = office(tmp_path, staffed(1, kinds=KINDS), Watch())
    engine = it.engines[0]
    it.box.before_sending.clear()
    await engine.reminders.start_due()
    await until(lambda: it.box.reads_begun == 1)
    begun_and_died(it, tmp_path)
    if reads == 2:
        await finish_read(it, 2)
    change(engine, it.incident_id)
    it.box.before_sending.set()
    await engine.reminders.wait()
    (first,) = engine.conductor.incident(it.incident_id).acts.values()
    assert first.outcome is not None
    assert (why in first.outcome.sentence, it.box.letters) == (True, [])
    await it.notify()
    await it.close()
    assert [text for _, text in it.box.letters if "Card" in text] == []


async def test_a_resumed_message_that_was_not_sent_is_written_anew(tmp_path: Path) -> None:
    """It had not been sent, so the person gets the new words, at once."""
    it = office(tmp_path, staffed(1, kinds=KINDS), Watch())
    it.box.before_sending.clear()
    await it.engines[0].reminders.start_due()
    await until(lambda: it.box.reads_begun == 1)
    begun_and_died(it, tmp_path)
    becomes_private(it.engines[0], it.incident_id)
    it.box.before_sending.set()
    await it.engines[0].reminders.wait()
    await it.notify()
    await it.close()
    assert ["is private" in text for _, text in it.box.letters] == [True]


@pytest.mark.parametrize("fault", [LIMITED, OVERTAKEN], ids=["limited", "conflict"])
@pytest.mark.parametrize(
    ("change", "why"),
    [(becomes_private, "VS-1 has become private since"), (ends, "the incident has ended since")],
    ids=["private", "ended"],
)
async def test_a_message_is_not_sent_again_with_words_that_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change, why: str, fault: AllclearError
) -> None:
    """The vendor refuses the first write, and the record changes before the second. Nothing has the old words."""
    it = office(tmp_path, staffed(1, kinds=KINDS), Watch())
    engine = it.engines[0]
    refuse_once(engine, "post.letter", fault, lambda: change(engine, it.incident_id), monkeypatch)
    await engine.reminders.start_due()
    await engine.reminders.wait()
    (first,) = engine.conductor.incident(it.incident_id).acts.values()
    assert first.outcome is not None
    assert (why in first.outcome.sentence, first.outcome.drifted, it.box.letters) == (True, True, [])
    await it.notify()
    await it.close()
    assert [text for _, text in it.box.letters if "Card" in text] == []
    assert len(it.box.letters) == (1 if change is becomes_private else 0)


async def test_a_message_that_was_limited_is_sent_if_its_words_still_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor refuses the first write for a while, and nothing changes."""
    it = office(tmp_path, staffed(1, kinds=KINDS), Watch())
    refuse_once(it.engines[0], "post.letter", LIMITED, lambda: None, monkeypatch)
    await it.notify()
    await it.close()
    assert len(it.box.letters) == 1


def refuse_once(
    engine: Engine, action: str, fault: AllclearError, then: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the next write of an action fail; `then` happens before the next one."""
    sender = engine.executor.action(action)
    write, faults = sender.apply, [fault]

    async def refusing(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the action
        if faults:
            then()
            raise faults.pop()
        return await write(*args, **more)

    monkeypatch.setattr(sender, "apply", refusing)
