"""A message may be pending for minutes, as a call, or because its vendor hangs: it delays no message by another way."""

from __future__ import annotations

from pathlib import Path

from allclear.domain.plan import ReminderRules
from allclear.domain.records import ReminderDue
from allclear.engine.actions.message_acts import BY
from tests.patience import until
from tests.scenario.many_people import WAYS, addressed, office, staffed
from tests.scenario.scenes import Watch


def reminder(person: str) -> ReminderDue:
    """Return an urgent reminder to one person."""
    return ReminderDue(
        topic=f"due:{person}", level=1, sentence=f"{person} is waited for.", roles=["cto"], people=[person], urgent=True
    )


async def test_a_reminder_that_is_pending_holds_up_no_other_one(tmp_path: Path) -> None:
    """The first person's letter waits; the second one's arrives, and then the first one's, each once."""
    people = [addressed("Ana"), addressed("Ben")]
    company = staffed(0, people=people, notifications=[], reminders=ReminderRules())
    it = office(tmp_path, company, Watch())
    engine = it.engines[0]
    engine.journal.append(it.incident_id, [reminder("Ana"), reminder("Ben")], BY)
    it.box.opens.clear()
    it.box.waits = {"Box of Ana"}
    await engine.reminders.start_due()
    await until(lambda: any("Ben is waited for" in text for _, text in it.box.letters))
    assert not any("Ana is waited for" in text for _, text in it.box.letters)
    await engine.reminders.start_due()
    it.box.opens.set()
    await engine.reminders.wait()
    await engine.reminders.start_due()
    await engine.reminders.wait()
    await it.close()
    assert [sum(f"{name} is waited for" in text for _, text in it.box.letters) for name in ("Ana", "Ben")] == [1, 1]


MORE_THAN_ARE_SENT_AT_ONCE = 60


async def test_a_vendor_that_hangs_delays_no_notice_by_another_way(tmp_path: Path) -> None:
    """Sixty letters wait for the post; what the courier brings arrives."""
    people = [addressed(f"Person {number}") for number in range(MORE_THAN_ARE_SENT_AT_ONCE)]
    company = staffed(0, people=[*people, addressed("Zoe", "courier")], ways=WAYS)
    it = office(tmp_path, company, Watch())
    it.box.opens.clear()
    it.box.waits = {f"Box of {one.name}" for one in people}
    await it.engines[0].reminders.start_due()
    await until(lambda: it.box.letters)
    assert [text.partition(":")[0] for _, text in it.box.letters] == ["Zoe"]
    it.box.opens.set()
    await it.engines[0].reminders.wait()
    await it.close()
    assert len(it.box.letters) == len(people) + 1


async def test_a_vendor_that_hangs_delays_no_reminder_by_another_way(tmp_path: Path) -> None:
    """The same holds for reminders."""
    people = [addressed(f"Person {number}") for number in range(MORE_THAN_ARE_SENT_AT_ONCE)]
    everyone = [*people, addressed("Zoe", "courier")]
    company = staffed(0, people=everyone, ways=WAYS, notifications=[], reminders=ReminderRules())
    it = office(tmp_path, company, Watch())
    it.engines[0].journal.append(it.incident_id, [reminder(one.name) for one in everyone], BY)
    it.box.opens.clear()
    it.box.waits = {f"Box of {one.name}" for one in people}
    await it.engines[0].reminders.start_due()
    await until(lambda: any("Zoe is waited for" in text for _, text in it.box.letters))
    it.box.opens.set()
    await it.engines[0].reminders.wait()
    await it.close()
