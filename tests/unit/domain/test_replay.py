"""What each record changes in an incident; `tests/property/test_replay.py` does the same for arbitrary histories."""

from __future__ import annotations

import pytest

from allclear.domain.errors import JournalError
from allclear.domain.records import Acknowledged, AlertJoined, Contained, NoteAdded, SeverityChanged
from allclear.domain.replay import apply_to, replay
from tests.unit.domain.stories import ANA, HEALTH, MACHINE, Story


def test_without_entries_there_is_no_incident() -> None:
    """Replaying an empty record gives None."""
    assert replay([]) is None


def test_a_record_must_begin_with_its_opening() -> None:
    """The error names the command that checks the record."""
    entries = Story().opened().entries
    with pytest.raises(JournalError, match="does not begin with its opening") as refused:
        replay(entries[1:])
    assert refused.value.next_step == "allclear verify VS-12"


def test_applying_the_rest_equals_replaying_everything() -> None:
    """An incident that is brought up to date is the same as one that is replayed, and the old one does not change."""
    entries = Story().whole().entries
    for length in range(1, len(entries)):
        known, again = replay(entries[:length]), replay(entries[:length])
        assert known is not None
        assert apply_to(known, entries[length:]) == replay(entries)
        assert known == again


def test_the_first_entry_of_a_person_acknowledges() -> None:
    """A note is enough; the entries of allclear itself are not."""
    story = Story().opened().record(NoteAdded(text="x"), by=MACHINE)
    assert story.incident.acknowledged_at is None
    story.after(1).record(NoteAdded(text="looking at it"), by=ANA)
    assert (story.incident.acknowledged_at, story.incident.acknowledged_by) == (story.now, "Ana")
    first = story.now
    story.after(1).record(Acknowledged(), by=ANA)
    assert story.incident.acknowledged_at == first


def test_the_first_containment_counts() -> None:
    """A later proof does not move the time to contain."""
    story = Story().opened().record(Contained(by="one", finding=HEALTH))
    first = story.now
    story.after(5).record(Contained(by="two", finding=HEALTH))
    assert story.incident.contained_at == first
    assert story.incident.contained is not None
    assert story.incident.contained.by == "one"


def test_severities_are_kept_in_order() -> None:
    """The last one counts, and the earlier ones are known."""
    story = Story().opened()
    opened = story.incident.severity
    story.record(
        SeverityChanged(was=opened, now="P0", reason="worse"), SeverityChanged(was="P0", now="P2", reason="better")
    )
    assert (story.incident.severity, story.incident.severities_had) == ("P2", [opened, "P0", "P2"])


def test_an_alert_that_stops_flapping_is_no_longer_listed() -> None:
    """The last record of an alert decides whether it is flapping."""
    alert = AlertJoined(delivery="1", source="sentry", key="k", state="firing", title="Errors", flapping=True)
    story = Story().opened().record(alert)
    assert list(story.incident.flapping) == ["k"]
    assert not story.record(alert.model_copy(update={"flapping": False})).incident.flapping
