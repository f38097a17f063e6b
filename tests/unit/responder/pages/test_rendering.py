"""What the templates make of sentences and changes, which may hold the words of people and of alerts."""

from __future__ import annotations

from allclear.responder.pages.rendering import render, with_code


def test_only_code_in_a_sentence_becomes_html() -> None:
    """A name that looks like a link or a tag stays text."""
    assert with_code("Write it under `people`.") == "Write it under <code>people</code>."
    assert with_code("<b> [x](https://evil.example) `<i>`") == (
        "&lt;b&gt; [x](https://evil.example) <code>&lt;i&gt;</code>"
    )


def test_a_long_text_has_the_whole_width_of_a_phone() -> None:
    """Beside a short `before` it would be a column of single words."""
    rows = [("", "nothing published", "We are investigating. " * 10)]
    assert '<table class="change long">' in render("change.html", rows=rows)
    assert '<table class="change">' in render("change.html", rows=[("", "100 % web-42", "100 % web-41")])
