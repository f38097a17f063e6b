"""What all parsers share: times in several formats, and keys that are different for different ids."""

from __future__ import annotations

from datetime import datetime

import pytest

from allclear.responder.sources.payload import key, parse_time
from tests.unit.responder.sources.sources_support import NOW


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1795323600, NOW),
        ("1795323600", NOW),
        (1795323600000, NOW),
        ("1795323600000", NOW),
        (1795323600.0, NOW),
        ("2026-11-22T05:00:00Z", NOW),
        ("2026-11-22T06:00:00+01:00", NOW),
        ("2026-11-22T05:00:00", NOW),
        (None, None),
        ("", None),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        (0, None),
        (-5, None),
        (float("inf"), None),
        (float("nan"), None),
        (1e300, None),
        ("9" * 400, None),
        (True, None),
        ([], None),
        ("9999-12-31T23:59:59-10:00", None),
        ("²", None),
    ],
)
def test_times_are_parsed_from_several_formats(value: object, expected: datetime | None) -> None:
    """Seconds, milliseconds and ISO 8601 become the same time in UTC; any other value becomes None."""
    assert parse_time(value) == expected


def test_different_ids_never_give_the_same_key() -> None:
    """Ids with a slash, very long ids, and ids with different spaces have different keys."""
    keys = [
        key("a", "b/c"),
        key("a/b", "c"),
        key("a", "b", "c"),
        key("a%2Fb", "c"),
        key("x" * 300),
        key("x" * 301),
        key("a b"),
        key("a  b"),
        key("a\u200bb"),
        key("ab"),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(text) <= 200 and text.isascii() and text.isprintable() for text in keys)


def test_an_alert_whose_ids_are_all_empty_is_refused() -> None:
    """Otherwise all such alerts would have one key."""
    with pytest.raises(ValueError, match="has no id"):
        key("", "")
    assert key("", "1") == "/1"
