"""A process is killed at every write while it notifies people: each is notified, and a repeat says that it may be one.

No vendor here has an idempotency key, so at least once is all that can be had. The vendors' own logs are read. If no
message was handed over between two writes, right before the second is the same as right after the first.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.domain.base import utc_now
from allclear.domain.notify.notice_tries import begun_notices
from allclear.domain.records import By
from allclear.simulator.scenario import Production
from allclear.simulator.scenario_schema import PhoneSpec
from tests.contract.simulator_support import Simulated
from tests.property.killed_support import (
    PEOPLE,
    WAYS,
    Vendors,
    When,
    carried_on,
    contacts_of,
    keep_tasks_apart,
    killed,
    notified_by,
)
from tests.scenario.response_support import broken
from tests.scenario.scenes import Watch

AROUND_A_MESSAGE: list[tuple[str, When]] = [("claim", "after"), ("finish", "before"), ("finish", "after")]
WRITES_OF_TWO = 5
"""The writes with which two messages are sent by one way; later ones are of the next way, which has its own test."""
ANA = By(actor="Ana", role="on_call", via="cli")


def hanging_up() -> Production:
    """Return a production in which a person who is called hangs up. A key would be posted to a responder."""
    numbers = [contacts_of(name)["phone"] for name in PEOPLE]
    phones = [PhoneSpec(number=number, call="hangs-up") for number in numbers]
    return broken().model_copy(update={"twilio": broken().twilio.model_copy(update={"phones": phones})})


@asynccontextmanager
async def vendors_for(folder: Path, way: str) -> AsyncGenerator[Vendors]:
    """Yield the vendors of a company that reaches its people by a way, and by e-mail after it (a text after e-mail)."""
    watch = Watch(utc_now().replace(microsecond=0))
    keep_tasks_apart()
    async with Simulated(hanging_up(), watch) as sim:
        yield Vendors(sim, folder, notified_by(way, "sms" if way == "email" else "email"), watch)


@pytest.mark.parametrize("way", WAYS)
async def test_whoever_is_killed_everyone_is_notified_and_repeats_say_so(tmp_path: Path, way: str) -> None:
    """Right before a write, what was sent is not recorded; right after it, what was begun is not sent."""
    async with vendors_for(tmp_path, way) as vendors:
        whole = await carried_on(vendors, 0, "after")
        assert whole.wrong == []
        points = [point for point in whole.points if point[0] <= WRITES_OF_TWO]
        assert len(points) > 5, "too few writes were made"
        found = {point: (await carried_on(vendors, *point)).wrong for point in points}
        assert {point: wrong for point, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_sends_at_the_same_time_carries_on_at_once(tmp_path: Path, when: When) -> None:
    """It waits for the one that is killed with a claim, or sends another of the messages itself."""
    async with vendors_for(tmp_path, "email") as vendors:
        ran = {kind: await carried_on(vendors, kind, when, beside=True) for kind in ("append", "claim", "finish")}
        assert ran["claim"].killed, "the other process was always first"
        assert {kind: one.wrong for kind, one in ran.items() if one.wrong} == {}


@pytest.mark.parametrize("way", ["sms", "email"])
async def test_an_interrupted_notice_gets_its_outcome_although_the_incident_has_ended(tmp_path: Path, way: str) -> None:
    """No one is notified of what is over; each person with the message reads how it ended."""
    async with vendors_for(tmp_path, way) as vendors:
        for at, when in AROUND_A_MESSAGE:
            async with killed(vendors, at, when) as left:
                vendors.watch.now += timedelta(seconds=1)
                before = {name: len(vendors.received(name, left.incident)) for name in PEOPLE}
                left.other.people.false_alarm(left.incident, "The probe was wrong.", ANA)
                await vendors.rounds(left.other, 3)
                assert begun_notices(left.other.conductor.incident(left.incident)) == []
                for name, count in before.items():
                    later = vendors.received(name, left.incident)[count:]
                    assert all("FALSE ALARM" in text for text in later), (at, when)
                    assert len(later) == 1 if count else len(later) <= 1, (at, when)
