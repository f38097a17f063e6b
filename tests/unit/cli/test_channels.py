"""`allclear test-channels` prints a table that can be read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from allclear.cli.channels import print_tests
from allclear.domain.notify.channel_test import ChannelTest


def test_the_longest_result_is_apart_from_the_way(capsys: pytest.CaptureFixture[str]) -> None:
    """Each column is as wide as its longest word."""
    at = datetime(2026, 11, 22, tzinfo=UTC)
    results = {"sms": "delivered", "phone": "acknowledged"}
    print_tests(
        [ChannelTest(way=way, person="Ana", result=one, sentence="Yes.", at=at) for way, one in results.items()]
    )
    assert capsys.readouterr().out.splitlines() == [
        "delivered     sms    Ana  Yes.",
        "acknowledged  phone  Ana  Yes.",
        "1 delivered, 1 acknowledged.",
    ]
