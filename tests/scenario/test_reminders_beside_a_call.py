"""A reminder by one of the plan's ways may be pending for minutes, as a call: it holds up no other reminder."""

from __future__ import annotations

from pathlib import Path

from allclear.domain.plan import Person, ReminderRules
from allclear.domain.records import ReminderDue
from allclear.engine.actions.message_acts import BY
from tests.patience import until
from tests.scenario.many_people import office, staffed
from tests.scenario.scenes import Watch


def reminder(person: str) -> ReminderDue:
    """Return an urgent reminder to one person."""
    return ReminderDue(
        topic=f"due:{person}", level=1, sentence=f"{person} is waited for.", roles=["cto"], people=[person], urgent=True
    )


async def test_a_reminder_that_is_pending_holds_up_no_other_one(tmp_path: Path) -> None:
    """The first person's letter waits; the second one's arrives, and then the first one's, each once."""
    people = [
        Person.model_validate({"name": name, "roles": ["cto"], "contacts": {"post": f"Box of {name}"}})
        for name in ("Ana", "Ben")
    ]
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
