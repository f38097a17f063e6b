"""One record that cannot be read holds up nothing else: not the clock, not other alerts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from allclear.responder.inbox import PROOF
from allclear.responder.sources.proof import Level
from allclear.responder.taking import Taking
from tests.property.response_support import ALERT, MACHINE, OPENED, engine_on, new_journal, received


def damage(url: str, incident: str) -> None:
    """Makes the second entry of an incident unreadable, as a broken disk or a newer version would."""
    database = create_engine(url)
    with database.begin() as connection:
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        damaged = text("UPDATE entries SET record = '{}' WHERE incident = :incident AND number = 2")
        connection.execute(damaged, {"incident": incident})
    database.dispose()


def sent(engine: Any, key: str, name: str) -> str:  # noqa: ANN401 - the engine
    """Puts an alert into the inbox and returns its id."""
    body = json.dumps({"key": key, "title": name, "labels": {"alertname": name}}).encode()
    return received(engine.journal, "json", {PROOF: Level.AUTHENTICATED.value}, body, f"{key}-{name}")[0]


async def test_a_damaged_record_holds_up_no_clock_and_no_other_alert(tmp_path: Path) -> None:
    """What belongs to it waits, listed with the reason; all else goes on."""
    url = new_journal(tmp_path)
    engine = engine_on(url, None)
    first = engine.intake.take(replace(ALERT, source="json"), "delivery-1").incident
    opened = OPENED.model_copy(update={"company": "vintstreet"})
    second, _ = engine.journal.open_incident("VS", opened, MACHINE)
    await engine.close()
    assert first is not None
    damage(url, first)
    engine = engine_on(url, None)
    try:
        assert [incident.id for incident in engine.conductor.standing()] == [second]
        assert engine.windows.waiting() == []
        await engine.reminders.give()
        await engine.reminders.settled()
        assert await engine.settling.look() == []
        again, other = sent(engine, ALERT.key, "PaymentProcessingFailures"), sent(engine, "new", "LiveStreamFailures")
        Taking(engine).take_in()
        kept = engine.journal.delivery(again)
        assert (kept.state, f"An entry of {first} cannot be read." in kept.why) == ("quarantined", True)
        assert (engine.journal.delivery(other).state, engine.journal.delivery(other).incident) == ("joined", second)
    finally:
        await engine.close()
