"""The key events: twelve at most, the turns of the incident before everything else."""

from __future__ import annotations

from allclear.domain.records import Contained, DecisionMade, NoteAdded, Recovered
from allclear.postmortem.key_events import MOST, key_event_lines, key_events
from tests.unit.domain.stories import ANA, BEN, HEALTH, Story, plan


def _lines(story: Story) -> list[str]:
    return key_event_lines(story.incident, story.entries, plan()).splitlines()


def test_a_whole_incident_is_told_in_twelve_lines_at_most() -> None:
    """Beginning, detection, acknowledgement, containment, decision, fix, recovery and end are all there, in order."""
    story = Story().whole()
    lines = _lines(story)
    assert len(lines) <= MOST
    for words in (
        "14:28 - The trouble began.",
        "14:30 - Detected: alert from alertmanager. Opened as P1.",
        "14:32 - Ana (Tech Lead) acknowledged the incident.",
        '14:34 - Contained by "Roll back traffic": 20 requests: 0 failed, p95 61 ms.',
        "14:48 - Ben (Incident Commander) decided: Fix forward with revision 43. Reason: 41 lacks the tax change.",
        "14:57 - Ana (Tech Lead) reported the fix: vintstreet-00043-kal is deployed, without traffic.",
        "15:00 - Recovered: 20 requests: 0 failed, p95 61 ms.",
        "15:00 - All clear: well for five minutes on revision 43.",
    ):
        assert f"- {words}" in lines
    moments = [event.at for event in key_events(story.incident, story.entries, plan())[0]]
    assert moments == sorted(moments)


def test_many_decisions_never_push_out_a_turn() -> None:
    """Thirty decisions leave the turns where they are, and the number of those left out is given."""
    story = Story().opened().verified().paged().roll_back_proposed().contained()
    for number in range(30):
        story.after(1).record(DecisionMade(text=f"Wait for {number}"), by=BEN)
    lines = _lines(story.resolved())
    assert sum(line.startswith("- ") for line in lines) == MOST
    assert lines[-1] == "The full record has 28 more events of this kind."
    for words in ("The trouble began", "acknowledged", "Contained", "the fix", "Recovered", "All clear"):
        assert any(words in line for line in lines)


def test_a_note_is_a_key_event_if_a_person_marked_it() -> None:
    """Other notes stay in the full record."""
    story = Story().opened().after(1).record(NoteAdded(text="Support has 14 tickets", post_mortem="timeline"), by=ANA)
    lines = _lines(story.record(NoteAdded(text="Coffee is ready"), by=ANA))
    assert "- 14:31:00 - Note by Ana (Tech Lead): Support has 14 tickets." in lines
    assert not any("Coffee" in line for line in lines)


def test_a_recurrence_is_told_as_one() -> None:
    """What was contained and recovered twice says so."""
    story = Story().opened().paged().roll_back_proposed().contained()
    story.after(10).record(Contained(by="Maintenance", finding=HEALTH), Recovered(finding=HEALTH))
    lines = _lines(story.after(5).record(Recovered(finding=HEALTH)))
    assert any('Contained again by "Maintenance"' in line for line in lines)
    assert any("Recovered again" in line for line in lines)


def test_an_incident_that_has_just_opened_has_its_beginning_and_detection() -> None:
    """There is no acknowledgement before a person acted, and the times of a short incident have seconds."""
    assert _lines(Story().opened()) == [
        "- 14:28:00 - The trouble began.",
        "- 14:30:00 - Detected: alert from alertmanager. Opened as P1.",
    ]
