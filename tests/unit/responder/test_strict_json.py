"""Strict JSON: what cannot be stored as text is written out, so that values that differ stay different."""

from __future__ import annotations

import pytest

from allclear.responder.strict_json import NotStrict, decode


def test_half_of_a_character_and_a_nul_in_a_key_are_written_out() -> None:
    """Also deep inside; a whole character of two halves, and a NUL in a value, stay as they are."""
    body = rb'{"a\ud800": [{"b\u0000": "\udfff\u0000"}, "\ud83d\ude00"], "\uDBFF": 1}'
    assert decode(body) == {"a\\ud800": [{"b\\x00": "\\udfff\x00"}, "\U0001f600"], "\\udbff": 1}


def test_values_that_differ_in_half_of_a_character_stay_different() -> None:
    """A question mark for each would make one alert of two."""
    assert decode(rb'"a\ud800"') != decode(rb'"a\ud801"')


def test_keys_that_are_the_same_afterwards_are_rejected() -> None:
    """Otherwise one of the two values would be lost."""
    with pytest.raises(NotStrict, match="is repeated"):
        decode(rb'{"\ud800": 1, "\\ud800": 2}')
