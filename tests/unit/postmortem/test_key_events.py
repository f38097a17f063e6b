"""The key events: twelve at most, the turns of the incident before everything else."""

from __future__ import annotations

from allclear.domain.records import Contained, DecisionMade, NoteAdded
from allclear.postmortem.key_events import MOST, key_event_lines, key_events
from tests.unit.domain.stories import ANA, BEN, HEALTH, Story, plan
from tests.unit.postmortem.recurring import alert, came_back, fires_again, lost_and_contained, recurring


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
    assert lines[-1] == "Not shown: 28 less important events. The full record has every event."
    for words in ("The trouble began", "acknowledged", "Contained", "the fix", "Recovered", "All clear"):
        assert any(words in line for line in lines)


def test_a_note_is_a_key_event_if_a_person_marked_it() -> None:
    """Other notes stay in the full record."""
    story = Story().opened().after(1).record(NoteAdded(text="Support has 14 tickets", post_mortem="timeline"), by=ANA)
    lines = _lines(story.record(NoteAdded(text="Coffee is ready"), by=ANA))
    assert "- 14:31:00 - Note by Ana (Tech Lead): Support has 14 tickets." in lines
    assert not any("Coffee" in line for line in lines)


def test_a_recurrence_is_told_as_one() -> None:
    """Contained, lost, and contained again are three events; a state that is only proven anew is none."""
    lines = _lines(recurring())
    assert '- 14:34 - Contained by "Roll back traffic": 20 requests: 0 failed, p95 61 ms.' in lines
    assert "- 14:44 - Not contained any more: 20 requests: 12 failed (60 %), p95 84 ms." in lines
    assert '- 14:54 - Contained again by "Maintenance mode": 20 requests: 0 failed, p95 61 ms.' in lines
    assert sum("ontained" in line for line in lines) == 3


def test_an_alert_that_fires_again_is_told_although_the_check_stays_good() -> None:
    """The timeline never ends with a containment that was doubted since."""
    lines = _lines(came_back())
    assert lines[-3:] == [
        '- 14:34 - Contained by "Roll back traffic": 20 requests: 0 failed, p95 61 ms.',
        "- 14:54 - Fires again after containment: Payment processing down (alertmanager).",
        "- 14:55 - Still contained: 20 requests: 0 failed, p95 61 ms.",
    ]
    other = _lines(came_back().record(alert(key="errors", title="Errors", news="a new alert")))
    assert other[-1] == "- 14:55 - Another alert fires after containment: Errors (alertmanager)."
    assert other[:-1] == lines


def test_a_person_who_confirms_that_it_is_still_contained_is_told() -> None:
    """In an incident that only people can judge, the answer is the proof."""
    story = fires_again(Story().opened().verified().paged().roll_back_proposed().contained())
    story.after(2).record(Contained(by="Stopped", finding=HEALTH), by=BEN)
    assert _lines(story)[-1] == "- 14:56 - Still contained (Stopped): 20 requests: 0 failed, p95 61 ms."


def test_of_many_recurrences_the_last_one_and_the_end_stay() -> None:
    """Twelve events hold the beginning, the last alert, what the check found then, and the end."""
    story = came_back()
    for _ in range(20):
        story = came_back(story)
    lines = _lines(story.resolved())
    assert sum(line.startswith("- ") for line in lines) == MOST
    for words in ("The trouble began", "Contained by", "Fires again after containment", "Still contained", "All clear"):
        assert any(words in line for line in lines), words


def test_twenty_recurrences_leave_twelve_events() -> None:
    """The first and the last containment stay."""
    story = recurring()
    for _ in range(20):
        story = lost_and_contained(story)
    lines = _lines(story)
    assert sum(line.startswith("- ") for line in lines) == MOST
    assert any("Contained by" in line for line in lines)
    assert f'{story.now:%H:%M} - Contained again by "Maintenance mode": 20 requests: 0 failed, p95 61 ms.' in lines[-3]


def test_an_incident_that_has_just_opened_has_its_beginning_and_detection() -> None:
    """There is no acknowledgement before a person acted, and the times of a short incident have seconds."""
    assert _lines(Story().opened()) == [
        "- 14:28:00 - The trouble began.",
        "- 14:30:00 - Detected: alert from alertmanager. Opened as P1.",
    ]
