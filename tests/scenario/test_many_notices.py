"""A plan names many people: each is notified once, and the work grows with their number, not with its square."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from typing_extensions import override

from allclear.domain.notify.notice_tries import step_of
from allclear.domain.plan import Kind, MessageAction
from allclear.domain.pseudo_phases import NOTICE
from allclear.domain.records import ActIntended, ActProposed, By, ReminderDue
from tests.patience import until
from tests.scenario.many_people import Office, office, staffed
from tests.scenario.scenes import Watch

ANA = By(actor="Ana", role="on_call", via="cli")
FEW, MANY = 10, 40
KINDS = {"outage": Kind(title="Outage"), "security": Kind(title="Breach", private_for=["on_call"])}


async def notified(folder: Path, people: int, processes: int = 1) -> Office:
    """Return an office that has notified so many people."""
    it = office(folder, staffed(people), Watch(), processes)
    await it.notify()
    await it.close()
    return it


async def test_each_of_many_people_costs_the_same(tmp_path: Path) -> None:
    """A message is worked out once, and the record is not read more often for each person if there are more people."""
    few, many = await notified(tmp_path / "few", FEW), await notified(tmp_path / "many", MANY)
    assert few.box.planned == Counter({f"Box {number}": 1 for number in range(FEW)})
    assert many.box.planned == Counter({f"Box {number}": 1 for number in range(MANY)})
    assert (len(few.box.letters), len(many.box.letters)) == (FEW, MANY)
    for call in ("head", "entries", "append", "claim", "finish"):
        assert many.journals[0].calls[call] * FEW <= few.journals[0].calls[call] * MANY, call


async def test_each_of_many_people_costs_the_same_in_a_private_incident(tmp_path: Path) -> None:
    """For each message it is decided whether its words are from before; no message reads the whole record for it."""
    read: list[int] = []
    for people in (FEW, MANY):
        it = office(tmp_path / str(people), staffed(people, kinds=KINDS), Watch())
        it.engines[0].people.assess(it.incident_id, {}, "security", "A table was copied.", ANA)
        await it.notify()
        await it.close()
        assert len(it.box.letters) == people
        read.append(it.journals[0].entries_read)
    assert read[1] * FEW <= read[0] * MANY


async def test_two_processes_notify_each_of_many_people_once(tmp_path: Path) -> None:
    """Both work out the same messages, and write them to the record at the same time."""
    it = await notified(tmp_path, MANY, processes=2)
    named = Counter(text.partition(":")[0] for _, text in it.box.letters)
    assert named == Counter({f"Person {number}": 1 for number in range(MANY)})
    assert len({key for key, _ in it.box.letters}) == MANY


async def test_every_message_is_in_the_record_before_it_is_sent(tmp_path: Path) -> None:
    """Those that are proposed together still have an intent each, which comes before the letter."""
    it = office(tmp_path, staffed(FEW), Watch())
    await it.notify()
    records = [entry.record for entry in it.engines[0].journal.entries(it.incident_id)]
    await it.close()
    proposed = [one.act for one in records if isinstance(one, ActProposed)]
    assert sorted(proposed) == sorted(f"{NOTICE}/{step_of(f'Person {number}', 'post')}" for number in range(FEW))
    assert sorted(one.act for one in records if isinstance(one, ActIntended)) == sorted(proposed)


async def test_a_message_that_is_no_longer_due_is_not_sent(tmp_path: Path) -> None:
    """The severity falls while the vendor is asked: the line of the plan does not apply any more."""
    it = office(tmp_path, staffed(FEW), Watch())
    it.box.opens.clear()
    await it.engines[0].reminders.start_due()
    await until(lambda: len(it.box.planned) == FEW)
    it.engines[0].people.severity(it.incident_id, "P1", "Only some cards.", ANA)
    it.box.opens.set()
    await it.engines[0].reminders.wait()
    acts = it.engines[0].conductor.incident(it.incident_id).acts
    await it.close()
    assert (it.box.letters, list(acts)) == ([], [])


async def test_a_message_says_what_is_true_when_it_is_journalled(tmp_path: Path) -> None:
    """The incident becomes private while the vendor is asked: the text is worked out anew and has nothing of it."""
    it = office(tmp_path, staffed(FEW, kinds=KINDS), Watch())
    it.box.opens.clear()
    await it.engines[0].reminders.start_due()
    await until(lambda: len(it.box.planned) == FEW)
    it.engines[0].people.assess(it.incident_id, {}, "security", "A table was copied.", ANA)
    it.box.opens.set()
    await it.engines[0].reminders.wait()
    await it.close()
    assert len(it.box.letters) == FEW
    assert [text for _, text in it.box.letters if "is private" not in text or "Card" in text] == []


async def test_no_old_word_is_sent_if_the_incident_becomes_private_just_before(tmp_path: Path) -> None:
    """The vendor is asked a last time before a letter is sent. Each person gets the new words, at once."""
    it = office(tmp_path, staffed(FEW, kinds=KINDS), Watch())
    it.box.before_sending.clear()
    await it.engines[0].reminders.start_due()
    await until(lambda: it.box.reads_begun == FEW)
    it.engines[0].people.assess(it.incident_id, {}, "security", "A table was copied.", ANA)
    it.box.before_sending.set()
    await it.engines[0].reminders.wait()
    assert it.box.letters == []
    await it.notify()
    entries = it.engines[0].journal.entries(it.incident_id)
    await it.close()
    assert len(it.box.letters) == FEW
    assert [text for _, text in it.box.letters if "is private" not in text or "Card" in text] == []
    assert [
        one.record for one in entries if isinstance(one.record, ReminderDue) and "NOT NOTIFIED" in one.record.sentence
    ] == []


async def test_words_that_change_with_the_time_are_sent(tmp_path: Path) -> None:
    """The duration of the trouble is another one at each look at the clock; the message is the same."""

    class Ticking(Watch):
        """A clock that is a second later at each look."""

        @override
        def __call__(self) -> datetime:
            self.now += timedelta(seconds=1)
            return self.now

    call = {"action": "post.letter", "with": {"message": "{incident}-{number}", "text": "{name}: it lasts {duration}"}}
    it = office(tmp_path, staffed(FEW, ways={"post": MessageAction.model_validate(call)}), Ticking())
    await it.notify()
    await it.close()
    assert (len(it.box.letters), it.box.planned.total()) == (FEW, FEW)
