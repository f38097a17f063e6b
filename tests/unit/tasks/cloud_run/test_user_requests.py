"""The spans in which users' requests are counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from allclear.domain.traffic import MOST_SPANS
from tasks.cloud_run.user_requests import AROUND, MINUTE, spans

NOW = datetime(2026, 11, 22, 15, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("minutes", [0, 0.4, 32, 114, 115, 116, 600, 60 * 24 * 30])
def test_the_spans_cover_the_whole_incident_and_fit_into_a_record(minutes: float) -> None:
    """They start five minutes before the beginning or earlier, end now, and are whole minutes long."""
    onset = NOW - timedelta(minutes=minutes)
    start, end, step = spans(onset, NOW)
    count = (end - start) / step
    assert (end, count % 1, step % MINUTE) == (NOW, 0, timedelta(0))
    assert start <= onset - AROUND < start + step
    assert count <= MOST_SPANS
