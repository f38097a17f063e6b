"""A process is killed at every write while it notifies people: each is notified, and a repeat says that it may be one.

No vendor here has an idempotency key, so at least once is all that can be had. The vendors' own logs are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.base import utc_now
from allclear.domain.delivery import MAY_BE_REPEAT
from allclear.domain.plan import Notification, Person
from allclear.domain.records import PhaseEntered
from allclear.journal.sql_journal import SqlJournal
from allclear.settings import Settings
from tests.contract.simulator_support import Simulated
from tests.scenario.response_support import (
    MACHINE,
    OPENED,
    Killed,
    Mortal,
    announced,
    broken,
    die,
    installed,
    new_journal,
    vintstreet,
)
from tests.scenario.scenes import Watch
from tests.scopes import DRILL

PEOPLE = {"Cara": "cto", "Theo": "tech_lead"}
WAYS = ["email", "sms"]
"""The way during which the process is killed, and the next one."""
SPOKEN_FOR = "{simulated}{audience} {name}: {notice}"


class Process(Mortal):
    """A journal of a process that does nothing more after it was killed."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the journal's attributes
        """Return the journal's attribute, unless the process is dead."""
        if 0 < self._at <= len(self.writes):
            raise Killed
        return super().__getattr__(name)


def numbered(name: str) -> str:
    """Return a person's phone number."""
    return f"+1500555{list(PEOPLE).index(name):04}"


def company() -> Company:
    """Return VintStreet with two people, whom e-mail reaches, or else a text."""
    known = vintstreet()
    people = [
        Person.model_validate(
            {
                "name": name,
                "roles": [role],
                "contacts": {
                    "email": f"{name.lower()}@drill.example",
                    "phone": numbered(name),
                },
            }
        )
        for name, role in PEOPLE.items()
    ]
    given = {"message": "{incident}-notice-{number}", "text": SPOKEN_FOR}
    ways = {
        name: call.model_copy(update={"with_": given | ({"subject": "{incident}"} if name == "email" else {})})
        for name, call in known.plan.ways.items()
        if name in WAYS
    }
    lines = [
        Notification.model_validate({"audience": role, "severities": ["P0"], "by": WAYS}) for role in PEOPLE.values()
    ]
    parts = {"people": people, "ways": ways, "notifications": lines, "mailing_lists": {}}
    return replace(known, plan=known.plan.model_copy(update=parts))


@dataclass
class Vendors:
    """The simulated vendors and the clock that several incidents share; each has a journal of its own."""

    sim: Simulated
    folder: Path
    company: Company
    watch: Watch
    settings: Settings
    number: int = 0

    def engine(self, journal: Any = None) -> Engine:  # noqa: ANN401 - a journal by delegation
        """Return a process's engine."""
        parts: dict[str, Any] = {"company": self.company, "registry": installed(), "journal": journal}
        return make_engine(self.settings, environ={}, clock=self.watch, **parts)

    def begin(self) -> None:
        """Begin anew with an empty journal."""
        self.number += 1
        url = new_journal(self.folder / str(self.number))
        self.settings = self.settings.model_copy(update={"journal_url": url})

    def open(self, engine: Engine) -> str:
        """Open an incident that was found to be real; no other one has its name."""
        incident, _ = engine.journal.open_incident(
            f"V{self.number}", OPENED.model_copy(update={"simulated": True}), MACHINE
        )
        engine.journal.append(incident, [PhaseEntered(phase="contain")], MACHINE)
        return incident

    async def rounds(self, engine: Engine, count: int = 3, seconds: float = 1) -> None:
        """Let time pass, and send what is due."""
        for _ in range(count):
            self.watch.now += timedelta(seconds=seconds)
            with suppress(Killed):
                await engine.reminders.start_due()
            await engine.reminders.wait()

    def received(self, name: str, incident: str) -> list[str]:
        """Return the texts that a person got about an incident, in order, from the vendors' logs."""
        return [text for text in self._texts() if f" {name}: " in text and f"{incident} (P0)" in text]

    def _texts(self) -> Iterator[str]:
        for entry in self.sim.world.event_log.entries():
            match entry:
                case {"kind": "write", "api": "email", "method": "data", "text": str(text)}:
                    yield text
                case {"kind": "text", "body": str(text)}:
                    yield text
                case _:
                    pass


async def killed(vendors: Vendors, at: int, when: Literal["before", "after"]) -> list[str]:
    """Kill a process at its `at`-th write, have another one carry on, and return what is wrong."""
    vendors.begin()
    inner = SqlJournal(vendors.settings.journal_url, DRILL, vendors.watch)
    process = Process(inner, at, when)
    first, second = vendors.engine(process), vendors.engine()
    try:
        incident = vendors.open(second)
        await vendors.rounds(first)
        if at and len(process.writes) < at:
            return ["end"]
        await die(first, inner)
        await vendors.rounds(second)
        await vendors.rounds(second, 3, seconds=130)  # after two minutes without a result the next way is used
        texts = {name: vendors.received(name, incident) for name in PEOPLE}
        wrong = [f"{name} was forgotten" for name, got in texts.items() if not got]
        marked = [text for got in texts.values() for text in got[1:] if not is_repeat(text)]
        return [*wrong, *(f"not marked as a repeat: {text}" for text in marked)]
    finally:
        await second.close()


def is_repeat(text: str) -> bool:
    """Return whether a message says that it may be a repeat."""
    return MAY_BE_REPEAT in text or "You may have received this already" in text


async def test_whoever_is_killed_everyone_is_notified_and_repeats_say_so(tmp_path: Path) -> None:
    """Right before each write, what was sent is not recorded; right after, what was begun is not sent."""
    watch = Watch(utc_now().replace(microsecond=0))
    async with Simulated(broken(), watch) as sim:
        settings = Settings(
            company="vintstreet", journal_url=new_journal(tmp_path), simulation=announced(sim, tmp_path)
        )
        vendors = Vendors(sim, tmp_path, company(), watch, settings)
        wrong: dict[str, list[str]] = {}
        for when in ("before", "after"):
            for at in range(1, 100):
                found = await killed(vendors, at, when)
                if found == ["end"]:
                    assert at > 6, "too few writes were made"
                    break
                wrong |= {f"{when} write {at}": found} if found else {}
        assert wrong == {}
