"""Long texts: shortened with a mark, or split, by characters or by bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allclear.vendors.lengths import head, in_parts, shortened
from allclear.vendors.slack import size

TEXTS = st.text(alphabet="ab&<ü🚨\n", max_size=400)


@pytest.mark.parametrize(("text", "short"), [("abcdef", "abcdef"), ("abcdefg", "abcde…"), ("abcd  g", "abcd…")])
def test_a_shortened_text_ends_in_a_mark(text: str, short: str) -> None:
    """Readers see that something is missing."""
    assert shortened(text, 6) == short


@given(TEXTS)
def test_parts_fit_and_hold_the_whole_text(text: str) -> None:
    """Nothing is lost, and no part is longer than the limit in bytes after escaping."""
    parts = in_parts(text, 40, size)
    assert all(size(part) <= 40 for part in parts)
    assert "".join(parts).replace("\n", "") == text.replace("\n", "")


@given(st.text(alphabet="ab&<ü🚨\n", min_size=61, max_size=400))
def test_a_head_fits_and_begins_and_ends_like_the_text(text: str) -> None:
    """It holds the mark, the beginning, and lines of the end."""
    short = head(text, 60, "(more)", size)
    assert size(short) <= 60
    before, _, after = short.partition("(more)")
    assert text.startswith(before.removesuffix("\n"))
    assert text.endswith(after.removeprefix("\n"))


def test_lines_stay_whole_and_the_last_ones_are_kept() -> None:
    """What is new stands at the end."""
    lines = [f"line {number}" for number in range(20)]
    assert head("\n".join(lines), 50, "…") == "line 0\nline 1\nline 2\n…\nline 17\nline 18\nline 19"
    assert in_parts("one\ntwo\nthree", 7) == ["one\ntwo", "three"]
