"""The last lines of a timeline, worked out without those before them."""

from __future__ import annotations

from allclear.domain.timeline import newest_line, timeline
from tests.unit.domain.stories import Story, plan


def test_the_last_entries_have_lines_without_the_first() -> None:
    """Without the earlier entries, an act whose title is unknown is shown by its id."""
    story = Story().whole()
    tail = story.entries[-30:]
    assert len(timeline(tail, routine=True)) == len(timeline(tail, routine=True, incident=story.incident)) == 30


def test_the_newest_line_is_the_last_of_the_timeline() -> None:
    """A drill prints each line as it is written, without writing those before it again."""
    story = Story().whole()
    for number in range(1, len(story.entries) + 1):
        entries = story.entries[:number]
        whole = timeline(entries, plan(), routine=True, incident=story.incident)
        assert newest_line(entries, plan(), story.incident) == whole[-1]
