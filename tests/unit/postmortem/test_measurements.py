"""What is counted from health checks and from users' requests, and how it is worded."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest

from allclear.domain.action import Finding, Verdict
from allclear.domain.records import StepDone
from allclear.domain.traffic import TRAFFIC
from allclear.postmortem.measurements import (
    Measurements,
    Sample,
    measure,
    measured_lines,
    percent_words,
    requests_affected,
)
from tests.unit.domain.stories import START, Story
from tests.unit.postmortem.recurring import recurring


def measured_in(story: Story) -> Measurements:
    """Return what the story's entries measured."""
    return measure(story.incident, story.entries)


def counted(requests: list[int], failed: list[int], seconds: int = 60) -> StepDone:
    """Return the result of a step that counted the users' requests."""
    fact: dict[str, Any] = {
        "source": "Cloud Monitoring",
        "start": (START - timedelta(minutes=3)).isoformat(),
        "seconds": seconds,
        "requests": requests,
        "failed": failed,
    }
    finding = Finding(verdict=Verdict.SUCCESS, sentence="Counted.", facts={TRAFFIC: fact})
    return StepDone(phase="resolve", step="users-requests", title="Count the requests", finding=finding)


def test_a_proof_that_stands_in_the_record_twice_is_one_sample() -> None:
    """The result of the probe and `Contained` have one finding: it was measured once."""
    measured = measured_in(Story().whole())
    assert [(sample.requests, sample.failed) for sample in measured.checks] == [(20, 12), (20, 0), (20, 0), (20, 0)]
    assert measured.worst == Sample(START + timedelta(minutes=0.5), 20, 12)


def test_without_a_count_the_worst_health_check_is_told_as_what_it_is() -> None:
    """Twenty requests of a probe are never told as users' requests."""
    story = Story().whole()
    words = requests_affected(measured_in(story), UTC)
    assert words == (
        "not counted; at worst 12 of 20 requests failed (60 %) in a health check, 14:30 (measured from outside)"
    )


def test_counted_requests_are_told_with_their_source() -> None:
    """The last count counts, because the numbers of the first were not complete yet."""
    story = Story().opened().record(counted([100, 100], [0, 1]), counted([900, 1000, 1000, 1000], [0, 3, 600, 20]))
    measured = measured_in(story)
    words = (
        "623 of 3,900 requests from users to the service failed, 14:27 to 14:31; "
        "60 % in the worst minute (counted by Cloud Monitoring)"
    )
    assert requests_affected(measured, UTC) == words
    assert measured_lines(story.entries, measured, UTC) == f"- Users: {words}."


def test_a_trouble_of_seconds_is_not_hidden_by_the_minute_in_which_it_was() -> None:
    """60 % of payments may fail, and 2 % of everything in that minute: the line says for how long users suffered."""
    story = Story().opened().record(counted([1000] * 5, [0, 0, 0, 20, 0]))
    seconds = [(START + timedelta(seconds=begin), START + timedelta(seconds=begin + 4)) for begin in (10, 40, 90)]
    measured = measured_in(story)._replace(affected=seconds)
    assert requests_affected(measured, UTC) == (
        "20 of 5,000 requests from users to the service failed, 14:27 to 14:32; "
        "2 % in the worst minute, in which users were affected for 8 seconds (counted by Cloud Monitoring)"
    )


def test_a_count_that_ends_before_the_trouble_is_none() -> None:
    """Metrics lag: no failure among the requests of the minutes before the trouble proves nothing."""
    story = Story().whole().record(counted([100] * 5, [0] * 5))
    assert requests_affected(measured_in(story), UTC).startswith("not counted; at worst 12 of 20")
    assert not measured_in(story).of_users


def test_a_count_that_ends_before_the_last_recurrence_does_is_none() -> None:
    """It ends after the first containment (14:34), so the failures until the second one (14:54) are missing."""
    assert not measured_in(recurring().record(counted([100] * 15, [1] * 15))).of_users
    assert measured_in(recurring().record(counted([100] * 40, [1] * 40))).of_users


@pytest.mark.parametrize(
    "fact", [None, 5, [], {}, {"requests": [1]}, {"start": "yesterday"}, {"source": "x", "requests": ["many"]}]
)
def test_a_count_of_another_shape_is_no_count(fact: object) -> None:
    """A third party's probe may put anything under the name."""
    finding = Finding(verdict=Verdict.SUCCESS, sentence="", facts={TRAFFIC: fact, "requests": "many", "failed": -1})
    story = Story().opened().record(StepDone(phase="resolve", step="count", title="", finding=finding))
    measured = measured_in(story)
    assert (measured.checks, measured.traffic) == ([], None)
    assert requests_affected(measured, UTC) == "not counted"


def test_a_chart_shows_the_users_only_if_it_has_several_of_their_spans() -> None:
    """Of an incident of a minute, health checks show more than two counts by the minute."""
    long, short = Story().whole(), Story().opened().verified()
    count = counted([100] * 40, [1] * 40)
    assert measured_in(long.record(count)).of_users
    assert not measured_in(short.record(count)).of_users
    assert len(measured_in(short).samples) == 1


@pytest.mark.parametrize(("percent", "words"), [(0, "0 %"), (0.04, "under 0.1 %"), (0.4, "0.4 %"), (59.6, "60 %")])
def test_a_small_share_is_never_rounded_to_nothing(percent: float, words: str) -> None:
    """Four failures of ten thousand are no zero."""
    assert percent_words(percent) == words
