"""Phone numbers: what people write, and what a vendor gets."""

from __future__ import annotations

import pytest

from allclear.domain.plan import contact_key
from allclear.domain.plan.phone_numbers import e164


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+4915112345678", "+4915112345678"),
        (" +49 (0) 151 / 123-456.78 ", "+4915112345678"),
        ("+1 (500) 555-0006", "+15005550006"),
        ("0151 12345678", ""),
        ("+0151 12345678", ""),
        ("+49151123456789012", ""),
        ("+49 call me", ""),
        ("ana@example.com", ""),
        ("[Phone]", ""),
        ("", ""),
    ],
)
def test_a_number_is_written_in_many_ways_and_has_one_form(written: str, number: str) -> None:
    """A number without its country, or with letters, is none."""
    assert e164(written) == number


def test_a_person_is_found_by_the_digits_of_the_number() -> None:
    """The plan writes spaces, and the phone company none."""
    assert contact_key("phone", "+49 151 1234-5678") == contact_key("phone", "+4915112345678")
    assert contact_key("phone", "extension 12") == "extension 12"
    assert contact_key("phone", "[Phone]") == ""
