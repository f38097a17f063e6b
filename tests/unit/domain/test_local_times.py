"""Times that people type."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from allclear.domain.errors import NotAllowed
from allclear.domain.local_times import read_future, read_past

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
FRIDAY = datetime(2026, 11, 20, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20 17:00",
        " 2026-11-20T17:00 ",
        "2026-11-20 17:00:00",
        "2026-11-20 16:00 UTC",
        "2026-11-20T16:00:00Z",
        "2026-11-20T11:00-05:00",
    ],
)
def test_a_time_without_an_offset_is_in_the_companys_zone(text: str) -> None:
    """UTC and other offsets count if they are typed."""
    assert read_past(text, BERLIN, NOW) == FRIDAY


def test_an_empty_text_is_no_time() -> None:
    """The field of a form may stay empty."""
    assert read_past("  ", BERLIN, NOW) is None


@pytest.mark.parametrize("text", ["Friday", "2026-11-31 10:00", "20.11.2026 17:00", "17:00", "0000-01-01 00:00"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    """The example is the present, in the company's zone."""
    with pytest.raises(NotAllowed) as refused:
        read_past(text, BERLIN, NOW)
    assert refused.value.next_step == "Write it as 2026-11-23 10:00 (Europe/Berlin)."


def test_the_future_is_refused() -> None:
    """Nothing was known before it was."""
    with pytest.raises(NotAllowed, match="has not come yet"):
        read_past("2026-11-23 10:01", BERLIN, NOW)


def test_a_time_that_the_clocks_skip_is_refused() -> None:
    """In Berlin, 2027-03-28 has no 02:30; with an offset it is a time. Of one that comes twice, the first counts."""
    with pytest.raises(NotAllowed, match=r"There is no 2027-03-28 02:30 in Europe/Berlin: the clocks are put forward"):
        read_future("2027-03-28 02:30", BERLIN, NOW)
    assert read_future("2027-03-28 02:30 UTC", BERLIN, NOW) == datetime(2027, 3, 28, 2, 30, tzinfo=UTC)
    assert read_past("2026-10-25 02:30", BERLIN, NOW) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
